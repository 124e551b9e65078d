"""Population stability index: how far a window's distribution is from the reference's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drift.window import Window
from schemas.block import CategoryCounts
from schemas.reference import Reference

__all__ = ["category_bins", "index_of", "noise_of", "psi"]

SMOOTHING = 0.5


def psi(reference: Reference, window: Window) -> dict[str, float]:
    """The index of each of the reference's signals, less what sampling alone would show; 0 where nothing is beyond it.

    Numeric signals are compared on the reference's edges, where at least half of the window's events lie on them;
    categorical signals on the reference's categories and ``other``. Missing values are a bin of their own, so a
    feature that vanishes shows. Where a feature is both, the larger index counts.
    """
    found: dict[str, float] = {}
    if 2 * window.events_on(reference.version) >= window.events:
        for signal, normal in reference.numeric.items():
            now = window.histogram(signal, reference.version) or (0,) * len(normal.histogram)
            on = window.events_on(reference.version)
            text = _texts(window, signal)
            missing = max(0, on - sum(now) - text)
            found[signal] = excess((*normal.histogram, normal.missing), (*now, missing))
    for signal, counts in reference.categorical.items():
        bins = category_bins(counts, window.categorical.get(signal), window)
        numbers = window.numeric.get(signal)
        if numbers is not None:
            bins = (*bins[:-1], max(0, bins[-1] - numbers.count)) if signal not in window.categorical else bins
        found[signal] = max(
            found.get(signal, 0.0), excess((*counts.counts.values(), counts.other, counts.missing), bins)
        )
    return found


def category_bins(normal: CategoryCounts, now: CategoryCounts | None, window: Window) -> tuple[int, ...]:
    """Counts of the reference's categories in its order, then all others together, then missing."""
    if now is None:
        return (*(0 for _ in normal.counts), 0, window.events)
    named = [now.counts.get(category, 0) for category in normal.counts]
    other = now.other + sum(now.counts.values()) - sum(named)
    return (*named, other, now.missing)


def excess(normal: Sequence[int], now: Sequence[int]) -> float:
    """The index beyond what two samples of this size show by chance, at least 0."""
    return max(0.0, index_of(normal, now) - noise_of(normal, now))


def index_of(normal: Sequence[int], now: Sequence[int]) -> float:
    """Σ (p − q) ln(p/q) over the bins, each count smoothed by a half (Jeffreys), so that an empty bin is finite."""
    bins = len(normal)
    total_normal, total_now = sum(normal) + SMOOTHING * bins, sum(now) + SMOOTHING * bins
    index = 0.0
    for one, other in zip(normal, now, strict=True):
        p, q = (one + SMOOTHING) / total_normal, (other + SMOOTHING) / total_now
        index += (p - q) * math.log(p / q)
    return index


def noise_of(normal: Sequence[int], now: Sequence[int]) -> float:
    """Three standard deviations above the index's mean for equal distributions: it is about (1/n + 1/m) · χ²(bins − 1).

    Yurdakul (2018), Statistical properties of the population stability index.
    """
    n, m = sum(normal), sum(now)
    freedom = sum(1 for one, other in zip(normal, now, strict=True) if one or other) - 1
    if n == 0 or m == 0 or freedom <= 0:
        return 0.0
    return (1 / n + 1 / m) * (freedom + 3.0 * math.sqrt(2.0 * freedom))


def _texts(window: Window, signal: str) -> int:
    counts = window.categorical.get(signal)
    return 0 if counts is None else counts.other + sum(counts.counts.values())
