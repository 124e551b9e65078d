"""Signals that had a single value in all of the reference, but for its rounding, and the share of other values now."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from drift.blocks.moments import distance, root_mean_square
from drift.windows.window import Window
from schemas.wire.reference import NumericReference

__all__ = ["are_alike", "is_constant", "other_share", "rounding_of"]

SINGLE_WHOLE: Final = 2.0**23
"""From here on floats of 32 bits hold whole numbers only: a difference is a change of the data, never rounding."""
SINGLE: Final = 2.0**-24
"""The largest rounding of a float of 32 bits, as a share of the number."""
DOUBLE: Final = 2.0**-51
"""A few units in the last place of a double, as a share of the number."""

Floats = npt.NDArray[np.float64]


def rounding_of(number: float) -> float:
    """The largest distance between this number and the same number after rounding.

    Whole numbers are exact in 32 bits as in 64, so for these only the last places of a double count.

    >>> abs(float(np.float32(0.1)) - 0.1) <= rounding_of(0.1), 1.0 + 2.0**-52 - 1.0 <= rounding_of(1.0)
    (True, True)
    >>> rounding_of(2.0**60)
    0.0
    """
    size = abs(number)
    if size >= SINGLE_WHOLE:
        return 0.0
    return size * (DOUBLE if number.is_integer() else SINGLE)


def are_alike(low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
    """Pair by pair, whether two numbers differ by rounding alone: to 32 bits, or in the last places of a double.

    >>> are_alike(np.array([0.1, 0.1, 1.0, 3.0]), np.array([np.float32(0.1), 0.1000001, 1.0 + 2.0**-52, 4.0])).tolist()
    [True, False, True, False]
    """
    apart, size = np.abs(high - low), np.maximum(np.abs(low), np.abs(high))
    with np.errstate(over="ignore", under="ignore"):
        are_singles = (low.astype(np.float32) == high) | (high.astype(np.float32) == low)
    are_singles &= apart <= SINGLE * size  # below what 32 bits hold, they hold 0
    are: npt.NDArray[np.bool_] = (low == high) | ((are_singles | (apart <= DOUBLE * size)) & (size < SINGLE_WHOLE))
    return are


def is_constant(normal: NumericReference) -> bool:
    """Whether all values of the reference were the same but for their rounding.

    Large whole numbers that are equal as doubles were not the same if they have a deviation.
    """
    if normal.minimum == normal.maximum:
        return normal.sd == 0.0
    return bool(are_alike(np.array([normal.minimum]), np.array([normal.maximum])).all())


def other_share(window: Window, signal: str, normal: NumericReference, version: str) -> float:
    """The share of a signal's numbers that differ, by more than rounding, from its one number in the reference.

    They are counted if the blocks have histograms on the edges of reference ``version`` that separate them. Otherwise
    the share is at least d²/(d² + s²), with d the distance of the mean and s the deviation (Cauchy-Schwarz); this is 1
    if all numbers have moved to one other number, and does not depend on the unit.
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
