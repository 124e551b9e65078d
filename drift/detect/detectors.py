"""Change detectors: each takes one number at a time and returns whether it has found a change."""

from __future__ import annotations

import math
from typing import Any, Final

from river.drift import ADWIN

__all__ = ["AdwinDetector", "DepartureDetector", "PsiDetector", "chance_of_others"]

_RIVER_ADWIN: Any = ADWIN

CHANCE_MAX: Final = 1e-6
"""A departure is found only if its ``chance_of_others`` is at most this."""

WHOLE: Final = 1e-6
"""By how much a share times a count may fall short of the whole number that it stands for."""


class AdwinDetector:
    """ADWIN (Bifet & Gavaldà 2007) of River, looking at every value.

    Its cut threshold adds a term for the variance it sees and one, 2 ln(2/δ')/3m, for values whose range is about one.
    Values standardised to unit deviation fit both: with the defaults a shift of five deviations shows after five
    values, one of three after seven, and single outliers never do. River starts ADWIN afresh after a detection, so
    what comes next is its new normal.
    """

    name = "adwin"

    def __init__(self, delta: float = 0.002, values_min: int = 3) -> None:
        self._adwin: Any = _RIVER_ADWIN(delta=delta, clock=1, min_window_length=values_min, grace_period=4 * values_min)
        self.level_before = 0.0
        """The mean of the values before the one at which a change was found last; 0 before the first."""

    def update(self, value: float) -> bool:
        """Take the next value, of about unit deviation; return whether it completes a change."""
        before: float = self._adwin.estimation
        self._adwin.update(value)
        if not self._adwin.drift_detected:
            return False
        self.level_before = before
        return True


class PsiDetector:
    """Fires when a window's index has been at or above its threshold ``windows_min`` times in a row, once each time.

    It is armed again only after a window below half the threshold, so a lasting change is one detection.
    """

    name = "psi"

    def __init__(self, threshold: float = 0.25, windows_min: int = 2) -> None:
        self._threshold = threshold
        self._windows_min = windows_min
        self._above = 0
        self._armed = True

    def update(self, index: float) -> bool:
        """Take the next window's index (0 or more); return whether it completes a change."""
        self._above = self._above + 1 if index >= self._threshold else 0
        if index < self._threshold / 2:
            self._armed = True
        if not self._armed or self._above < self._windows_min:
            return False
        self._armed = False
        return True


class DepartureDetector:
    """Fires when the share of other values was at or above its threshold ``steps_min`` steps in a row, once each time.

    The values of these steps, and the ``normal_values`` that were the same in the reference, must rule out chance:
    while ``chance_of_others`` is above ``CHANCE_MAX``, it waits for further steps in the row. It is armed again only
    after a step below half the threshold, so a lasting change is one detection.

    >>> detector = DepartureDetector(share_min=0.05, steps_min=3)
    >>> [detector.update(share) for share in [0.0, 0.2, 0.0, 0.1, 0.3, 0.4, 1.0]]
    [False, False, False, False, False, True, False]
    >>> detector = DepartureDetector(share_min=0.05, steps_min=3, normal_values=20)
    >>> [detector.update(1.0, values=1) for _ in range(9)].index(True)
    7
    """

    name = "departure"

    def __init__(self, share_min: float = 0.05, steps_min: int = 3, normal_values: int = 2_000) -> None:
        self._share_min = share_min
        self._steps_min = steps_min
        self._normal_values = normal_values
        self._above = self._values = self._others = 0
        self._armed = True

    def update(self, share: float, values: int = 100) -> bool:
        """Take a step's share of others, in [0, 1], among its ``values``; return whether it completes a change."""
        if share >= self._share_min:
            self._above += 1
            self._values += values
            self._others += math.floor(min(share, 1.0) * values + WHOLE)
        else:
            self._above = self._values = self._others = 0
        if share < self._share_min / 2:
            self._armed = True
        if not self._armed or self._above < self._steps_min:
            return False
        if chance_of_others(self._others, self._values, self._normal_values) > CHANCE_MAX:
            return False
        self._armed = False
        return True


def chance_of_others(others: int, values: int, normal_values: int) -> float:
    """The largest probability, for any frequency of others, that all are among the newest ``values`` by chance.

    If ``others`` lie at random among ``normal_values`` + ``values``, none is among the first ``normal_values`` with the
    probability C(values, others) / C(normal_values + values, others). Three others in three values show nothing after
    a single normal value; after 2,000 normal values chance explains them once in 1.3 billion cases:

    >>> round(chance_of_others(3, 3, 1), 6), round(1 / chance_of_others(3, 3, 2_000) / 1e9, 1)
    (0.25, 1.3)
    """
    if not 0 < others <= values:
        return 1.0

    def log_ways(total: int) -> float:
        return math.lgamma(total + 1) - math.lgamma(total - others + 1)

    return math.exp(log_ways(values) - log_ways(normal_values + values))
