"""Histograms of many runs and signals at once: how many numbers reach each edge, and the differences of these."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drift.runs import Ints, Runs
from schemas.reference import Reference

__all__ = ["histograms"]

FLAGS_MAX = 1 << 20
"""Comparisons held at once, a byte each."""
UINT8_MAX = 255
TABLES_MAX = 256
"""Tables of edges that are remembered: about one a model."""

Floats = npt.NDArray[np.float64]
Edges = tuple[float, ...]
Counts = npt.NDArray[Any]
"""Counts within a run, as narrow as its size allows."""


def histograms(
    signals: Sequence[str], values: Floats, counts: Ints, runs: Runs, reference: Reference | None
) -> list[list[tuple[int, ...]]]:
    """For each signal one histogram a run, on the edges of ``reference``; empty ones where that does not know it.

    ``values`` has a row for each signal, NaN where there is no number, ``counts`` is how many numbers each run has, of
    shape (signals, runs). A value on an edge belongs to the bin above.
    """
    known = {} if reference is None else reference.numeric
    rows = [row for row, signal in enumerate(signals) if signal in known]
    found: list[list[tuple[int, ...]]] = [[()] * len(runs.starts)] * len(signals)
    if not rows:
        return found
    if len(rows) < len(signals):
        values, counts = values[rows], counts[rows]
    edges = tuple(known[signals[row]].edges for row in rows)
    bins = _between(counts, _reached(values, _table(edges), runs))
    for row, own, table in zip(rows, edges, bins, strict=True):
        size = len(own) + 1
        found[row] = list(struct.iter_unpack(f"{size}{table.dtype.char}", table[:, :size].tobytes()))
    return found


@functools.lru_cache(TABLES_MAX)
def _table(edges: tuple[Edges, ...]) -> Floats:
    """A row for each signal's edges, infinite beyond its last."""
    table = np.full((len(edges), max(map(len, edges))), np.inf)
    for row, own in zip(table, edges, strict=True):
        row[: len(own)] = own
    return table


def _reached(values: Floats, edges: Floats, runs: Runs) -> Counts:
    """How many numbers of each run are not below each edge: shape (edges, signals, runs); NaN is below all."""
    narrow = np.uint8 if runs.size_max <= UINT8_MAX else np.int64
    found: Counts = np.empty((edges.shape[1], len(values), len(runs.starts)), narrow)
    at_once = max(1, FLAGS_MAX // values.size)
    for start in range(0, len(found), at_once):
        flags = values >= edges.T[start : start + at_once, :, None]
        part = found[start : start + at_once]
        np.add.reduceat(flags.view(np.uint8), runs.starts, axis=2, dtype=part.dtype, out=part)
    return found


def _between(counts: Ints, reached: Counts) -> Counts:
    """How many numbers of each run are in each bin: shape (signals, runs, edges + 1)."""
    bins = np.empty((*counts.shape, len(reached) + 1), reached.dtype)
    bins[:, :, 0] = counts
    bins[:, :, 1:] = reached.transpose(1, 2, 0)
    bins[:, :, :-1] -= reached.transpose(1, 2, 0)
    return bins
