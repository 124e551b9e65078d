"""Measured figures as Structs: the cheaper way for a few blocks, which then travel as JSON."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from drift.blocks.categories import limited
from drift.blocks.measured import Measured
from drift.blocks.numeric import Summaries
from drift.blocks.runs import Ints
from drift.blocks.samples import sampled_rows
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.block import Block, NumericSummary, SampledRow

__all__ = ["UNWATCHED_NAMED_MAX", "block_structs", "numeric_structs"]

UNWATCHED_NAMED_MAX = 5
"""Unwatched features that a block names, at most; it counts all of them."""


def block_structs(measured: Measured) -> list[Block]:
    """The blocks, in their order. A signal that no event of a run has is absent from its block."""
    given, runs = measured.given, measured.runs
    return [
        Block(
            block_id=block_id,
            model=model,
            reference_version=version,
            partition=partition,
            first_offset=first,
            last_offset=last,
            time_min=time_min,
            time_max=time_max,
            events=size,
            numeric=numbers,
            categorical=texts,
            decisions={name: seen for name, seen in zip(given.decision_names, decided, strict=True) if seen},
            sample=sample,
            features_unwatched=len(left_out),
            unwatched=tuple(name[:NAME_CHARS_MAX] for name in left_out[:UNWATCHED_NAMED_MAX]),
        )
        for (
            (block_id, model, version),
            partition,
            first,
            last,
            time_min,
            time_max,
            size,
            numbers,
            texts,
            decided,
            sample,
            left_out,
        ) in zip(
            measured.names(),
            given.partitions[runs.starts].tolist(),
            given.offsets[runs.starts].tolist(),
            given.offsets[runs.ends - 1].tolist(),
            np.minimum.reduceat(given.events.times_ms, runs.starts).tolist(),
            np.maximum.reduceat(given.events.times_ms, runs.starts).tolist(),
            runs.sizes.tolist(),
            numeric_structs(measured.signals.numeric, measured.summaries, runs.sizes),
            limited(list(measured.signals.text), measured.texts, measured.missing, measured.settings),
            measured.decided.tolist(),
            _samples(measured),
            measured.left_out,
            strict=True,
        )
    ]


def numeric_structs(signals: Sequence[str], summaries: Summaries, sizes: Ints) -> list[dict[str, NumericSummary]]:
    """For each run, of so many events, the summaries of the signals that have a number there."""
    by_run: list[dict[str, NumericSummary]] = [{} for _ in sizes]
    missing = (sizes - summaries.moments.counts).tolist()
    figures = (figure.tolist() for figure in summaries.moments)
    for signal, absent, histogram, *own in zip(signals, missing, _histograms(summaries), *figures, strict=True):
        for numbers, empty, bins, seen, centre, offset, m2, low, high, exponent in zip(
            by_run, absent, histogram, *own, strict=True
        ):
            if seen:
                numbers[signal] = NumericSummary(
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
    return by_run


def _histograms(summaries: Summaries) -> Iterator[list[tuple[int, ...]]]:
    """For each signal the histogram of each run."""
    for bins, sizes in zip(summaries.bins, summaries.sizes.tolist(), strict=True):
        alike = sizes[0] if len(set(sizes)) == 1 else None
        if alike == 0:
            yield [()] * len(sizes)
        elif alike:
            yield list(struct.iter_unpack(f"{alike}{bins.dtype.char}", bins[:, :alike].tobytes()))
        else:
            yield [tuple(own[:size]) for own, size in zip(bins.tolist(), sizes, strict=True)]


def _samples(measured: Measured) -> Iterator[tuple[SampledRow, ...]]:
    rows = iter(
        sampled_rows(measured.given.events, measured.signals, measured.sampled, measured.settings.text_chars_max)
    )
    return (tuple(islice(rows, size)) for size in measured.sampled.sizes.tolist())
