"""Reads Arrow messages as columns, several together; messages with anything odd are left to ``message_reader``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.columns.prediction_columns import PredictionColumns
from schemas.json_text.errors import MalformedError
from streams.consume.unreadable_batch import check_record
from streams.message_limits import MessageLimits
from streams.predictions.arrow.columns import OddError, cells_of, models_of
from streams.predictions.arrow.rows import usual_producer
from streams.predictions.arrow.stream import table_of
from streams.predictions.envelope import envelope_of
from streams.records import Record

__all__ = ["read_arrow"]

ROWS_AT_ONCE: Final = 5_000
"""About how many rows of several messages become columns together; a message is never split."""

Ints = npt.NDArray[np.int64]
ArrowPart = tuple[PredictionColumns, Ints, Ints, Ints]
"""Events of one model, and the partition, offset and row number of each."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Opened:
    record: Record
    table: Any
    producer: str


def read_arrow(
    records: Iterable[Record], future_ms_max: int, bytes_max: int, limits: MessageLimits
) -> tuple[list[ArrowPart], set[int]]:
    """The events of Arrow messages, and the indexes, from 0, of the messages that hold anything odd.

    Of an odd message nothing is read. ``future_ms_max`` bounds how far the time of an event may lie ahead of that of
    its message, ``bytes_max`` one prediction as JSON.
    """
    parts: list[ArrowPart] = []
    odd: set[int] = set()
    opened: dict[int, _Opened] = {}
    for index, record in enumerate(records):
        try:
            check_record(record, limits)
            envelope = envelope_of(record)
            table = table_of(envelope.body, limits.events_max)
            opened[index] = _Opened(record, table, usual_producer(envelope.defaults))
        except (MalformedError, OddError):
            odd.add(index)
    for group in _groups(opened):
        try:
            parts += _parts([opened[index] for index in group], future_ms_max, bytes_max)
        except OddError:
            for index in group:
                try:
                    parts += _parts([opened[index]], future_ms_max, bytes_max)
                except OddError:
                    odd.add(index)
    return parts, odd


def _groups(opened: dict[int, _Opened]) -> Iterator[list[int]]:
    """Indexes of neighbouring messages with the same columns and producer, of about ``ROWS_AT_ONCE`` rows."""
    group: list[int] = []
    rows = 0
    for index, message in opened.items():
        if group:
            first = opened[group[0]]
            alike = first.producer == message.producer and first.table.schema.equals(message.table.schema)
            if not alike or rows >= ROWS_AT_ONCE:
                yield group
                group, rows = [], 0
        group.append(index)
        rows += message.table.num_rows
    if group:
        yield group


def _parts(group: Sequence[_Opened], future_ms_max: int, bytes_max: int) -> list[ArrowPart]:
    """The events of a group, a part for each model; raises OddError."""
    records, tables = [message.record for message in group], [message.table for message in group]
    counts = [table.num_rows for table in tables]
    table = tables[0] if len(tables) == 1 else pa.concat_tables(tables).combine_chunks()
    latest_ms = min(record.timestamp()[1] for record in records) + future_ms_max
    partitions = np.repeat(np.array([record.partition() for record in records], np.int64), counts)
    offsets = np.repeat(np.array([record.offset() for record in records], np.int64), counts)
    rows = np.concatenate([np.arange(count) for count in counts])
    parts = []
    for of_model in models_of(table):
        cells = cells_of(of_model, latest_ms=latest_ms, producer=group[0].producer, bytes_max=bytes_max)
        chosen = of_model.indexes
        parts.append((cells.columns(), partitions[chosen], offsets[chosen], rows[chosen]))
    return parts
