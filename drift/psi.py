"""Population stability index: how far a window's distribution is from the reference's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drift.window import Window
from schemas.block import CategoryCounts
from schemas.reference import Reference

__all__ = ["category_bins", "excess", "index_of", "noise_of", "psi"]

SMOOTHING = 0.5
NEWCOMERS = 5
"""Categories that the reference does not name and that are looked at one by one."""


def psi(reference: Reference, window: Window) -> dict[str, float]:
    """The index of each of the reference's signals, less what sampling alone would show; 0 where nothing is beyond it.

    Numeric signals are compared on the reference's edges, where at least half of the window's events lie on them;
    categorical signals on the reference's categories and ``other``. Missing values are a bin of their own, so a
    feature that vanishes shows. Where a feature is both, the larger index counts.
    """
    indices: dict[str, float] = {}
    if 2 * window.events_on(reference.version) >= window.events:
        for signal, normal in reference.numeric.items():
            now = window.histogram(signal, reference.version) or (0,) * len(normal.histogram)
            on = window.events_on(reference.version)
            missing = max(0, on - sum(now) - window.texts(signal))
            indices[signal] = excess((*normal.histogram, normal.missing), (*now, missing))
    for signal, counts in reference.categorical.items():
        before, now_bins = category_bins(counts, window.categorical.get(signal), window.events, window.numbers(signal))
        indices[signal] = max(indices.get(signal, 0.0), excess(before, now_bins))
    return indices


def category_bins(
    normal: CategoryCounts, now: CategoryCounts | None, events: int, numbers: int = 0
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The counts of both, bin by bin: the reference's categories, NEWCOMERS others, the rest together, and missing.

    The others are those that are most frequent now, so that a long tail that shrinks to a few categories shows: each
    was at most as frequent in the reference as the rarest that has a name there, and 0 where all have one. ``events``
    and ``numbers`` are those of the window: what is not a text and not a number is missing.
    """
    counts = {} if now is None else now.counts
    named = [counts.get(category, 0) for category in normal.counts]
    newcomers = sorted((seen for name, seen in counts.items() if name not in normal.counts), reverse=True)[:NEWCOMERS]
    newcomers += [0] * (NEWCOMERS - len(newcomers))
    texts = 0 if now is None else now.other + sum(counts.values())
    rest = texts - sum(named) - sum(newcomers)
    rarest = min(normal.counts.values(), default=1)
    before = [min(rarest, normal.other // NEWCOMERS) if seen else 0 for seen in newcomers]
    return (
        (*normal.counts.values(), *before, normal.other - sum(before), normal.missing),
        (*named, *newcomers, rest, max(0, events - texts - numbers)),
    )


def excess(normal: Sequence[int], now: Sequence[int]) -> float:
    """The index beyond what two samples of this size show by chance, at least 0."""
    return max(0.0, index_of(normal, now) - noise_of(normal, now))


def index_of(normal: Sequence[int], now: Sequence[int]) -> float:
    """Σ (p − q) ln(p/q) over the bins, each count smoothed by a half (Jeffreys), so that an empty bin is finite."""
    bins = len(normal)
    total_normal, total_now = sum(normal) + SMOOTHING * bins, sum(now) + SMOOTHING * bins
    shares = [
        ((before + SMOOTHING) / total_normal, (after + SMOOTHING) / total_now)
        for before, after in zip(normal, now, strict=True)
    ]
    return math.fsum((p - q) * math.log(p / q) for p, q in shares)


def noise_of(normal: Sequence[int], now: Sequence[int]) -> float:
    """Three standard deviations above the index's mean for equal distributions: it is about (1/n + 1/m) · χ²(bins − 1).

    Yurdakul (2018), Statistical properties of the population stability index.
    """
    n, m = sum(normal), sum(now)
    freedom = sum(1 for before, after in zip(normal, now, strict=True) if before or after) - 1
    if n == 0 or m == 0 or freedom <= 0:
        return 0.0
    return (1 / n + 1 / m) * (freedom + 3.0 * math.sqrt(2.0 * freedom))
