"""Histograms of many runs and signals at once: how many numbers reach each edge, and the differences of these."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drift.blocks.runs import Ints, Runs
from schemas.wire.reference import Reference

__all__ = ["Binning", "histograms"]

FLAGS_MAX = 1 << 20
"""Comparisons held at once, a byte each."""
UINT8_MAX = 255
BINNINGS_MAX = 256
"""Binnings that are remembered: about one a model."""

Floats = npt.NDArray[np.float64]
Edges = tuple[float, ...]
Counts = npt.NDArray[Any]
"""Counts within a run, as narrow as its size allows."""


class Binning(NamedTuple):
    """How the numbers of s signals are binned.

    ``edges`` has a row for each, infinite beyond its last edge; ``sizes`` are numbers of bins, 0 where none are known.
    """

    edges: Floats
    sizes: Sequence[int]

    @classmethod
    def of(cls, signals: Sequence[str], reference: Reference | None) -> Binning:
        """On the edges of ``reference``."""
        known = {} if reference is None else reference.numeric
        return _binning(tuple(known[signal].edges if signal in known else None for signal in signals))

    def of_rows(self, start: int, stop: int) -> Binning:
        """That of some of the signals."""
        return Binning(self.edges[start:stop], self.sizes[start:stop])


@functools.lru_cache(BINNINGS_MAX)
def _binning(edges: tuple[Edges | None, ...]) -> Binning:
    table = np.full((len(edges), max(len(own or ()) for own in edges)), np.inf)
    for row, own in zip(table, edges, strict=True):
        row[: len(own or ())] = own or ()
    return Binning(table, [0 if own is None else len(own) + 1 for own in edges])


def histograms(values: Floats, counts: Ints, binning: Binning, runs: Runs) -> list[list[tuple[int, ...]]]:
    """For each signal one histogram a run, empty where its edges are not known.

    ``values`` has a row for each signal, NaN where there is no number, ``counts`` is how many numbers each run has, of
    shape (signals, runs). A value on an edge belongs to the bin above.
    """
    none: list[tuple[int, ...]] = [()] * len(runs.starts)
    if not any(binning.sizes):
        return [none] * len(values)
    bins = _between(counts, _reached(values, binning.edges, runs))
    return [
        list(struct.iter_unpack(f"{size}{own.dtype.char}", own[:, :size].tobytes())) if size else none
        for size, own in zip(binning.sizes, bins, strict=True)
    ]


def _reached(values: Floats, edges: Floats, runs: Runs) -> Counts:
    """How many numbers of each run are not below each edge: shape (edges, signals, runs); NaN is below all."""
    narrow = np.uint8 if runs.size_max <= UINT8_MAX else np.int64
    reached: Counts = np.empty((edges.shape[1], len(values), len(runs.starts)), narrow)
    at_once = max(1, FLAGS_MAX // values.size)
    for start in range(0, len(reached), at_once):
        flags = values >= edges.T[start : start + at_once, :, None]
        part = reached[start : start + at_once]
        np.add.reduceat(flags.view(np.uint8), runs.starts, axis=2, dtype=part.dtype, out=part)
    return reached


def _between(counts: Ints, reached: Counts) -> Counts:
    """How many numbers of each run are in each bin: shape (signals, runs, edges + 1)."""
    bins = np.empty((*counts.shape, len(reached) + 1), reached.dtype)
    bins[:, :, 0] = counts
    bins[:, :, 1:] = reached.transpose(1, 2, 0)
    bins[:, :, :-1] -= reached.transpose(1, 2, 0)
    return bins
