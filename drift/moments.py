"""Means that keep their digits: about a value near by, so that 1e9 + x tells as much of x as x does.

A mean is held as ``centre`` + ``mean_offset``: the centre is one of the values, the offset the mean of the differences
from it. Differences of values on one grid are exact in doubles wherever the grid lies, so adding a constant to a
signal, or multiplying it by a power of two of either sign, changes neither the offsets (but for that factor) nor what
follows from them; where a sum or product is itself rounded, the difference is of that size.
"""

from __future__ import annotations

import math
from typing import Protocol

from schemas.block import NumericSummary

__all__ = ["Located", "deviation", "distance", "merged"]


class Located(Protocol):
    """What has a mean."""

    @property
    def mean(self) -> float:
        """The mean, rounded once more where it is far from 0."""

    @property
    def centre(self) -> float:
        """A value near by."""

    @property
    def mean_offset(self) -> float:
        """The mean less the centre."""


def place(summary: Located) -> tuple[float, float]:
    """Centre and offset; the mean and 0 of a summary that has neither."""
    if summary.centre == 0.0 and summary.mean_offset == 0.0:
        return summary.mean, 0.0
    return summary.centre, summary.mean_offset


def distance(now: Located, normal: Located) -> float:
    """How far the mean of ``now`` lies above that of ``normal``.

    >>> far = NumericSummary(count=2, mean=1e15, centre=1e15, mean_offset=0.25)
    >>> distance(far, NumericSummary(count=2, mean=1e15, centre=1e15, mean_offset=0.125))
    0.125
    """
    (centre, offset), (other_centre, other_offset) = place(now), place(normal)
    return (centre - other_centre) + (offset - other_offset)


def merged(parts: list[NumericSummary], events: int) -> NumericSummary:
    """The summary of all, without a histogram, of ``events`` events with neither texts (Chan, Golub & LeVeque 1983)."""
    filled = [part for part in parts if part.count]
    if not filled:
        return NumericSummary(count=0, missing=max(0, events))
    centre = place(filled[0])[0]
    count, mean, m2 = 0, 0.0, 0.0
    for part in filled:
        own_centre, own_offset = place(part)
        total = count + part.count
        gap = (own_centre - centre) + (own_offset - mean)
        mean += gap * part.count / total
        m2 += part.m2 + gap * gap * (count * part.count / total)
        count = total
    return NumericSummary(
        count=count,
        missing=max(0, events - count),
        mean=centre + mean,
        m2=m2,
        minimum=min(part.minimum for part in filled),
        maximum=max(part.maximum for part in filled),
        centre=centre,
        mean_offset=mean,
    )


def deviation(m2: float, count: int) -> float:
    """The standard deviation of one value."""
    return math.sqrt(m2 / max(count - 1, 1))
