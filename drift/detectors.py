"""Change detectors: one number in, has it changed out."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from river.drift import ADWIN

__all__ = ["AdwinDetector", "Detector", "PsiDetector"]


_RIVER_ADWIN: Any = ADWIN


class Detector(Protocol):
    """What every detector is: small, bounded, picklable, and the same after a pickle round trip."""

    name: str

    def update(self, value: float, at: int) -> bool:
        """Take the next value (``at`` is its place in the stream) and say whether a change is found."""

    def evidence(self) -> dict[str, float]:
        """The numbers behind the last detection; empty before the first."""


class AdwinDetector:
    """ADWIN (Bifet & Gavaldà 2007) of River, looking at every value.

    Its cut threshold adds a term for the variance it sees and one, 2 ln(2/δ')/3m, for values whose range is about one.
    Values standardised to unit deviation fit both: with the defaults a shift of five deviations shows after five
    values, one of three after seven, and single outliers never do. River starts ADWIN afresh after a detection, so
    what comes next is its new normal, and the level after the change is not its own estimate, which still
    holds what lay before: it is the mean of the newest ``values_min`` values.
    """

    name = "adwin"

    def __init__(self, delta: float = 0.002, values_min: int = 3) -> None:
        self._adwin: Any = _RIVER_ADWIN(delta=delta, clock=1, min_window_length=values_min, grace_period=4 * values_min)
        self._newest: deque[float] = deque(maxlen=values_min)
        self._evidence: dict[str, float] = {}

    def update(self, value: float, at: int) -> bool:
        """Take a value of about unit deviation."""
        before = self._adwin.estimation
        self._adwin.update(value)
        self._newest.append(value)
        if not self._adwin.drift_detected:
            return False
        after = sum(self._newest) / len(self._newest)
        self._evidence = {"level_before": before, "level_after": after, "at": float(at)}
        return True

    def evidence(self) -> dict[str, float]:
        """Mean of all values before the last detection, mean of the newest ones at it."""
        return dict(self._evidence)


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
        self._evidence: dict[str, float] = {}

    def update(self, value: float, at: int) -> bool:
        """Take a window's index."""
        self._above = self._above + 1 if value >= self._threshold else 0
        if value < self._threshold / 2:
            self._armed = True
        if not self._armed or self._above < self._windows_min:
            return False
        self._armed = False
        self._evidence = {"psi": value, "psi_threshold": self._threshold, "at": float(at)}
        return True

    def evidence(self) -> dict[str, float]:
        """The index and the threshold it passed."""
        return dict(self._evidence)
