"""Blocks: a batch of one model, summarised in runs of consecutive events of one partition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

from drift.blocks.categories import Coded, category_counts, tallies
from drift.blocks.numeric import numeric_summaries
from drift.blocks.runs import Runs
from drift.blocks.samples import samples
from drift.blocks.signals import Signals, blurred_in, signals_of
from drift.settings import DriftSettings
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.block import Block, CategoryCounts, NumericSummary, SampledRow
from schemas.wire.reference import Reference

__all__ = ["block_id_of", "build_blocks"]

UNWATCHED_NAMED_MAX = 5
"""Unwatched features that a block names, at most; it counts all of them."""

Content = tuple[dict[str, NumericSummary], dict[str, CategoryCounts], dict[str, int], tuple[SampledRow, ...]]
"""Of one run: summaries of numbers, counts of texts, counts of decisions, and the sample."""


def build_blocks(
    events: PredictionColumns,
    *,
    partitions: npt.ArrayLike,
    offsets: npt.ArrayLike,
    decisions: npt.NDArray[np.int8],
    decision_names: Sequence[str],
    reference: Reference | None,
    settings: DriftSettings,
) -> list[Block]:
    """Blocks of at most ``block_events_max`` events each, partition after partition, in offset order.

    Events of one partition are together, in offset order; ``offsets`` repeat where one message holds many events.
    ``decisions`` has one code for each event, an index into ``decision_names``. Histograms are on the edges of
    ``reference``. A signal that no event of a run has is absent from its block, and windows count it as missing.
    Raises ValueError if the columns differ in length or a decision has no name.
    """
    count = len(events)
    sources, positions = np.asarray(partitions, np.int64), np.asarray(offsets, np.int64)
    if not len(sources) == len(positions) == len(decisions) == count:
        raise ValueError(
            f"{count} events with {len(sources)} partitions, {len(positions)} offsets and {len(decisions)} decisions: "
            "one each is needed"
        )
    if count == 0:
        return []
    runs = Runs.of(sources, positions, settings.block_events_max)
    version = "" if reference is None else reference.version
    signals = signals_of(events, settings, reference)
    return [
        Block(
            block_id=block_id_of(events.model, partition, first, within),
            model=events.model,
            reference_version=version,
            partition=partition,
            first_offset=first,
            last_offset=last,
            time_min=time_min,
            time_max=time_max,
            events=size,
            numeric=numbers,
            categorical=texts,
            decisions=verdicts,
            sample=sample,
            features_unwatched=len(left_out),
            unwatched=tuple(name[:NAME_CHARS_MAX] for name in left_out[:UNWATCHED_NAMED_MAX]),
        )
        for partition, first, last, within, size, time_min, time_max, left_out, (
            numbers,
            texts,
            verdicts,
            sample,
        ) in zip(
            sources[runs.starts].tolist(),
            positions[runs.starts].tolist(),
            positions[runs.ends - 1].tolist(),
            runs.withins.tolist(),
            runs.sizes.tolist(),
            np.minimum.reduceat(events.times_ms, runs.starts).tolist(),
            np.maximum.reduceat(events.times_ms, runs.starts).tolist(),
            _left_out(events, signals, runs),
            _contents(events, signals, runs, _coded(decisions, decision_names), reference, settings),
            strict=True,
        )
    ]


def _left_out(events: PredictionColumns, signals: Signals, runs: Runs) -> Iterable[tuple[str, ...]]:
    """Per run, the features that are not watched and those that are watched by their mean alone."""
    if not signals.inexact:
        return repeat(signals.unwatched, len(runs.starts))
    bounds = zip(runs.starts.tolist(), runs.ends.tolist(), strict=True)
    return [tuple(sorted((*signals.unwatched, *blurred_in(signals, events, *bound)))) for bound in bounds]


def _contents(
    events: PredictionColumns,
    signals: Signals,
    runs: Runs,
    decisions: Coded,
    reference: Reference | None,
    settings: DriftSettings,
) -> Iterator[Content]:
    """The content of the block of each run."""
    coded = {signal: column.coded for signal, column in signals.text.items() if column.coded is not None}
    decided, *counted = tallies([decisions, *coded.values()], runs)
    numeric = numeric_summaries(signals.numeric, signals.numbers, runs, reference, signals.remainders)
    categorical = category_counts(signals.text, dict(zip(coded, counted, strict=True)), runs, numeric, settings)
    rows_max = settings.block_events_max if reference is None else settings.sample_rows_per_block
    return zip(numeric, categorical, decided.counts, samples(events, signals, runs, rows_max, settings), strict=True)


def _coded(decisions: npt.NDArray[np.int8], names: Sequence[str]) -> Coded:
    codes = decisions.astype(np.uint8)
    if codes.max() >= len(names):
        raise ValueError(f"a decision beyond the {len(names)} that have names")
    return Coded(names, codes.tobytes())


def block_id_of(model: str, partition: int, offset: int, within: int) -> str:
    """The id of the block that starts at a position in the log, at most ``NAME_CHARS_MAX`` characters.

    ``within`` counts the model's events that come before the block in the message at ``offset``.

    >>> block_id_of("credit", partition=0, offset=17, within=2)
    'credit/0/17.2'
    """
    position = f"/{partition}/{offset}.{within}"
    if len(model) + len(position) > NAME_CHARS_MAX:
        model = f"{model[:100]}~{hashlib.sha256(model.encode()).hexdigest()[:16]}"
    return model + position
