"""every topic → ClickHouse: each row once, with the identity of the message it came from."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from agents.metrics import RECORD_FAILURES, RECORD_ROWS
from schemas.codec import MalformedError, decode_one_or_many
from schemas.reject import Reject
from schemas.topics import ALL_TOPICS, PREDICTIONS, REJECTS, Topic
from streams.batches import HandBack, Place
from streams.careful import SchemaCheck
from streams.inbox import PREDICTION_BYTES_MAX, read_predictions
from streams.outbox import Sending
from streams.records import Record
from streams.rejects import reject_of
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.rows import Identity, Row, row_of, rows_of
from warehouse.tables import table_of
from warehouse.writer import Insert, split_inserts, store

__all__ = ["RECORDED", "Recorder"]

T = TypeVar("T")

log = structlog.get_logger(__name__)

RECORDED: tuple[Topic, ...] = tuple(topic for topic in ALL_TOPICS if topic.value is not None)
BACK_OFF_SECONDS_MAX = 30.0
BACK_OFF_SECONDS_MIN = 0.2


class Recorder:
    """Writes batches of all topics. ``handle`` is called by one thread.

    After an assignment each partition goes on behind the highest identity that ClickHouse holds, so a batch that was
    stored but not committed is not stored again; within one, the insert's token is made of the same identity. While
    ClickHouse is away the batch in hand waits (``pause``), with back-off and jitter, and nothing more is taken.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        prefix: str,
        *,
        topic_ids: Callable[[], dict[str, str]],
        future_seconds_max: int,
        stop: threading.Event,
        prediction_bytes_max: int = PREDICTION_BYTES_MAX,
        schemas: SchemaCheck | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._warehouse = warehouse
        self._prefix = prefix
        self._topic_ids = topic_ids
        self._future_ms_max = future_seconds_max * 1000
        self._stop = stop
        self._prediction_bytes_max = prediction_bytes_max
        self._schemas = schemas
        self._clock = clock
        self._ids: dict[str, str] = {}
        self._jitter = random.Random()  # noqa: S311  # spreads retries, guards nothing
        self.pause: Callable[[float], bool] = lambda seconds: not self._stop.wait(seconds)
        """Waits without losing the group; False where the batch is not ours any more."""

    def assigned(self, places: list[Place]) -> dict[tuple[str, int], int]:
        """Go on behind what is stored."""
        self._ids = self._topic_ids()
        starts = {}
        for place in places:
            highest = self._patiently(lambda place=place: self._highest(place), self._wait)  # type: ignore[misc]
            if highest is not None:
                starts[place.topic, place.partition] = max(highest + 1, place.committed or 0)
        return starts

    def handle(self, records: Sequence[Record], outbox: Sending) -> None:
        """One batch: partition by partition, each in order."""
        by_partition: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            name = record.topic().removeprefix(self._prefix)
            by_partition.setdefault((name, record.partition()), []).append(record)
        for (name, _), found in by_partition.items():
            self._store(name, found, outbox)

    def _highest(self, place: Place) -> int | None:
        return self._warehouse.highest_offset(table_of(place.topic), self._ids[place.topic], place.partition)

    def _store(self, name: str, records: Sequence[Record], outbox: Sending) -> None:
        table = table_of(name)
        settings = self._warehouse.settings
        rows = self._rows(name, records, outbox)
        for insert in split_inserts(rows, rows_max=settings.insert_rows_max, bytes_max=settings.insert_bytes_max):
            self._insert(table, insert, records, outbox)

    def _rows(self, name: str, records: Sequence[Record], outbox: Sending) -> list[Row]:
        topic_id = self._ids[name]
        if name == PREDICTIONS.name:
            arrivals = read_predictions(
                records,
                self._prefix,
                now_ms=0,
                future_ms_max=self._future_ms_max,
                bytes_max=self._prediction_bytes_max,
                schemas=self._schemas,
            )
            return [
                row_of(name, event, Identity(topic_id, partition, offset, index))
                for event, partition, offset, index in zip(
                    arrivals.events, arrivals.partitions, arrivals.offsets, arrivals.indexes, strict=True
                )
            ]
        kind = next(topic.value for topic in RECORDED if topic.name == name)
        assert kind is not None
        rows: list[Row] = []
        for record in records:
            data = record.value()
            if data is None:
                continue
            try:
                values = decode_one_or_many(kind, data)
            except MalformedError as error:
                self._reject(record, error.reason, error.field, outbox)
                continue
            rows += rows_of(name, values, Identity(topic_id, record.partition(), record.offset()))
        return rows

    def _insert(self, table: str, insert: Insert, records: Sequence[Record], outbox: Sending) -> None:
        refused = self._patiently(lambda: store(self._warehouse.insert, table, insert))
        RECORD_ROWS.labels(table).inc(len(insert.rows) - len(refused))
        by_offset = {record.offset(): record for record in records}
        for one in refused:
            self._reject(by_offset[int(one.row["_offset"])], f"ClickHouse: {one.reason}", "", outbox)

    def _reject(self, record: Record, reason: str, field: str, outbox: Sending) -> None:
        now_ms = int(self._clock() * 1000)
        if record.topic() == self._prefix + REJECTS.name:
            log.error("a reject cannot be stored", offset=record.offset(), why=reason)
            return
        reject: Reject = reject_of(record, self._prefix, role="record", reason=reason, field=field, now_ms=now_ms)
        outbox.send(REJECTS, reject.source_key, reject)

    def _wait(self, seconds: float) -> bool:
        """While partitions are assigned the consumer may not be asked for anything: just wait."""
        return not self._stop.wait(seconds)

    def _patiently(self, call: Callable[[], T], pause: Callable[[float], bool] | None = None) -> T:
        """Call until ClickHouse answers; raises HandBack where the batch should be handed back instead."""
        wait_seconds = BACK_OFF_SECONDS_MIN
        while True:
            try:
                return call()
            except WarehouseError as error:
                RECORD_FAILURES.inc()
                log.warning("ClickHouse did not take a batch, trying again", wait_seconds=wait_seconds, why=str(error))
            if not (pause or self.pause)(wait_seconds * self._jitter.uniform(0.5, 1.0)):
                raise HandBack
            wait_seconds = min(BACK_OFF_SECONDS_MAX, wait_seconds * 2)
