"""The score from which a prediction is worth a look: a quantile of recent scores, with ties broken by lot."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["RecentScores", "ScoreThreshold"]

Scores = npt.NDArray[np.float64]


class RecentScores(NamedTuple):
    """The last ``scores_max`` of ``known`` scores at one moment: nothing before ``end`` in ``log`` is written again."""

    log: Scores
    end: int
    known: int
    scores_max: int

    @property
    def newest(self) -> Scores:
        """The scores, oldest first."""
        return self.log[self.end - min(self.known, self.scores_max) : self.end]

    def dump(self) -> bytes:
        """The scores as little-endian float64 where a ring has them: each new one takes the place of the oldest."""
        return np.roll(self.newest, self.known % self.scores_max).astype("<f8").tobytes()

    @classmethod
    def load(cls, dumped: bytes, known: int, scores_max: int) -> RecentScores:
        """Take dumped scores back; ValueError where they do not fit this memory."""
        ring = np.frombuffer(dumped, "<f8")
        if len(ring) != min(known, scores_max):
            raise ValueError(
                f"saved triage state holds {len(ring)} recent scores, expected {min(known, scores_max)}; "
                "recent_scores_max has changed since, start without the saved state"
            )
        return cls(np.roll(ring, -(known % scores_max)).astype(np.float64), len(ring), known, scores_max)


class ScoreThreshold:
    """A quantile over the last ``scores_max`` scores.

    Scores above ``value`` are wanted; of those equal to it a share ``tie_probability``, so that a model which always
    says the same confidence is still reviewed at the rate asked for.

    The scores lie one after the other in a log that is only appended to; where it is full, the newest move to another.
    So a moment in it can be kept at no cost. Memory: twice ``scores_max`` numbers; more only while more are announced.
    """

    def __init__(self, scores_max: int, start: float) -> None:
        self._scores_max = scores_max
        self._log = np.empty(2 * scores_max)
        self._end = 0
        self.known = 0
        self.value = start
        self.tie_probability = 0.0

    def add(self, scores: Scores) -> None:
        """Remember scores; the oldest are forgotten first."""
        self.announce(scores)
        self.admit(len(scores))

    def announce(self, scores: Scores) -> None:
        """Lay out scores that ``admit`` will take one after the other; what was announced and not admitted is lost."""
        if self._end + len(scores) > len(self._log):
            self._start_log(self.recent.newest, len(scores))
        self._log[self._end : self._end + len(scores)] = scores

    def admit(self, count: int) -> None:
        """Remember the next ``count`` of the scores announced; the oldest are forgotten first."""
        self._end += count
        self.known += count
        if self._end == len(self._log) > 2 * self._scores_max:
            self._start_log(self.recent.newest, 0)

    def aim(self, share: float) -> None:
        """Set the threshold so that ``share`` of the remembered scores would be wanted."""
        scores = self.recent.newest
        wanted = share * len(scores)
        if len(scores) == 0 or share <= 0.0:
            self.value, self.tie_probability = math.inf, 0.0
        elif wanted >= len(scores):
            self.value, self.tie_probability = -math.inf, 0.0
        else:
            self._aim_within(np.sort(scores), wanted)

    def _aim_within(self, ordered: Scores, wanted: float) -> None:
        """Set the threshold so that ``wanted`` of the scores, in ascending order, are wanted."""
        place = len(ordered) - 1 - int(wanted)
        self.value = float(ordered[place])
        first, after = int(ordered.searchsorted(self.value)), int(ordered.searchsorted(self.value, "right"))
        above, equal = len(ordered) - after, after - first
        self.tie_probability = min(1.0, max(0.0, (wanted - above) / equal))

    def wanted_from(self, chance: float) -> float:
        """The least score that is wanted with more than this chance."""
        return self.value if self.tie_probability > chance else math.nextafter(self.value, math.inf)

    @property
    def sure_from(self) -> float:
        """The least score that is wanted for sure."""
        return self.value if self.tie_probability == 1.0 else math.nextafter(self.value, math.inf)

    @property
    def recent(self) -> RecentScores:
        """What is remembered now, at no cost: it stays as it is whatever comes."""
        return RecentScores(self._log, self._end, self.known, self._scores_max)

    @recent.setter
    def recent(self, recent: RecentScores) -> None:
        # A log of its own: somebody else may remember more of this one.
        self._start_log(recent.newest, 0)
        self.known = recent.known

    def _start_log(self, scores: Scores, more: int) -> None:
        self._log = np.empty(max(2 * self._scores_max, len(scores) + more))
        self._log[: len(scores)] = scores
        self._end = len(scores)
