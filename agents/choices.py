"""The answers offered for a task: those declared for the model, or those it has been seen to give."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.prediction import Prediction, label_text

__all__ = ["CHOICES_MAX", "Choices"]

CHOICES_MAX = 100
"""Labels remembered of a model that declares none; further ones are offered only where they are the model's answer."""


class Choices:
    """The labels of one model, in the order of the number keys."""

    def __init__(self, declared: tuple[str, ...]) -> None:
        self._declared = declared
        self._seen: set[str] = set()

    def see(self, events: Sequence[Prediction]) -> None:
        """Learn labels from what the model answers, unless they are declared."""
        if self._declared or len(self._seen) >= CHOICES_MAX:
            return
        known = self._seen
        fresh = [event for event in events if event.prediction not in known or event.probabilities is not None]
        for event in fresh:
            self._seen.add(label_text(event.prediction))
            if event.probabilities is not None:
                self._seen.update(event.probabilities)
            if len(self._seen) >= CHOICES_MAX:
                return

    @property
    def known(self) -> tuple[str, ...]:
        """The labels to offer."""
        return self._declared or tuple(sorted(self._seen))
