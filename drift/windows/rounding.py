"""Rounding: which numbers are one number that was written in another width, or summed in another order."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["are_alike", "rounding_of"]

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
