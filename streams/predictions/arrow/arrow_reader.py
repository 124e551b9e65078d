"""Arrow messages as columns, several together; those with anything odd are left to the careful reader."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.codec import MalformedError
from schemas.columns.prediction_columns import PredictionColumns
from streams.message_limits import MessageLimits
from streams.predictions.arrow.columns import OddError, cells_of, models_of
from streams.predictions.arrow.rows import usual_producer
from streams.predictions.arrow.stream import table_of
from streams.predictions.envelope import envelope_of
from streams.records import Record

__all__ = ["read_arrow"]

ROWS_AT_ONCE: Final = 5_000
"""Rows of several messages that are made columns together, about: a message is not taken apart."""

Ints = npt.NDArray[np.int64]
ArrowPart = tuple[PredictionColumns, Ints, Ints, Ints]
"""Events of one model, and their partitions, offsets and rows."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Opened:
    record: Record
    table: Any
    producer: str


def read_arrow(
    records: Iterable[Record], future_ms_max: int, bytes_max: int, limits: MessageLimits
) -> tuple[list[ArrowPart], set[int]]:
    """The events of Arrow messages, and the places of the messages, counted from 0, that hold anything odd.

    Of those nothing is read.
    """
    parts: list[ArrowPart] = []
    odd: set[int] = set()
    opened: dict[int, _Opened] = {}
    for place, record in enumerate(records):
        try:
            limits.check_bytes(len(record))
            envelope = envelope_of(record)
            table = table_of(envelope.body, limits.events_max)
            opened[place] = _Opened(record, table, usual_producer(envelope.defaults))
        except (MalformedError, OddError):
            odd.add(place)
    for group in _groups(opened):
        try:
            parts += _parts([opened[place] for place in group], future_ms_max, bytes_max)
        except OddError:
            for place in group:
                try:
                    parts += _parts([opened[place]], future_ms_max, bytes_max)
                except OddError:
                    odd.add(place)
    return parts, odd


def _groups(opened: dict[int, _Opened]) -> Iterator[list[int]]:
    """Neighbours that have the same columns and producer."""
    group: list[int] = []
    rows = 0
    for place, one in opened.items():
        if group:
            first = opened[group[0]]
            alike = first.producer == one.producer and first.table.schema.equals(one.table.schema)
            if not alike or rows >= ROWS_AT_ONCE:
                yield group
                group, rows = [], 0
        group.append(place)
        rows += one.table.num_rows
    if group:
        yield group


def _parts(group: Sequence[_Opened], future_ms_max: int, bytes_max: int) -> list[ArrowPart]:
    """A part for each model; raises OddError."""
    records, counts = [one.record for one in group], [one.table.num_rows for one in group]
    table = group[0].table if len(group) == 1 else pa.concat_tables([one.table for one in group]).combine_chunks()
    latest_ms = min(record.timestamp()[1] for record in records) + future_ms_max
    partitions = np.repeat(np.array([record.partition() for record in records], np.int64), counts)
    offsets = np.repeat(np.array([record.offset() for record in records], np.int64), counts)
    rows = np.concatenate([np.arange(count) for count in counts])
    found = []
    for one in models_of(table):
        cells = cells_of(one, latest_ms=latest_ms, producer=group[0].producer, bytes_max=bytes_max)
        found.append((cells.columns(), partitions[one.places], offsets[one.places], rows[one.places]))
    return found
