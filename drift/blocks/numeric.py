"""Numbers of a batch as summaries: counts, moments and histograms of each run of events, all signals at once."""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from drift.blocks.moments import TINY, TINY_EXPONENT
from drift.blocks.runs import Ints, Runs
from schemas.wire.block import NumericSummary
from schemas.wire.reference import Reference

__all__ = ["numeric_summaries"]

VALUES_MAX = 1 << 17
"""Values summarised at once: the intermediate arrays of more would not stay in the processor's cache."""

Floats = npt.NDArray[np.float64]
Remainders = Mapping[str, Floats]
NO_REMAINDERS: Final[Remainders] = {}

FLAGS_MAX = 1 << 20
"""Comparisons with edges held at once, a byte each."""
UINT8_MAX = 255
BINNINGS_MAX = 256
"""Binnings that are remembered: about one a model."""

Edges = tuple[float, ...]
Counts = npt.NDArray[Any]
"""Counts within a run, as narrow as its size allows."""


class RunMoments(NamedTuple):
    """Figures of the numbers of each signal in each run; every array has the shape (signals, runs)."""

    counts: Ints
    centres: Floats
    """The first of the numbers: the others are measured from it, so that nothing is lost where they are far from 0."""
    offsets: Floats
    """Mean less centre."""
    squares: Floats
    """Sum of squared deviations from the mean, times 4**exponents."""
    least: Floats
    largest: Floats
    exponents: Ints


