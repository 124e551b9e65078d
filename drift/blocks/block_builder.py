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
"""Features of a block that are not watched and that it names; the others it counts."""

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

    Events of one partition are together, in offset order; ``offsets`` may repeat where one message holds many events;
    ``decisions`` are the verdicts', one an event, as places in ``decision_names``. Histograms are on the edges of
    ``reference``. A signal that no event of a run carries is absent from its block, and counts as missing where windows
    are made. Raises ValueError where the columns do not have the same length or a decision has no name.
    """
    count = len(events)
    sources, places = np.asarray(partitions, np.int64), np.asarray(offsets, np.int64)
    if not len(sources) == len(places) == len(decisions) == count:
        raise ValueError(
            f"{count} events with {len(sources)} partitions, {len(places)} offsets and {len(decisions)} decisions: "
            "one each is needed"
        )
    if count == 0:
        return []
    runs = Runs.of(sources, places, settings.block_events_max)
    version = "" if reference is None else reference.version
    columns = signals_of(events, settings, reference)
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
            places[runs.starts].tolist(),
            places[runs.ends - 1].tolist(),
            runs.withins.tolist(),
            runs.sizes.tolist(),
            np.minimum.reduceat(events.times_ms, runs.starts).tolist(),
            np.maximum.reduceat(events.times_ms, runs.starts).tolist(),
            _left_out(events, columns, runs),
            _contents(events, columns, runs, _coded(decisions, decision_names), reference, settings),
            strict=True,
        )
    ]


def _left_out(events: PredictionColumns, columns: Signals, runs: Runs) -> Iterable[tuple[str, ...]]:
    """The features of each run that are not watched, or by their mean alone."""
    if not columns.inexact:
        return repeat(columns.unwatched, len(runs.starts))
    bounds = zip(runs.starts.tolist(), runs.ends.tolist(), strict=True)
    return [tuple(sorted((*columns.unwatched, *blurred_in(columns, events, *bound)))) for bound in bounds]


def _contents(
    events: PredictionColumns,
    columns: Signals,
    runs: Runs,
    decisions: Coded,
    reference: Reference | None,
    settings: DriftSettings,
) -> Iterator[Content]:
    """What each run holds."""
    coded = {signal: column.coded for signal, column in columns.text.items() if column.coded is not None}
    decided, *told = tallies([decisions, *coded.values()], runs)
    numeric = numeric_summaries(columns.numeric, columns.numbers, runs, reference, columns.remainders)
    categorical = category_counts(columns.text, dict(zip(coded, told, strict=True)), runs, numeric, settings)
    rows_max = settings.block_events_max if reference is None else settings.sample_rows_per_block
    return zip(numeric, categorical, decided.counts, samples(events, columns, runs, rows_max, settings), strict=True)


def _coded(decisions: npt.NDArray[np.int8], names: Sequence[str]) -> Coded:
    codes = decisions.astype(np.uint8)
    if codes.max() >= len(names):
        raise ValueError(f"a decision beyond the {len(names)} that have names")
    return Coded(names, codes.tobytes())


def block_id_of(model: str, partition: int, offset: int, within: int) -> str:
    """The same for the same place in the log; ``within`` counts the model's events in the message at ``offset``."""
    place = f"/{partition}/{offset}.{within}"
    if len(model) + len(place) > NAME_CHARS_MAX:
        model = f"{model[:100]}~{hashlib.sha256(model.encode()).hexdigest()[:16]}"
    return model + place
