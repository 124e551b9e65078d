"""The score of a backtest, from the true labels of all events, which the loop itself does not get."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from watchloop.backtest.report import Stretch

__all__ = ["Score"]

STRETCHES_MAX = 100
STRETCH_EVENTS_MIN = 50

Flags = npt.NDArray[np.bool_]


class Score:
    """Flags of every event, 3 bytes each: was the model right, was the one in charge right, did a person see it."""

    def __init__(self, events: int) -> None:
        self._model: Flags = np.zeros(events, np.bool_)
        self._learned: Flags = np.zeros(events, np.bool_)
        self._seen: Flags = np.zeros(events, np.bool_)
        self.events = 0

    def add(self, truths: Sequence[str], answers: Sequence[str], learned: Sequence[str], seen: Flags) -> None:
        """Add a batch: true labels, answers of the model and of the one in charge, and whether people see the event."""
        batch = slice(self.events, self.events + len(truths))
        self._model[batch] = [answer == truth for answer, truth in zip(answers, truths, strict=True)]
        self._learned[batch] = [answer == truth for answer, truth in zip(learned, truths, strict=True)]
        self._seen[batch] = seen
        self.events += len(truths)

    @property
    def errors(self) -> int:
        """Wrong answers of the model."""
        return self.events - int(np.count_nonzero(self._model[: self.events]))

    @property
    def reviewed(self) -> int:
        """Events that people saw: reviews, escalations and the audit sample."""
        return int(np.count_nonzero(self._seen[: self.events]))

    @property
    def errors_caught(self) -> int:
        """Wrong answers that people saw."""
        return int(np.count_nonzero(self._seen & ~self._model))

    @property
    def accuracy_model(self) -> float:
        """Accuracy of the production model so far."""
        return float(self._model[: self.events].mean())

    @property
    def accuracy_learned(self) -> float:
        """Accuracy so far of the model in charge at each event: production, or the learned model after a promotion."""
        return float(self._learned[: self.events].mean())

    @property
    def accuracy_after_review(self) -> float:
        """Accuracy so far if people corrected every error they saw."""
        return float((self._model | self._seen)[: self.events].mean())

    def caught_by_confidence(self, confidences: Sequence[float]) -> int:
        """Wrong answers among the least confident ones, as many as people saw, chosen with hindsight.

        Among answers as confident as the last one chosen, the choice is random: the result is its rounded expectation
        and does not depend on the order of rows. ``confidences`` has shape (events,).
        """
        reviewed = self.reviewed
        if reviewed == 0:
            return 0
        given = np.asarray(confidences)
        last = np.partition(given, reviewed - 1)[reviewed - 1]
        wrong, is_below, is_tied = ~self._model[: len(given)], given < last, given == last
        share = (reviewed - int(np.count_nonzero(is_below))) / int(np.count_nonzero(is_tied))
        return round(int(np.count_nonzero(wrong & is_below)) + share * int(np.count_nonzero(wrong & is_tied)))

    def stretches(self) -> list[Stretch]:
        """Accuracies of up to ``STRETCHES_MAX`` stretches of equal length; the last may be shorter."""
        length = max(STRETCH_EVENTS_MIN, -(-self.events // STRETCHES_MAX))
        stretches = []
        for start in range(0, self.events, length):
            run = slice(start, min(self.events, start + length))
            stretches.append(
                Stretch(
                    at=run.stop,
                    model=float(self._model[run].mean()),
                    learned=float(self._learned[run].mean()),
                    after_review=float((self._model | self._seen)[run].mean()),
                )
            )
        return stretches