def numeric_summaries(
    signals: Sequence[str],
    values: Floats,
    runs: Runs,
    reference: Reference | None,
    remainders: Remainders = NO_REMAINDERS,
) -> list[dict[str, NumericSummary]]:
    """One dictionary for each run; a signal without any number in a run is absent there.

    ``values`` has a row for each signal, NaN where there is no number. Histograms are on the edges of ``reference``.
    ``remainders`` has, for some signals, whole number less double of each event; moments include it, so that small
    changes of large numbers are seen.
    """
    by_run: list[dict[str, NumericSummary]] = [{} for _ in runs.starts]
    binning = Binning.of(signals, reference)
    at_once = max(1, VALUES_MAX // values.shape[1])
    for start in range(0, len(signals), at_once):
        stop = start + at_once
        some = signals[start:stop]
        rests = {row: remainders[signal] for row, signal in enumerate(some) if signal in remainders}
        _summarise(
            some,
            _moments(values[start:stop], runs, rests),
            values[start:stop],
            binning.of_rows(start, stop),
            runs,
            by_run,
        )
    return by_run


def _summarise(
    signals: Sequence[str],
    moments: RunMoments,
    values: Floats,
    binning: Binning,
    runs: Runs,
    by_run: list[dict[str, NumericSummary]],
) -> None:
    missing = (runs.sizes - moments.counts).tolist()
    binned = histograms(values, moments.counts, binning, runs)
    for signal, absent, histogram, *figures in zip(
        signals, missing, binned, *(figure.tolist() for figure in moments), strict=True
    ):
        for summaries, empty, bins, seen, centre, offset, m2, low, high, exponent in zip(
            by_run, absent, histogram, *figures, strict=True
        ):
            if seen:
                summaries[signal] = NumericSummary(
                    count=seen,
                    missing=empty,
                    mean=centre + offset,
                    m2=m2,
                    minimum=low,
                    maximum=high,
                    histogram=bins,
                    centre=centre,
                    mean_offset=offset,
                    m2_exponent=exponent,
                )


def _moments(values: Floats, runs: Runs, rests: Mapping[int, Floats]) -> RunMoments:
    """The moments of all signals; those of signals with gaps are computed apart. ``rests`` are remainders by row."""
    starts = runs.starts
    centres = values.take(starts, axis=1)
    deviations = values - centres.take(runs.of_events, axis=1)
    for row, rest in rests.items():
        deviations[row] += rest - rest[starts].take(runs.of_events)
    counts = np.empty(centres.shape, np.int64)
    counts[:] = runs.sizes
    offsets, squares = _about_the_mean(deviations, counts, starts)
    for row, rest in rests.items():
        offsets[row] += rest[starts]
    moments = RunMoments(
        counts=counts,
        centres=centres,
        offsets=offsets,
        squares=squares,
        least=np.minimum.reduceat(values, starts, axis=1),
        largest=np.maximum.reduceat(values, starts, axis=1),
        exponents=np.zeros(centres.shape, np.int64),
    )
    gaps = np.logical_or.reduce(np.isnan(offsets), axis=1).nonzero()[0]
    if len(gaps):
        rest = np.array([rests.get(row, np.zeros(values.shape[1])) for row in gaps.tolist()])
        for whole, part in zip(moments, _moments_with_gaps(values[gaps], runs, rest), strict=True):
            whole[gaps] = part
    _widen_tiny(moments, values, runs)
    return moments


def _widen_tiny(moments: RunMoments, values: Floats, runs: Runs) -> None:
    """Recompute, with an exponent, the squares of runs whose numbers are so close together that squares would be 0."""
    spans = moments.largest - moments.least
    is_tiny = (spans > 0.0) & (spans < TINY)
    rows = np.logical_or.reduce(is_tiny, axis=1).nonzero()[0]
    if not len(rows):
        return
    is_tiny = is_tiny[rows]
    events = is_tiny.take(runs.of_events, axis=1) & ~np.isnan(values[rows])
    deviations = np.where(events, values[rows] - moments.centres[rows].take(runs.of_events, axis=1), 0.0)
    _, squares = _about_the_mean(np.ldexp(deviations, TINY_EXPONENT), moments.counts[rows], runs.starts)
    moments.squares[rows] = np.where(is_tiny, squares, moments.squares[rows])
    moments.exponents[rows] = np.where(is_tiny, TINY_EXPONENT, 0)


def _moments_with_gaps(values: Floats, runs: Runs, rest: Floats) -> RunMoments:
    """The moments of signals with gaps; those of a run without any number mean nothing."""
    starts = runs.starts
    valid = ~np.isnan(values)
    counts = np.add.reduceat(valid, starts, axis=1, dtype=np.int64)
    events = values.shape[1]
    first = np.minimum.reduceat(np.where(valid, np.arange(events), events - 1), starts, axis=1)
    centres = np.nan_to_num(np.take_along_axis(values, first, axis=1))
    first_rest = np.take_along_axis(rest, first, axis=1)
    rest = rest - first_rest.take(runs.of_events, axis=1)
    deviations = np.where(valid, values - centres.take(runs.of_events, axis=1) + rest, 0.0)
    offsets, squares = _about_the_mean(deviations, counts, starts)
    return RunMoments(
        counts=counts,
        centres=centres,
        offsets=offsets + first_rest,
        squares=squares,
        least=np.fmin.reduceat(values, starts, axis=1),
        largest=np.fmax.reduceat(values, starts, axis=1),
        exponents=np.zeros(counts.shape, np.int64),
    )


def _about_the_mean(deviations: Floats, counts: Ints, starts: Ints) -> tuple[Floats, Floats]:
    """Mean and sum of squares of each run's deviations from its centre, the squares about the mean; uses them up.

    Taking n·mean² off the sum of squares loses little here: the centre is one of the values, so its own distance from
    the mean is part of the sum.
    """
    offsets = np.add.reduceat(deviations, starts, axis=1) / np.maximum(counts, 1)
    squares = np.add.reduceat(np.square(deviations, out=deviations), starts, axis=1)
    squares -= counts * np.square(offsets)
    return offsets, np.maximum(squares, 0.0, out=squares)


class Binning(NamedTuple):
    """How the numbers of s signals are binned.

    ``edges`` has a row for each signal, with infinity after its last edge; ``sizes`` are numbers of bins, 0 for a
    signal without edges.
    """

    edges: Floats
    sizes: Sequence[int]

    @classmethod
    def of(cls, signals: Sequence[str], reference: Reference | None) -> Binning:
        """The binning of these signals on the edges of ``reference``."""
        known = {} if reference is None else reference.numeric
        return _binning(tuple(known[signal].edges if signal in known else None for signal in signals))

    def of_rows(self, start: int, stop: int) -> Binning:
        """The binning of the signals from ``start`` to before ``stop``."""
        return Binning(self.edges[start:stop], self.sizes[start:stop])


@functools.lru_cache(BINNINGS_MAX)
def _binning(edges: tuple[Edges | None, ...]) -> Binning:
    table = np.full((len(edges), max(len(own or ()) for own in edges)), np.inf)
    for row, own in zip(table, edges, strict=True):
        row[: len(own or ())] = own or ()
    return Binning(table, [0 if own is None else len(own) + 1 for own in edges])


def histograms(values: Floats, counts: Ints, binning: Binning, runs: Runs) -> list[list[tuple[int, ...]]]:
    """For each signal one histogram for each run, empty where its edges are not known.

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
