"""The score from which a prediction is worth a look: a quantile of recent scores, with ties broken by lot."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["ScoreThreshold"]


class ScoreThreshold:
    """A quantile over the last ``scores_max`` scores.

    Scores above ``value`` are wanted; of those equal to it a share ``tie_probability``, so that a model which always
    says the same confidence is still reviewed at the rate asked for.
    """

    def __init__(self, scores_max: int, start: float) -> None:
        self._scores = np.zeros(scores_max)
        self.known = 0
        self.value = start
        self.tie_probability = 0.0

    def add(self, scores: npt.NDArray[np.float64]) -> None:
        """Remember scores; the oldest are forgotten first."""
        size = len(self._scores)
        kept = scores[-size:]
        start = (self.known + len(scores) - len(kept)) % size
        head = min(len(kept), size - start)
        self._scores[start : start + head] = kept[:head]
        self._scores[: len(kept) - head] = kept[head:]
        self.known += len(scores)

    def aim(self, share: float) -> None:
        """Set the threshold so that ``share`` of the remembered scores would be wanted."""
        scores = self._scores[: min(self.known, len(self._scores))]
        wanted = share * len(scores)
        if len(scores) == 0 or share <= 0.0:
            self.value, self.tie_probability = math.inf, 0.0
        elif wanted >= len(scores):
            self.value, self.tie_probability = -math.inf, 0.0
        else:
            place = len(scores) - 1 - int(wanted)
            self.value = float(np.partition(scores, place)[place])
            above = int(np.count_nonzero(scores > self.value))
            equal = int(np.count_nonzero(scores == self.value))
            self.tie_probability = min(1.0, max(0.0, (wanted - above) / equal))

    def dump(self) -> bytes:
        """The remembered scores as little-endian float64, in storage order."""
        return self._scores[: min(self.known, len(self._scores))].astype("<f8").tobytes()

    def load(self, dumped: bytes, known: int) -> None:
        """Take remembered scores back; ValueError where they do not fit this memory."""
        scores = np.frombuffer(dumped, "<f8")
        if len(scores) != min(known, len(self._scores)):
            raise ValueError(
                f"saved triage state holds {len(scores)} recent scores, expected {min(known, len(self._scores))}; "
                "recent_scores_max has changed since, start without the saved state"
            )
        self._scores[: len(scores)] = scores
        self.known = known
