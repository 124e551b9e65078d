"""Reads Arrow messages as columns, many together; messages with anything odd are left to ``message_reader``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from schemas.json_text.errors import MalformedError
from streams.arrow.ipc import ARROW_BYTES_MAX
from streams.consume.unreadable_batch import check_record
from streams.message_limits import MessageLimits
from streams.predictions.arrow.columns import OddError, cells_of, model_order
from streams.predictions.arrow.rows import usual_producer
from streams.predictions.arrow.stream import table_of, usual_batch
from streams.predictions.envelope import envelope_of, is_arrow
from streams.predictions.parts import Part
from streams.records import Record

__all__ = ["GatheredTables"]

ROWS_AT_ONCE: Final = 20_000
"""About how many rows of several messages become columns together; a message is never split."""
GROUPS_MAX: Final = 8
"""Kinds of tables, by their columns and producer, that wait for more of their kind."""


@dataclasses.dataclass(slots=True)
class _Group:
    """Opened messages with the same columns and producer, in order of arrival, each as one pyarrow.RecordBatch.

    ``names`` are the columns that are read.
    """

    schema: Any
    names: Sequence[str]
    producer: str
    records: list[Record] = dataclasses.field(default_factory=list)
    batches: list[Any] = dataclasses.field(default_factory=list)
    rows: int = 0
    unpacked_bytes: int = 0


class GatheredTables:
    """Opens Arrow messages and makes parts of them once there are ``ROWS_AT_ONCE`` rows with the same columns.

    What waits has at most ``ARROW_BYTES_MAX`` bytes once unpacked, and one message more. ``future_ms_max`` bounds how
    far the time of an event may lie ahead of that of its message, ``bytes_max`` one prediction as JSON. ``count`` is
    the number of rows that were opened. ``odd`` are messages that hold anything odd, of which nothing is read.
    """

    def __init__(self, future_ms_max: int, bytes_max: int, limits: MessageLimits) -> None:
        self._future_ms_max = future_ms_max
        self._bytes_max = bytes_max
        self._limits = limits
        self._waiting: list[_Group] = []
        self._unpacked_bytes = 0
        self._parts: list[Part] = []
        self.odd: list[Record] = []
        self.count = 0

    def add(self, records: Sequence[Record]) -> Sequence[Record]:
        """Open the Arrow messages among these, at least one; returns the others."""
        headers = list(map(type(records[0]).headers, records))
        if not any(headers):
            return records
        others = []
        for record, given in zip(records, headers, strict=True):
            if is_arrow(given):
                self._open(record)
            else:
                others.append(record)
        return others

    def _open(self, record: Record) -> None:
        try:
            check_record(record, self._limits)
            envelope = envelope_of(record)
            opened = _opened(envelope.body, self._limits.events_max)
            self.count += opened.batch.num_rows
            producer = usual_producer(envelope.defaults)
        except (MalformedError, OddError):
            self.odd.append(record)
            return
        if not opened.batch.num_rows:
            return
        group = self._group_of(opened.batch.schema, opened.names, producer)
        group.records.append(record)
        group.batches.append(opened.batch)
        group.rows += opened.batch.num_rows
        group.unpacked_bytes += opened.unpacked_bytes
        self._unpacked_bytes += opened.unpacked_bytes
        if group.rows >= ROWS_AT_ONCE:
            self._make(group)
        elif self._unpacked_bytes > ARROW_BYTES_MAX:
            self._make_all()

    def parts(self) -> list[Part]:
        """The parts of all messages that were added and are not odd; to be called once, at the end."""
        self._make_all()
        return self._parts

    def _group_of(self, schema: Any, names: Sequence[str], producer: str) -> _Group:
        for group in self._waiting:
            if group.producer == producer and group.schema.equals(schema):
                return group
        if len(self._waiting) >= GROUPS_MAX:
            self._make(self._waiting[0])
        group = _Group(schema, names, producer)
        self._waiting.append(group)
        return group

    def _make_all(self) -> None:
        for group in list(self._waiting):
            self._make(group)

    def _make(self, group: _Group) -> None:
        self._waiting.remove(group)
        self._unpacked_bytes -= group.unpacked_bytes
        try:
            self._parts.append(self._part(group, group.records, group.batches))
        except OddError:
            for record, batch in zip(group.records, group.batches, strict=True):
                try:
                    self._parts.append(self._part(group, [record], [batch]))
                except OddError:
                    self.odd.append(record)

    def _part(self, group: _Group, records: Sequence[Record], batches: Sequence[Any]) -> Part:
        """The events of some messages of a group, model after model; raises OddError."""
        counts = [batch.num_rows for batch in batches]
        table = pa.Table.from_batches(batches).select(group.names).combine_chunks()
        latest_ms = min(record.timestamp()[1] for record in records) + self._future_ms_max
        partitions = np.array([record.partition() for record in records], np.int64).repeat(counts)
        offsets = np.array([record.offset() for record in records], np.int64).repeat(counts)
        rows = np.concatenate([np.arange(count) for count in counts])
        order = model_order(table)
        if order is not None:
            table = table.take(pa.array(order)).combine_chunks()
            partitions, offsets, rows = partitions[order], offsets[order], rows[order]
        cells = cells_of(table, latest_ms=latest_ms, producer=group.producer, bytes_max=self._bytes_max)
        return Part(cells.columns(), partitions, offsets, rows, np.ones(len(rows), np.bool_))


class _Opened(NamedTuple):
    batch: Any
    names: Sequence[str]
    unpacked_bytes: int


def _opened(data: bytes, rows_max: int) -> _Opened:
    """The rows of a stream as one record batch; raises MalformedError."""
    usual = usual_batch(data, rows_max)
    if usual is not None:
        return _Opened(usual.batch, usual.plan.names, usual.unpacked_bytes)
    table = table_of(data, rows_max)
    batches = table.to_batches()
    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
    return _Opened(batch, table.column_names, table.nbytes)
