"""Population stability index: how far a window's distribution is from the reference's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from drift.windows.window import Window
from schemas.wire.block import CategoryCounts
from schemas.wire.reference import NumericReference, Reference

__all__ = [
    "NORMAL_VALUES_MIN",
    "Stability",
    "category_bins",
    "excess",
    "index_of",
    "noise_of",
    "presence_counts",
    "presence_index",
    "presence_key",
    "psi",
    "reach",
]

SMOOTHING = 0.5
NORMAL_VALUES_MIN = 10
"""With fewer values of a signal, a reference cannot say what is normal: how they vary, or that they do not."""

TAIL = 12.0
"""How far the quantile of χ² that one in some 10,000 windows exceeds lies above the mean plus three deviations."""

NEWCOMERS = 5
"""Categories that the reference does not name and that are compared one by one, at most."""


class Stability(NamedTuple):
    """Two indices of one signal, each less what sampling alone would give, at least 0."""

    values: float | None
    """Index of the values; None for numbers whose histograms are not on the reference's edges."""
    presence: float
    """Index of having a number, a text or nothing; it shows a feature that vanishes."""


def psi(reference: Reference, window: Window) -> dict[str, Stability]:
    """The indices of each of the reference's signals.

    Numbers are compared on the reference's edges, where at least half of the window's events lie on them; texts on the
    reference's categories and ``other``. Where a feature has both, the larger index counts. Missing values count in
    ``presence`` alone: smoothing would give an index of values even to a window without any value. Presence needs no
    edges, so blocks that were made before the reference was known count as well.
    """
    is_on_edges = 2 * window.events_on(reference.version) >= window.events
    stabilities = {}
    for signal in dict.fromkeys((*reference.numeric, *reference.categorical)):
        normal = presence_counts(signal, reference.numeric, reference.categorical, reference.events)
        values = _values_index(signal, reference, window, is_on_edges=is_on_edges)
        stabilities[signal] = Stability(values, presence_index(normal, signal, window))
    return stabilities


def _values_index(signal: str, reference: Reference, window: Window, *, is_on_edges: bool) -> float | None:
    """The index of a signal's values; None if it has only numbers and these cannot be compared."""
    indices = []
    normal = reference.numeric.get(signal)
    if normal is not None and (is_on_edges or window.numbers(signal) == 0):
        bins = window.histogram(signal, reference.version) or (0,) * len(normal.histogram)
        indices.append(excess(normal.histogram, bins))
    counts = reference.categorical.get(signal)
    if counts is not None:
        indices.append(excess(*category_bins(counts, window.categorical.get(signal))))
    return max(indices, default=None)


def presence_counts(
    signal: str, numeric: Mapping[str, NumericReference], categorical: Mapping[str, CategoryCounts], events: int
) -> tuple[int, int, int]:
    """How many of a reference's ``events`` had a number, a text and nothing."""
    if signal in numeric:
        numbers, missing = numeric[signal].count, numeric[signal].missing
        return numbers, max(0, events - numbers - missing), missing
    known = categorical[signal]
    texts = known.other + sum(known.counts.values())
    return max(0, events - texts - known.missing), texts, known.missing


def presence_index(normal: tuple[int, int, int], signal: str, window: Window) -> float:
    """The index of having a number, a text or nothing; ``normal`` are the reference's ``presence_counts``."""
    numbers, texts = window.numbers(signal), window.texts(signal)
    return excess(normal, (numbers, texts, max(0, window.events - numbers - texts)))


def presence_key(signal: str) -> str:
    """The name in a reference's ``psi_normal`` for a signal's index of presence."""
    return f"presence.{signal}"


def reach(normal: Sequence[int], events: int) -> float:
    """The index of a complete change: all ``events`` of a window in the bin that had fewest in the reference.

    >>> round(reach((500, 500, 500, 500, 0), 500), 1)
    13.7
    """
    rarest = min(range(len(normal)), key=normal.__getitem__)
    return excess(normal, [events if number == rarest else 0 for number in range(len(normal))])


def category_bins(normal: CategoryCounts, now: CategoryCounts | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The counts of both, bin by bin: the reference's categories, NEWCOMERS others, and the rest together.

    The others are the most frequent ones now, so that a long tail that shrinks to a few categories shows. In the
    reference each of them counts at most as much as the rarest named category, and 0 if all categories had names.
    """
    counts = {} if now is None else now.counts
    named = [counts.get(category, 0) for category in normal.counts]
    newcomers = sorted((seen for name, seen in counts.items() if name not in normal.counts), reverse=True)[:NEWCOMERS]
    newcomers += [0] * (NEWCOMERS - len(newcomers))
    texts = 0 if now is None else now.other + sum(counts.values())
    rest = texts - sum(named) - sum(newcomers)
    rarest = min(normal.counts.values(), default=1)
    before = [min(rarest, normal.other // NEWCOMERS) if seen else 0 for seen in newcomers]
    return (*normal.counts.values(), *before, normal.other - sum(before)), (*named, *newcomers, rest)


def excess(normal: Sequence[int], now: Sequence[int]) -> float:
    """The index beyond what two samples of this size show by chance, at least 0.

    It is 0 if ``normal`` has fewer than ``NORMAL_VALUES_MIN`` values or ``now`` has none; if all values of both are in
    one bin, so that only smoothing makes them differ; and if chance gives as much once in some 10,000 windows.

    >>> excess((50, 50), (26, 24)), round(excess((500, 500), (450, 50)), 2)
    (0.0, 0.86)
    """
    filled = sum(1 for before, after in zip(normal, now, strict=True) if before or after)
    if sum(normal) < NORMAL_VALUES_MIN or not any(now) or filled == 1:
        return 0.0
    beyond = index_of(normal, now) - noise_of(normal, now)
    return beyond if beyond > TAIL * _share_of_one(normal, now) else 0.0


def index_of(normal: Sequence[int], now: Sequence[int]) -> float:
    """Σ (p − q) ln(p/q) over the bins, each count smoothed by a half (Jeffreys), so that an empty bin is finite.

    >>> index_of((50, 50), (25, 25)), round(index_of((50, 50), (50, 0)), 2)
    (0.0, 2.26)
    """
    bins = len(normal)
    total_normal, total_now = sum(normal) + SMOOTHING * bins, sum(now) + SMOOTHING * bins
    shares = [
        ((before + SMOOTHING) / total_normal, (after + SMOOTHING) / total_now)
        for before, after in zip(normal, now, strict=True)
    ]
    return math.fsum((p - q) * math.log(p / q) for p, q in shares)


def noise_of(normal: Sequence[int], now: Sequence[int]) -> float:
    """Mean plus three standard deviations of the index of equal distributions, about (1/n + 1/m) · χ²(bins − 1).

    Yurdakul (2018), Statistical properties of the population stability index.
    """
    n, m = sum(normal), sum(now)
    freedom = sum(1 for before, after in zip(normal, now, strict=True) if before or after) - 1
    if n == 0 or m == 0 or freedom <= 0:
        return 0.0
    return _share_of_one(normal, now) * (freedom + 3.0 * math.sqrt(2.0 * freedom))


def _share_of_one(normal: Sequence[int], now: Sequence[int]) -> float:
    """The index of two samples of one distribution is about this number, 1/n + 1/m, times χ²."""
    return 1 / sum(normal) + 1 / sum(now)
