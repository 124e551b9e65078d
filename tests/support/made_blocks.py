"""Blocks for tests: any that hypothesis can think of, and messages of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from drift.blocks.block_structs import block_structs
from drift.blocks.measured import BlockEvents, measured
from drift.settings import DriftSettings
from schemas.columns.block_columns import block_batch
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.base import EPOCH_MS_MAX
from schemas.wire.block import Block, CategoryCounts, NumericSummary, SampledRow
from schemas.wire.reference import Reference

__all__ = ["blocks", "build_blocks", "comparable", "stream_of"]

COUNT_MAX = 2**31 - 1

counts = st.integers(0, COUNT_MAX)
numbers = st.floats(allow_nan=False, allow_infinity=False)
characters = st.characters(exclude_categories=["Cs"])
texts = st.text(characters, max_size=12)
names = st.one_of(texts, st.just("x" * 200))
ids = st.one_of(st.text(characters, min_size=1, max_size=12), st.just("\U0001f600" * 200))
positions = st.integers(0, 2**63 - 1)
times = st.integers(0, EPOCH_MS_MAX)
integers = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**64), 2**64),
    st.integers(2**53 - 1, 2**53 + 1),
    st.integers(-(2**53) - 1, 1 - 2**53),
)
scalars = st.one_of(st.none(), st.booleans(), integers, numbers, texts, st.sampled_from([0.0, -0.0, 1.0]))

summaries = st.builds(
    NumericSummary, count=counts, missing=counts, mean=numbers, m2=numbers, minimum=numbers, maximum=numbers,
    histogram=st.lists(counts, max_size=4).map(tuple), centre=numbers, mean_offset=numbers, m2_exponent=counts,
)  # fmt: skip
categories = st.builds(CategoryCounts, counts=st.dictionaries(texts, counts, max_size=3), missing=counts, other=counts)
rows = st.builds(
    SampledRow, hash=st.integers(0, 2**64 - 1), event_id=ids, time=times,
    features=st.dictionaries(texts, scalars, max_size=4), prediction=names, confidence=st.floats(0.0, 1.0),
)  # fmt: skip
blocks = st.builds(
    Block, block_id=ids, model=ids, reference_version=names, partition=st.integers(0, COUNT_MAX),
    first_offset=positions, last_offset=positions, time_min=times, time_max=times, events=counts,
    numeric=st.dictionaries(texts, summaries, max_size=3), categorical=st.dictionaries(texts, categories, max_size=3),
    decisions=st.dictionaries(texts, counts, max_size=3), sample=st.lists(rows, max_size=3).map(tuple),
    features_unwatched=counts, unwatched=st.lists(names, max_size=2).map(tuple),
)  # fmt: skip
"""Any block that counts with 31 bits."""


def stream_of(made: Sequence[Block], *, batch: Any = None, compression: str | None = None) -> bytes:
    """The blocks, or a record batch in their place, as an Arrow IPC stream."""
    batch = block_batch(made) if batch is None else batch
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def build_blocks(
    events: PredictionColumns,
    *,
    partitions: Any,
    offsets: Any,
    decisions: Any,
    decision_names: Sequence[str],
    reference: Reference | None,
    settings: DriftSettings,
) -> list[Block]:
    """The blocks of events of one model."""
    given = BlockEvents(
        events, np.asarray(partitions, np.int64), np.asarray(offsets, np.int64), decisions, decision_names, [reference]
    )  # fmt: skip
    return [block for piece in measured(given, settings) for block in block_structs(piece)]


def comparable(block: Block) -> bytes:
    """A block as JSON, whatever the order of its names, without what its sample says is None."""
    sample = tuple(
        msgspec.structs.replace(
            row, features={name: value for name, value in row.features.items() if value is not None}
        )
        for row in block.sample
    )
    return msgspec.json.encode(msgspec.structs.replace(block, sample=sample), order="deterministic")
