"""The score from which a prediction is worth a look: a quantile of recent scores, with ties broken by lot."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Bar", "RecentScores", "ScoreThreshold"]

AIMS_WORTH_PREPARING: Final = 4
"""From so many moves of the threshold on, the high scores are picked out of all that are announced at once."""

HIGH_SPARE_MIN: Final = 20
"""Scores counted as high beyond those wanted, at least; else half as many again."""

Scores = npt.NDArray[np.float64]


class RecentScores(NamedTuple):
    """The last ``scores_max`` of ``known`` scores at one moment: nothing before ``end`` in ``log`` is written again."""

    log: Scores
    end: int
    known: int
    scores_max: int

    @property
    def newest(self) -> Scores:
        """The scores, oldest first, of shape (at most ``scores_max``,); a view, so do not write to it."""
        return self.log[self.end - min(self.known, self.scores_max) : self.end]


class Bar(NamedTuple):
    """A threshold to compare with: from ``wanted_from`` scores are wanted by lot, from ``sure_from`` for sure.

    The lot is ``tie_probability``; the two are the same where it has no say.
    """

    wanted_from: float
    sure_from: float
    tie_probability: float


class ScoreThreshold:
    """A quantile over the last ``scores_max`` scores.

    Scores above ``value`` are wanted; of those equal to it a share ``tie_probability``, so that a model which always
    says the same confidence is still reviewed at the rate asked for.

    The scores lie one after the other in a log that is only appended to; where it is full, the newest move to another.
    So a moment in it can be kept at no cost. Memory: twice ``scores_max`` numbers; more only while more are announced.

    The quantile is exact, but looked for among the scores above a floor that follows the threshold; among all of them
    where those are too few.
    """

    def __init__(self, scores_max: int, start: float) -> None:
        self._scores_max = scores_max
        self._log = np.empty(2 * scores_max)
        self._end = 0
        self._high: HighScores | None = None
        self._floor = -math.inf
        self.known = 0
        self.value = start
        self.tie_probability = 0.0

    def announce(self, scores: Scores, aims: int = 1) -> None:
        """Lay out scores that ``admit`` will take one after the other; what was announced and not admitted is lost.

        ``aims`` says about how often the threshold will be set meanwhile: often enough, and it is worth preparing.
        """
        if self._end + len(scores) > len(self._log):
            self._start_log(self.recent.newest, len(scores))
        self._log[self._end : self._end + len(scores)] = scores
        self._high = None
        if aims >= AIMS_WORTH_PREPARING:
            first = self._end - len(self.recent.newest)
            self._high = HighScores(self._log[first : self._end + len(scores)], first, self._floor)

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
            self._aim_within(scores, wanted)

    def _aim_within(self, scores: Scores, wanted: float) -> None:
        """Set the threshold so that ``wanted`` of the scores are wanted."""
        above_max = int(wanted)
        high = self._high_among(scores)
        ordered = np.sort(high if len(high) > above_max else scores)
        self.value, above, equal = ranked(ordered, above_max)
        self.tie_probability = min(1.0, max(0.0, (wanted - above) / equal))
        kept = above_max + max(above_max // 2, HIGH_SPARE_MIN)
        if len(ordered) > 2 * kept:
            self._floor = float(ordered[-kept])

    def _high_among(self, scores: Scores) -> Scores:
        """The remembered scores that are above the floor; the threshold is among them unless scores fall a lot."""
        if self._high is None:
            return scores[scores > self._floor]
        return self._high.between(self._end - len(scores), self._end)

    def bar(self, scores: Scores, chance: float) -> Bar:
        """What is asked of these scores now, where ``chance`` is what they all have anyway."""
        value, lot = self.value, self.tie_probability
        beyond = math.nextafter(value, math.inf)
        if lot <= chance:
            return Bar(beyond, beyond, lot)
        sure_from = value if lot == 1.0 else beyond
        # Few scores are equal to a threshold, and nothing need be drawn for the others.
        return Bar(value if np.count_nonzero(scores == value) else sure_from, sure_from, lot)

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
        self._high = None


class HighScores:
    """Those of ``scores`` that are above ``floor``, in their order; ``first`` is where the first score stands."""

    def __init__(self, scores: Scores, first: int, floor: float) -> None:
        indexes = (scores > floor).nonzero()[0]
        self._scores = scores[indexes]
        self._indexes = indexes + first

    def between(self, start: int, stop: int) -> Scores:
        """The high scores that stand from ``start`` on, before ``stop``."""
        return self._scores[self._indexes.searchsorted(start) : self._indexes.searchsorted(stop)]


def ranked(ordered: Scores, above_max: int) -> tuple[float, int, int]:
    """The largest score that at most ``above_max`` others exceed, how many do, and how many equal it, itself included.

    ``ordered`` are the scores, ascending.
    """
    index = len(ordered) - 1 - above_max
    value = float(ordered[index])
    if value not in (ordered[index - 1], ordered[min(index + 1, len(ordered) - 1)]):
        return value, above_max, 1
    first, after = int(ordered.searchsorted(value)), int(ordered.searchsorted(value, "right"))
    return value, len(ordered) - after, after - first
