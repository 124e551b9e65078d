"""Blocks out of an Arrow table, a row a block: what JSON of the same content decodes to, but for the samples.

These are made into Structs when they are asked for.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.columns.block_columns import BLOCK_SCHEMA
from schemas.columns.block_samples import SampleView, samples_of
from schemas.columns.checked_columns import CheckedColumns, check_columns
from schemas.wire.base import EPOCH_MS_MAX
from schemas.wire.block import Block, CategoryCounts, NumericSummary, SampledRow

__all__ = ["AnyBlock", "BlockView", "blocks_of", "check_block_schema", "struct_of"]


class BlockView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A Block whose sample is made into Structs each time it is asked for. It holds on to nothing of its message."""

    block_id: str
    model: str
    reference_version: str
    partition: int
    first_offset: int
    last_offset: int
    time_min: int
    time_max: int
    events: int
    numeric: dict[str, NumericSummary]
    categorical: dict[str, CategoryCounts]
    decisions: dict[str, int]
    sample_view: SampleView
    features_unwatched: int
    unwatched: tuple[str, ...]

    @property
    def sample(self) -> tuple[SampledRow, ...]:
        """The sampled rows, as ``Block`` has them."""
        return self.sample_view.rows()


AnyBlock = Block | BlockView
"""What DRIFT reads: both have the same fields."""


def struct_of(block: AnyBlock) -> Block:
    """The block as the Struct of the wire."""
    if isinstance(block, Block):
        return block
    return Block(
        block_id=block.block_id,
        model=block.model,
        reference_version=block.reference_version,
        partition=block.partition,
        first_offset=block.first_offset,
        last_offset=block.last_offset,
        time_min=block.time_min,
        time_max=block.time_max,
        events=block.events,
        numeric=block.numeric,
        categorical=block.categorical,
        decisions=block.decisions,
        sample=block.sample,
        features_unwatched=block.features_unwatched,
        unwatched=block.unwatched,
    )


def check_block_schema(schema: Any) -> None:
    """Raises MalformedError if a table with this pyarrow.Schema holds no blocks. It may hold more than blocks."""
    check_columns(schema, BLOCK_SCHEMA)


def blocks_of(batch: Any) -> list[BlockView]:
    """The blocks of a pyarrow.RecordBatch that is valid (``validate(full=True)``), with a schema that was checked.

    Raises MalformedError if one of them holds what no Block may hold.
    """
    columns = CheckedColumns.of(batch)
    return [
        BlockView(
            block_id=block_id,
            model=model,
            reference_version=reference_version,
            partition=partition,
            first_offset=first_offset,
            last_offset=last_offset,
            time_min=time_min,
            time_max=time_max,
            events=events,
            numeric=numeric,
            categorical=categorical,
            decisions=decisions,
            sample_view=sample,
            features_unwatched=features_unwatched,
            unwatched=unwatched,
        )
        for (
            block_id,
            model,
            reference_version,
            partition,
            first_offset,
            last_offset,
            time_min,
            time_max,
            events,
            numeric,
            categorical,
            decisions,
            sample,
            features_unwatched,
            unwatched,
        ) in zip(
            columns.texts("block_id", chars_min=1),
            columns.texts("model", chars_min=1),
            columns.texts("reference_version"),
            columns.values("partition"),
            columns.counts("first_offset"),
            columns.counts("last_offset"),
            columns.counts("time_min", EPOCH_MS_MAX),
            columns.counts("time_max", EPOCH_MS_MAX),
            columns.counts("events"),
            _numeric(columns),
            _categorical(columns),
            columns.maps("decisions"),
            samples_of(columns),
            columns.counts("features_unwatched"),
            columns.tuples("unwatched", CheckedColumns.texts),
            strict=True,
        )
    ]


def _numeric(columns: CheckedColumns) -> list[dict[str, NumericSummary]]:
    lists = columns.lists("numeric")
    entries = lists.entries
    summaries = [
        NumericSummary(
            count=count,
            missing=missing,
            mean=mean,
            m2=m2,
            minimum=minimum,
            maximum=maximum,
            histogram=histogram,
            centre=centre,
            mean_offset=mean_offset,
            m2_exponent=m2_exponent,
        )
        for count, missing, mean, m2, minimum, maximum, histogram, centre, mean_offset, m2_exponent in zip(
            entries.counts("count"),
            entries.counts("missing"),
            entries.values("mean"),
            entries.values("m2"),
            entries.values("minimum"),
            entries.values("maximum"),
            entries.tuples("histogram", CheckedColumns.values),
            entries.values("centre"),
            entries.values("mean_offset"),
            entries.counts("m2_exponent"),
            strict=True,
        )
    ]
    return lists.dicts(entries.coded("signal"), summaries)


def _categorical(columns: CheckedColumns) -> list[dict[str, CategoryCounts]]:
    lists = columns.lists("categorical")
    entries = lists.entries
    counted = [
        CategoryCounts(counts=counts, missing=missing, other=other)
        for counts, missing, other in zip(
            entries.maps("counts"), entries.counts("missing"), entries.counts("other"), strict=True
        )
    ]
    return lists.dicts(entries.coded("signal"), counted)
