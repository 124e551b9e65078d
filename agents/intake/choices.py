"""The answers offered for a task: those declared for the model, or those it has been seen to give."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.columns.prediction_columns import PredictionColumns
from schemas.texts.labels import label_problem

__all__ = ["LABELS_SEEN_MAX", "Choices"]

LABELS_SEEN_MAX = 100
"""Labels remembered of a model that declares none; further ones are offered only where they are the model's answer."""


class Choices:
    """The labels of one model, in the order of the number keys."""

    def __init__(self, declared: tuple[str, ...], seen: Sequence[str] = ()) -> None:
        self._declared = declared
        known = [] if declared else [label for label in seen if label_problem(label) is None]
        self._seen = set(known[:LABELS_SEEN_MAX])

    def see(self, events: PredictionColumns) -> None:
        """Learn labels from what the model answers, unless they are declared."""
        if self._declared or len(self._seen) >= LABELS_SEEN_MAX:
            return
        fresh = dict.fromkeys(events.labels)
        for probabilities in events.probabilities or ():
            fresh.update(dict.fromkeys(probabilities or ()))
        for label in fresh:
            if len(self._seen) >= LABELS_SEEN_MAX:
                return
            self._seen.add(label)

    @property
    def seen(self) -> tuple[str, ...]:
        """The labels learned from what the model answers."""
        return tuple(sorted(self._seen))

    @property
    def known(self) -> tuple[str, ...]:
        """The labels to offer: those declared, in their order, or those seen, by name."""
        return self._declared or self.seen
