"""Numbers of a batch as summaries: counts, moments and histograms of each run of events, all signals at once."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from drift.blocks.moments import TINY, TINY_EXPONENT
from drift.blocks.runs import Ints, Runs
from schemas.wire.reference import Reference

__all__ = ["RunMoments", "Summaries", "numeric_summaries"]

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


class Summaries(NamedTuple):
    """Summaries of s signals in r runs: ``bins`` has the shape (s, r, b); ``sizes``, (s, r), say how many of b count.

    A signal has no summary in a run where the count of its numbers is 0.
    """

    moments: RunMoments
    bins: Counts
    sizes: Ints


def numeric_summaries(
    signals: Sequence[str],
    values: Floats,
    runs: Runs,
    references: Sequence[Reference | None],
    remainders: Remainders = NO_REMAINDERS,
) -> Summaries:
    """The summaries of all signals in all runs; histograms are on the edges of the reference of each run's model.

    ``values`` has a row for each signal, NaN where there is no number; ``references`` has one for each model.
    ``remainders`` has, for some signals, whole number less double of each event; moments include it, so that small
    changes of large numbers are seen.
    """
    binnings = [Binning.of(signals, reference) for reference in references]
    width = max(binning.width for binning in binnings)
    narrow = np.uint8 if runs.size_max <= UINT8_MAX else np.int64
    bins: Counts = np.zeros((len(signals), len(runs.starts), width), narrow)
    parts = []
    at_once = max(1, VALUES_MAX // values.shape[1])
    for start in range(0, len(signals), at_once):
        stop = start + at_once
        some = values[start:stop]
        rests = {row: remainders[name] for row, name in enumerate(signals[start:stop]) if name in remainders}
        moments = _moments(some, runs, rests)
        for number, binning in enumerate(binnings):
            if binning.width:
                own, events, starts = runs.of_model(number)
                counts = moments.counts[:, own]
                reached = _reached(some[:, events], binning.edges[start:stop], starts, narrow)
                bins[start:stop, own, : binning.width] = _between(counts, reached)
        parts.append(moments)
    moments = parts[0] if len(parts) == 1 else RunMoments(*map(np.concatenate, zip(*parts, strict=True)))
    sizes = np.array([binning.sizes for binning in binnings], np.int64).T[:, runs.models]
    return Summaries(moments, bins, sizes)


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
    signal without edges; ``width`` is the largest of them, or one more than there are edges.
    """

    edges: Floats
    sizes: Sequence[int]

    @property
    def width(self) -> int:
        """The number of bins between and beyond all edges; 0 if no signal has edges."""
        return self.edges.shape[1] + 1 if any(self.sizes) else 0

    @classmethod
    def of(cls, signals: Sequence[str], reference: Reference | None) -> Binning:
        """The binning of these signals on the edges of ``reference``."""
        known = {} if reference is None else reference.numeric
        return _binning(tuple(known[signal].edges if signal in known else None for signal in signals))


@functools.lru_cache(BINNINGS_MAX)
def _binning(edges: tuple[Edges | None, ...]) -> Binning:
    table = np.full((len(edges), max(len(own or ()) for own in edges)), np.inf)
    for row, own in zip(table, edges, strict=True):
        row[: len(own or ())] = own or ()
    return Binning(table, [0 if own is None else len(own) + 1 for own in edges])


def _reached(values: Floats, edges: Floats, starts: Ints, narrow: type) -> Counts:
    """How many numbers of each run are not below each edge: shape (edges, signals, runs); NaN is below all."""
    reached: Counts = np.empty((edges.shape[1], len(values), len(starts)), narrow)
    at_once = max(1, FLAGS_MAX // values.size)
    for start in range(0, len(reached), at_once):
        flags = values >= edges.T[start : start + at_once, :, None]
        part = reached[start : start + at_once]
        np.add.reduceat(flags.view(np.uint8), starts, axis=2, dtype=part.dtype, out=part)
    return reached


def _between(counts: Ints, reached: Counts) -> Counts:
    """How many numbers of each run are in each bin, a value on an edge in the bin above: (signals, runs, edges + 1)."""
    bins = np.empty((*counts.shape, len(reached) + 1), reached.dtype)
    bins[:, :, 0] = counts
    bins[:, :, 1:] = reached.transpose(1, 2, 0)
    bins[:, :, :-1] -= reached.transpose(1, 2, 0)
    return bins
