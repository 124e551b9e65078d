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
"""From here on 32 bits hold whole numbers only: a change of that size is one of the data, so nothing is rounding."""
SINGLE: Final = 2.0**-24
"""What a float of 32 bits rounds by at most, as a share of the number."""
DOUBLE: Final = 2.0**-51
"""A few units in the last place of a double, as a share of the number."""

Floats = npt.NDArray[np.float64]


def rounding_of(number: float) -> float:
    """How far a number that is the same but for its rounding lies from this one, at most.

    Whole numbers are held exactly in either width, so of these only the last places of a double count.

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
    """Whether the one of two numbers is the other in 32 bits, or differs in the last places of a double, pair by pair.

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
