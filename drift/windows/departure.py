"""Departures: signals that had a single value, or none, in all of the reference, and what they have now."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from drift.blocks.moments import distance, root_mean_square
from drift.windows.rounding import are_alike, rounding_of
from drift.windows.window import Window
from schemas.wire.reference import NumericReference

__all__ = ["DepartureDetector", "chance_of_others", "is_constant", "other_share", "present_share"]

CHANCE_MAX: Final = 1e-6
"""The chance of a finding at which it is told, at most: of others by chance among the newest values alone."""

WHOLE: Final = 1e-6
"""Of a value: what a share times a count may be below the whole number that it means."""


class DepartureDetector:
    """Fires when the share of other values was at or above its threshold ``steps_min`` steps in a row, once each time.

    The values of these steps, and the ``normal_values`` that were the same in the reference, must be enough: while
    ``chance_of_others`` is above ``CHANCE_MAX``, it waits for further steps in the row. It is armed again only after a
    step below half the threshold, so a lasting change is one detection.

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
        """Take the next step's share of others, in [0, 1], among its ``values``; say whether it completes a finding."""
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
    """The greatest chance, however frequent others are, that all are among the newest ``values`` where nothing changed.

    Of so many others in any order of ``normal_values`` + ``values``, none is among the first ``normal_values`` with the
    chance C(values, others) / C(normal_values + values, others). After a single value, three others in three show
    nothing, and after 2,000 they are one chance in 1.3 billion:

    >>> round(chance_of_others(3, 3, 1), 6), round(1 / chance_of_others(3, 3, 2_000) / 1e9, 1)
    (0.25, 1.3)
    """
    if not 0 < others <= values:
        return 1.0

    def log_ways(total: int) -> float:
        return math.lgamma(total + 1) - math.lgamma(total - others + 1)

    return math.exp(log_ways(values) - log_ways(normal_values + values))


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
