"""Change detectors: one number in, has it changed out."""

from __future__ import annotations

from typing import Any

from river.drift import ADWIN

__all__ = ["AdwinDetector", "PsiDetector"]

_RIVER_ADWIN: Any = ADWIN


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
        """Take the next value, of about unit deviation, and say whether a change is found with it."""
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
        """Take the next window's index (0 or more) and say whether the change is found with it."""
        self._above = self._above + 1 if index >= self._threshold else 0
        if index < self._threshold / 2:
            self._armed = True
        if not self._armed or self._above < self._windows_min:
            return False
        self._armed = False
        return True
