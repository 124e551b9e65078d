"""The score above which a person should look at a prediction: a quantile of recent scores, with ties broken by lot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Bar", "RecentScores", "ScoreThreshold", "bar_of", "ranked"]

RUNS_WORTH_PREPARING: Final = 4
"""A batch with at least so many runs has its high scores picked out once, before the first run."""

HIGH_SPARE_MIN: Final = 20
"""The high scores are those wanted and half as many again, and at least so many more."""

Scores = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class RecentScores(NamedTuple):
    """The last ``scores_max`` of ``known`` scores at one moment.

    They end at index ``end`` of ``log``; nothing before ``end`` is ever written again.
    """

    log: Scores
    end: int
    known: int
    scores_max: int

    @property
    def newest(self) -> Scores:
        """The scores, oldest first, of shape (at most ``scores_max``,); a view, so do not write to it."""
        return self.log[self.end - min(self.known, self.scores_max) : self.end]


class Bar(NamedTuple):
    """A threshold that scores are compared with.

    Scores of at least ``sure_from`` are wanted for sure, those from ``wanted_from`` up to it with the probability
    ``tie_probability``. The two bounds are equal where nothing is left to the lot.
    """

    wanted_from: float
    sure_from: float
    tie_probability: float


class ScoreThreshold:
    """A quantile over the last ``scores_max`` scores.

    Scores above ``value`` are wanted, and a share ``tie_probability`` of those equal to it, so that a model which
    always gives the same confidence is still reviewed at the requested rate. ``value`` is ``start`` until the first
    ``aim``. ``known`` counts the scores remembered so far.

    The scores lie one after the other in a log that is only appended to; when it is full, the newest move to another.
    Therefore ``recent`` costs nothing. Memory: twice ``scores_max`` numbers, and the scores of one batch.

    The quantile is exact. To find it quickly, only scores above a floor that follows the threshold are sorted; all
    scores are sorted where those are too few.
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

    def follow(
        self,
        scores: Scores,
        counted: Flags,
        runs: Sequence[slice],
        chance: float,
        spend: Callable[[slice, Bar], float | None],
    ) -> None:
        """Take a batch in, run by run; the threshold moves between two runs.

        ``runs`` are slices that cover the batch in order. For each of them ``spend`` is called with the slice and the
        Bar for its scores; ``chance`` is the probability with which a person sees each event anyway. ``spend`` returns
        the share of the remembered scores that the next run should want, None to leave the threshold where it is. By
        then the scores of the run are remembered, those that are ``counted``. ``scores`` and ``counted`` have shape
        (events,).
        """
        self._announce(scores[counted], len(runs))
        for run in runs:
            bar = bar_of(self.value, self.tie_probability, scores[run], chance)
            self._admit(int(np.count_nonzero(counted[run])))
            share = spend(run, bar)
            if share is not None:
                self.aim(share)

    def _announce(self, scores: Scores, runs: int) -> None:
        """Append scores to the log, from where ``_admit`` remembers them run by run."""
        if self._end + len(scores) > len(self._log):
            self._start_log(self.recent.newest, len(scores))
        self._log[self._end : self._end + len(scores)] = scores
        self._high = None
        if runs >= RUNS_WORTH_PREPARING:
            first = self._end - len(self.recent.newest)
            self._high = HighScores(self._log[first : self._end + len(scores)], first, self._floor)

    def _admit(self, count: int) -> None:
        """Remember the next ``count`` of the announced scores; the oldest are forgotten first."""
        self._end += count
        self.known += count
        if self._end == len(self._log) > 2 * self._scores_max:
            self._start_log(self.recent.newest, 0)

    def aim(self, share: float) -> None:
        """Set the threshold so that ``share`` of the remembered scores would be wanted.

        A share of at most 0 wants none (``value`` is infinite), one of at least 1 all (minus infinity).
        """
        scores = self.recent.newest
        wanted = share * len(scores)
        if len(scores) == 0 or share <= 0.0:
            self.value, self.tie_probability = math.inf, 0.0
        elif wanted >= len(scores):
            self.value, self.tie_probability = -math.inf, 0.0
        else:
            self._aim_within(scores, wanted)

    def _aim_within(self, scores: Scores, wanted: float) -> None:
        """Set the threshold so that ``wanted`` of the scores are wanted; more than 0 and less than all of them."""
        above_max = int(wanted)
        high = self._high_among(scores)
        ordered = np.sort(high if len(high) > above_max else scores)
        self.value, above, equal = ranked(ordered, above_max)
        self.tie_probability = min(1.0, max(0.0, (wanted - above) / equal))
        kept = above_max + max(above_max // 2, HIGH_SPARE_MIN)
        if len(ordered) > 2 * kept:
            self._floor = float(ordered[-kept])

    def _high_among(self, scores: Scores) -> Scores:
        """The remembered scores above the floor; the threshold is among them unless scores have fallen a lot."""
        if self._high is None:
            return scores[scores > self._floor]
        return self._high.between(self._end - len(scores), self._end)

    @property
    def recent(self) -> RecentScores:
        """The scores remembered now: a value that later scores do not change. Setting it goes back to that moment."""
        return RecentScores(self._log, self._end, self.known, self._scores_max)

    @recent.setter
    def recent(self, recent: RecentScores) -> None:
        # A new log: the old one may hold later scores that somebody else remembers.
        self._start_log(recent.newest, 0)
        self.known = recent.known

    def _start_log(self, scores: Scores, more: int) -> None:
        self._log = np.empty(max(2 * self._scores_max, len(scores) + more))
        self._log[: len(scores)] = scores
        self._end = len(scores)
        self._high = None


class HighScores:
    """Those of ``scores`` above ``floor``: so few that finding the threshold among them again and again is cheap.

    ``first`` is the index in the log of the first of ``scores``.
    """

    def __init__(self, scores: Scores, first: int, floor: float) -> None:
        indexes = (scores > floor).nonzero()[0]
        self._scores = scores[indexes]
        self._indexes = indexes + first

    def between(self, start: int, stop: int) -> Scores:
        """The high scores between the indexes ``start`` and ``stop`` of the log, oldest first."""
        return self._scores[self._indexes.searchsorted(start) : self._indexes.searchsorted(stop)]


def bar_of(value: float, tie_probability: float, scores: Scores, chance: float) -> Bar:
    """The Bar for scores where those above ``value`` are wanted and a share ``tie_probability`` of those equal to it.

    Ties are left alone where the lot is no better than ``chance``, with which a person sees every event anyway.

    >>> bar_of(0.5, 0.3, np.array([0.5, 0.9]), 0.02)
    Bar(wanted_from=0.5, sure_from=0.5000000000000001, tie_probability=0.3)
    >>> bar_of(0.5, 1.0, np.array([0.5, 0.9]), 0.02)
    Bar(wanted_from=0.5, sure_from=0.5, tie_probability=1.0)
    """
    beyond = math.nextafter(value, math.inf)
    if tie_probability <= chance:
        return Bar(beyond, beyond, tie_probability)
    sure_from = value if tie_probability == 1.0 else beyond
    # Few scores are equal to a threshold, and nothing need be drawn for the others.
    return Bar(value if np.count_nonzero(scores == value) else sure_from, sure_from, tie_probability)


def ranked(ordered: Scores, above_max: int) -> tuple[float, int, int]:
    """The largest score that at most ``above_max`` others exceed, how many exceed it, and how many equal it.

    ``ordered`` are the scores in ascending order; the score found counts among those that equal it.

    >>> ranked(np.array([0.1, 0.4, 0.4, 0.9]), 2)
    (0.4, 1, 2)
    """
    index = len(ordered) - 1 - above_max
    value = float(ordered[index])
    if value not in (ordered[index - 1], ordered[min(index + 1, len(ordered) - 1)]):
        return value, above_max, 1
    first, after = int(ordered.searchsorted(value)), int(ordered.searchsorted(value, "right"))
    return value, len(ordered) - after, after - first
