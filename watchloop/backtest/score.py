"""The score of a backtest: what happened to every event, judged by labels that the loop itself may not see."""

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
    """Three flags an event: was the model right, was what served right, did a person see it. 3 bytes an event."""

    def __init__(self, events: int) -> None:
        self._model: Flags = np.zeros(events, np.bool_)
        self._learned: Flags = np.zeros(events, np.bool_)
        self._seen: Flags = np.zeros(events, np.bool_)
        self.events = 0

    def add(self, truths: Sequence[str], answers: Sequence[str], learned: Sequence[str], seen: Flags) -> None:
        """The next batch: true labels, the model's answers, those of what served, and who was seen."""
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
        """Events that people saw: reviews, escalations and audit draws."""
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
        """Accuracy so far of what was in charge at each event: production, or the learned model after a promotion."""
        return float(self._learned[: self.events].mean())

    @property
    def accuracy_after_review(self) -> float:
        """Accuracy where people put right what they saw."""
        return float((self._model | self._seen)[: self.events].mean())

    def caught_by_confidence(self, confidences: Sequence[float]) -> int:
        """Wrong answers among the least confident ones, as many as people saw, chosen with hindsight.

        Of answers as confident as the last of them it is the expectation of a random choice, rounded: the order of the
        rows decides nothing.
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
