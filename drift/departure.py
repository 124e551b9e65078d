"""Departures: signals that had a single value, or none, in all of the reference, and what they have now."""

from __future__ import annotations

import numpy as np

from drift.moments import distance, root_mean_square
from drift.rounding import are_alike, rounding_of
from drift.window import Window
from schemas.reference import NumericReference

__all__ = ["DepartureDetector", "is_constant", "other_share", "present_share"]


class DepartureDetector:
    """Fires when the share of other values was at or above its threshold ``steps_min`` steps in a row, once each time.

    It is armed again only after a step below half the threshold, so a lasting change is one detection.

    >>> detector = DepartureDetector(share_min=0.05, steps_min=3)
    >>> [detector.update(share) for share in [0.0, 0.2, 0.0, 0.1, 0.3, 0.4, 1.0]]
    [False, False, False, False, False, True, False]
    """

    name = "departure"

    def __init__(self, share_min: float = 0.05, steps_min: int = 3) -> None:
        self._share_min = share_min
        self._steps_min = steps_min
        self._above = 0
        self._armed = True

    def update(self, share: float) -> bool:
        """Take the next step's share of other values, in [0, 1], and say whether the departure is found with it."""
        self._above = self._above + 1 if share >= self._share_min else 0
        if share < self._share_min / 2:
            self._armed = True
        if not self._armed or self._above < self._steps_min:
            return False
        self._armed = False
        return True


def present_share(window: Window, signal: str) -> float:
    """The share of the events that have a value of the signal, number or text."""
    if window.events == 0:
        return 0.0
    return min(1.0, (window.numbers(signal) + window.texts(signal)) / window.events)


def is_constant(normal: NumericReference) -> bool:
    """Whether every value of the reference was the same but for its rounding, also where doubles hold none apart."""
    if normal.minimum == normal.maximum:
        return normal.sd == 0.0
    return bool(are_alike(np.array([normal.minimum]), np.array([normal.maximum])).all())


def other_share(window: Window, signal: str, normal: NumericReference, version: str) -> float:
    """The share of a signal's numbers that are not the one number it had in the reference, but for its rounding.

    Counted, where the blocks have histograms on that reference's edges that tell them apart. Else at least
    d²/(d² + s²), d being the distance of the mean and s the deviation (Cauchy-Schwarz): all, where all numbers have
    moved to one other; it has no unit either.
    """
    now = window.numeric[signal]
    low, high = normal.minimum - rounding_of(normal.minimum), normal.maximum + rounding_of(normal.maximum)
    if low < high and low <= now.minimum and now.maximum <= high:
        return 0.0
    bins = window.histogram(signal, version)
    if sum(bins) == now.count and bins[len(bins) // 2] < now.count:
        return 1.0 - bins[len(bins) // 2] / now.count
    away = distance(now, normal)
    if away == 0.0:
        return 0.0
    spread = root_mean_square(now) / away
    return 1.0 / (1.0 + spread * spread)
