"""Numbers of a batch as summaries: counts, moments and histograms of each run of events, all signals at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from drift.blocks.histograms import Binning, histograms
from drift.blocks.moments import TINY, TINY_EXPONENT
from drift.blocks.runs import Ints, Runs
from schemas.wire.block import NumericSummary
from schemas.wire.reference import Reference

__all__ = ["numeric_summaries"]

VALUES_MAX = 1 << 17
"""Values looked at together: what is computed of more would not stay in the processor's cache."""

Floats = npt.NDArray[np.float64]
Remainders = Mapping[str, Floats]
NO_REMAINDERS: Final[Remainders] = {}


class Moments(NamedTuple):
    """Figures of each signal and run, of shape (signals, runs): how many numbers, and what they are like."""

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
    ``remainders`` has for some signals what their whole numbers are above the doubles in ``values``: it counts in the
    moments, so that changes far below the size of the numbers are seen.
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
    moments: Moments,
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


def _moments(values: Floats, runs: Runs, rests: Mapping[int, Floats]) -> Moments:
    """Of all signals as if every event had a number, and once more of those where one has none.

    ``rests`` are remainders by row.
    """
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
    moments = Moments(
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


def _widen_tiny(moments: Moments, values: Floats, runs: Runs) -> None:
    """The squares anew where the numbers of a run are so close together that they would vanish."""
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


def _moments_with_gaps(values: Floats, runs: Runs, rest: Floats) -> Moments:
    """Of the numbers that there are; what a run without any is given means nothing."""
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
    return Moments(
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
