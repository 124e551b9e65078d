"""Means and variances that keep their digits: relative to a value near by, 1e9 + x has as many digits of x as x.

A mean is held as ``centre`` + ``mean_offset``: the centre is one of the values, the offset the mean of the differences
from it. Differences of values on one grid are exact in doubles wherever the grid lies, so adding a constant to a
signal, or multiplying it by a power of two of either sign, changes neither the offsets (but for that factor) nor what
follows from them; where a sum or product is itself rounded, the difference is of that size.

Squares of differences below ``TINY`` would vanish, so these are multiplied by 2**``TINY_EXPONENT`` before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from schemas.wire.block import NumericSummary

__all__ = [
    "TINY",
    "TINY_EXPONENT",
    "Located",
    "deviation",
    "deviation_of",
    "distance",
    "exponent_of",
    "merged",
    "root_mean_square",
]

TINY: Final = 2.0**-400
TINY_EXPONENT: Final = 600


class Located(Protocol):
    """A summary or a reference of numbers, whose mean is held as centre and offset."""

    @property
    def mean(self) -> float:
        """The mean, rounded once more where it is far from 0."""

    @property
    def centre(self) -> float:
        """One of the values, from which the offset counts; if both are 0, only ``mean`` is known."""

    @property
    def mean_offset(self) -> float:
        """The mean less the centre."""


def centre_and_offset(summary: Located) -> tuple[float, float]:
    """Centre and offset of the mean; for a summary without them, the mean and 0."""
    if summary.centre == 0.0 and summary.mean_offset == 0.0:
        return summary.mean, 0.0
    return summary.centre, summary.mean_offset


def distance(now: Located, normal: Located) -> float:
    """How far the mean of ``now`` lies above that of ``normal``.

    >>> far = NumericSummary(count=2, mean=1e15, centre=1e15, mean_offset=0.25)
    >>> distance(far, NumericSummary(count=2, mean=1e15, centre=1e15, mean_offset=0.125))
    0.125
    """
    (centre, offset), (other_centre, other_offset) = centre_and_offset(now), centre_and_offset(normal)
    return (centre - other_centre) + (offset - other_offset)


def exponent_of(span: float) -> int:
    """The exponent for the squares of numbers that lie within ``span`` of each other."""
    return TINY_EXPONENT if 0.0 < span < TINY else 0


def merged(parts: list[NumericSummary], events: int) -> NumericSummary:
    """The summary of all, without a histogram, of ``events`` events with neither texts (Chan, Golub & LeVeque 1983)."""
    filled = [part for part in parts if part.count]
    if not filled:
        return NumericSummary(count=0, missing=max(0, events))
    centre = centre_and_offset(filled[0])[0]
    minimum, maximum = min(part.minimum for part in filled), max(part.maximum for part in filled)
    exponent = exponent_of(maximum - minimum)
    count, mean, m2 = 0, 0.0, 0.0
    for part in filled:
        own_centre, own_offset = centre_and_offset(part)
        total = count + part.count
        gap = (own_centre - centre) + (own_offset - mean)
        mean += gap * part.count / total
        wide = math.ldexp(gap, exponent)
        m2 += math.ldexp(part.m2, 2 * (exponent - part.m2_exponent)) + wide * wide * (count * part.count / total)
        count = total
    return NumericSummary(
        count=count,
        missing=max(0, events - count),
        mean=centre + mean,
        m2=m2,
        minimum=minimum,
        maximum=maximum,
        centre=centre,
        mean_offset=mean,
        m2_exponent=exponent,
    )


def deviation(summary: NumericSummary) -> float:
    """The standard deviation of one value."""
    return _root(summary, max(summary.count - 1, 1))


def root_mean_square(summary: NumericSummary) -> float:
    """The root of the mean square of the deviations from the mean."""
    return _root(summary, max(summary.count, 1))


def deviation_of(values: Sequence[float]) -> float:
    """The standard deviation of a sample; 0 for fewer than two values.

    >>> deviation_of([1.0, 2.0, 3.0]), deviation_of([5.0])
    (1.0, 0.0)
    """
    if len(values) < 2:
        return 0.0
    exponent = exponent_of(max(values) - min(values))
    return math.ldexp(float(np.std(np.ldexp(values, exponent), ddof=1)), -exponent)


def _root(summary: NumericSummary, count: int) -> float:
    return math.ldexp(math.sqrt(summary.m2 / count), -summary.m2_exponent)
