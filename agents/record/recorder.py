"""topics to keep → ClickHouse: each row once, with the identity of the message it came from."""

from __future__ import annotations

import dataclasses
import functools
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from agents.shared.metrics import RECORD_FAILURES, RECORD_ROWS
from schemas.codec import MalformedError, decode_one_or_many, decoder_of
from schemas.json_text.parts import decoded_apart
from schemas.topics import PREDICTIONS, REJECTS
from schemas.wire.base import Wire
from schemas.wire.label import Label
from schemas.wire.reject import Reject
from schemas.wire.verdict import Verdict
from streams.admin.access import RECORDED
from streams.admin.topic_watch import check_same
from streams.consume.batches import AssignedPartition, BatchSettings, HandBack
from streams.consume.record_guard import position_of
from streams.errors import KafkaUnreachable
from streams.message_limits import PREDICTION_BYTES_MAX, MessageLimits
from streams.predictions.label_reader import label_of
from streams.predictions.message_elements import JsonElements, elements_of
from streams.predictions.message_reader import read_predictions
from streams.predictions.registry import SchemaCheck
from streams.produce.outbox import Outbox
from streams.produce.rejects import ElementRejects, Rejecter, reject_of
from streams.records import Partition, Record, split_by_bytes
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.store.arrow_columns import Identities, prediction_columns, verdict_columns
from warehouse.store.inserts import ColumnInsert, Insert, JsonInsert, RefusedRow, pack_inserts, store
from warehouse.store.rows import Identity, Row, rows_of
from warehouse.store.tables import table_of

__all__ = ["BATCH", "Recorder"]

T = TypeVar("T")
W = TypeVar("W", bound=Wire)

log = structlog.get_logger(__name__)

VALUE_OF: dict[str, type[Wire]] = {topic.name: topic.value for topic in RECORDED if topic.value is not None}
COMPACT = frozenset(topic.name for topic in RECORDED if topic.compact)
BACK_OFF_SECONDS_MAX = 30.0
BACK_OFF_SECONDS_MIN = 0.2

BATCH = BatchSettings(events_max=100_000, bytes_max=64 * 1024 * 1024, wait_seconds=1.0)
"""What comes live is stored after a second; a backlog in large inserts, after which ClickHouse has less to merge."""

RUN_MESSAGES_MAX = 2_000
RUN_BYTES_MAX = 1024 * 1024
"""Messages read at once: few enough that what they hold is still in the processor's cache when its columns are made."""


@dataclasses.dataclass(frozen=True, slots=True)
class UnderWay:
    """An insert that a thread is busy with, and the messages its rows came from."""

    table: str
    insert: Insert
    records: Sequence[Record]
    written: Future[None]
    refused: set[tuple[int, int]] = dataclasses.field(default_factory=set)
    """Offset and index of the rows that ClickHouse refused and that are told of."""
    by_message: dict[int, ElementRejects] = dataclasses.field(default_factory=dict)
    """The same by the offset of their message, until it is over."""


class Recorder:
    """Writes batches of all topics. ``handle`` is called by one thread.

    After an assignment each partition goes on behind the highest identity that ClickHouse holds, so a batch that was
    stored but not committed is not stored again; within one, the insert's token is made of the same identity. While an
    insert is under way the next one is made ready, one at most, and ``handle`` returns when all are stored. While
    ClickHouse is away the batch in hand waits (``pause``), with back-off and jitter, and nothing more is taken. Where a
    topic was deleted and created anew TopicReplaced ends it, before messages are taken for rows that are stored.
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
        limits: MessageLimits | None = None,
        schemas: SchemaCheck | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._warehouse = warehouse
        self._prefix = prefix
        self._topic_ids = topic_ids
        self._future_ms_max = future_seconds_max * 1000
        self._stop = stop
        self._prediction_bytes_max = prediction_bytes_max
        self._limits = limits or MessageLimits()
        self._schemas = schemas
        self._clock = clock
        self._ids: dict[str, str] = {}
        self._stored: dict[Partition, tuple[int, int]] = {}
        self._inserter = ThreadPoolExecutor(1, thread_name_prefix="record insert")
        self._under_way: UnderWay | None = None
        self._untold = False
        self._jitter = random.Random()  # noqa: S311  # spreads retries, guards nothing
        self.pause: Callable[[float], bool] = lambda seconds: not self._stop.wait(seconds)
        """Waits without losing the group; False where the batch is not ours any more."""

    def assigned(self, partitions: list[AssignedPartition]) -> dict[Partition, int]:
        """Go on behind what is stored, at the message it ends with: of that one a part may be missing."""
        self._ids = self._topic_ids()
        self._stored, self._under_way = {}, None
        starts = {}
        for partition in partitions:
            last = self._patiently(lambda partition=partition: self._last(partition), self._wait)  # type: ignore[misc]
            if last is not None:
                self._stored[partition.topic, partition.number] = last
                starts[partition.topic, partition.number] = max(last[0], partition.committed or 0)
        return starts

    def handle(self, records: Sequence[Record], outbox: Outbox) -> None:
        """One batch: partition by partition, each in order; all of it is stored or rejected when this returns."""
        if records:
            self._check_topics()
        by_partition: dict[Partition, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.topic(), record.partition()].append(record)
        for (topic, partition), taken in by_partition.items():
            self._store(topic.removeprefix(self._prefix), partition, taken, outbox)
        self._settle(outbox)

    def _check_topics(self) -> None:
        """Asked with the messages in hand, which are then of the topics that the assignment knew."""
        try:
            topic_ids = self._topic_ids()
        except KafkaUnreachable as error:
            raise HandBack from error
        check_same(self._prefix, self._ids, topic_ids)

    def _last(self, partition: AssignedPartition) -> tuple[int, int] | None:
        return self._warehouse.highest_identity(table_of(partition.topic), self._ids[partition.topic], partition.number)

    def _store(self, name: str, partition: int, records: Sequence[Record], outbox: Outbox) -> None:
        table, settings = table_of(name), self._warehouse.settings
        runs = self._runs(name, partition, records, outbox)
        for insert in pack_inserts(runs, rows_max=settings.insert_rows_max, bytes_max=settings.insert_bytes_max):
            self._settle(outbox)
            self._tell(outbox)
            written = self._inserter.submit(self._warehouse.write, table, insert)
            self._under_way = UnderWay(table, insert, records, written)

    def _runs(self, name: str, partition: int, records: Sequence[Record], outbox: Outbox) -> Iterator[Insert]:
        """The rows of some messages at a time; those that are stored already are left out."""
        last = self._stored.get((name, partition), (-1, -1))
        for some in _runs_of(records):
            run = self._read(name, partition, some, outbox)
            if run is not None and int(run.offsets[0]) <= last[0]:
                run = self._unstored(name, partition, run, last)
            if run is not None:
                yield run

    def _unstored(self, name: str, partition: int, run: Insert, last: tuple[int, int]) -> Insert | None:
        """The rows of a run that are not stored, where ``last`` is the newest that is; None where all are.

        Rows of the same message that are missing before it were refused. Nobody knows whether the one Reject of many
        was told before the worker ended, so they are given to ClickHouse once more, and told of.
        """
        offset, index = last
        identities = list(zip(map(int, run.offsets), map(int, run.indexes), strict=True))
        stored = {index}
        if any(identity < last and identity[0] == offset for identity in identities):
            stored = self._patiently(
                lambda: self._warehouse.stored_indexes(table_of(name), self._ids[name], partition, offset)
            )
        return run.chosen([row > last or (row[0] == offset and row[1] not in stored) for row in identities])

    def _read(self, name: str, partition: int, records: Sequence[Record], outbox: Outbox) -> Insert | None:
        """The rows of messages; what cannot be read is rejected, once: predictions by INTAKE, labels by LEARN."""
        if name == PREDICTIONS.name:
            return self._read_predictions(partition, records)
        if VALUE_OF[name] is Verdict:
            return self._read_verdicts(name, partition, records, outbox)
        rows: list[Row] = []
        for record, values in self._values(VALUE_OF[name], records, outbox):
            rows += rows_of(name, values, Identity(self._ids[name], partition, record.offset()))
        return JsonInsert.of(rows) if rows else None

    def _read_predictions(self, partition: int, records: Sequence[Record]) -> Insert | None:
        readable = read_predictions(
            records,
            self._prefix,
            now_ms=0,
            future_ms_max=self._future_ms_max,
            bytes_max=self._prediction_bytes_max,
            limits=self._limits,
            schemas=self._schemas,
        )
        if not readable.events:
            return None
        identities = Identities(self._ids[PREDICTIONS.name], partition, readable.offsets, readable.indexes)
        return ColumnInsert(prediction_columns(readable.events, readable.times_ms, identities))

    def _read_verdicts(self, name: str, partition: int, records: Sequence[Record], outbox: Outbox) -> Insert | None:
        verdicts: list[Verdict] = []
        offsets: list[int] = []
        indexes: list[int] = []
        for record in records:
            places, values = self._verdicts_of(record, outbox)
            verdicts += values
            offsets += [record.offset()] * len(values)
            indexes += places
        if not verdicts:
            return None
        identities = Identities(self._ids[name], partition, offsets, indexes)
        return ColumnInsert(verdict_columns(verdicts, identities))

    def _verdicts_of(self, record: Record, outbox: Outbox) -> tuple[Sequence[int], list[Verdict]]:
        """The verdicts of a message and their places in it; a wrong element of an array is rejected alone."""
        data = record.value() or b""
        try:
            values = some_of(Verdict, data)
            return range(len(values)), values
        except MalformedError as error:
            if data[:1] != b"[":
                self._reject(record, error, outbox)
                return (), []
        try:
            apart = decoded_apart(data, decoder_of(Verdict).decode, self._limits.events_max)
        except MalformedError as error:
            self._reject(record, error, outbox)
            return (), []
        rejects = ElementRejects(record, JsonElements(apart.items), self._rejecter)
        for index, wrong in apart.wrong.items():
            rejects.refuse(index, wrong)
        for reject in rejects.rejects():
            self._send(reject, outbox)
        return tuple(apart.readable), list(apart.readable.values())

    def _values(
        self, value_type: type[W], records: Sequence[Record], outbox: Outbox
    ) -> Iterator[tuple[Record, list[W]]]:
        """What each message holds; a tombstone holds nothing, and is one where the topic is compact alone."""
        for record in records:
            data = record.value()
            if data is None and record.topic().removeprefix(self._prefix) in COMPACT:
                continue
            try:
                values = some_of(value_type, data or b"") if value_type is not Label else self._label(record)
            except MalformedError as error:
                if value_type is not Label:
                    self._reject(record, error, outbox)
            else:
                yield record, values

    def _label(self, record: Record) -> list[Any]:
        return [label_of(record, self._limits, self._future_ms_max)]

    def _settle(self, outbox: Outbox) -> None:
        """Wait for the insert under way, and try again where it failed."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return

        def write(table: str, insert: Insert) -> None:
            self._sum_up(under_way, outbox, until=int(insert.offsets[0]))
            self._warehouse.write(table, insert)

        def refuse(row: RefusedRow) -> None:
            if (row.offset, row.index) not in under_way.refused:
                under_way.refused.add((row.offset, row.index))
                self._refuse(under_way, row, outbox)

        again = functools.partial(store, write, under_way.table, under_way.insert, refuse)
        try:
            self._patiently(again, begun=functools.partial(again, begun=under_way.written.result))
        finally:
            self._sum_up(under_way, outbox)
        RECORD_ROWS.labels(under_way.table).inc(len(under_way.insert) - len(under_way.refused))

    def _refuse(self, under_way: UnderWay, row: RefusedRow, outbox: Outbox) -> None:
        """A Reject of a row; the hundredth of a message has one of its own, all behind it have one together.

        That one is told once the message is over, before rows of the next are stored.
        """
        record = next(record for record in under_way.records if record.offset() == row.offset)
        if record.topic() == self._prefix + REJECTS.name:
            log.error("a reject cannot be stored", **position_of(record), why=row.reason)
            return
        rejects = under_way.by_message.get(row.offset)
        if rejects is None:
            rejects = ElementRejects(record, elements_of(record, self._limits.events_max), self._rejecter)
            under_way.by_message[row.offset] = rejects
        self._send(rejects.refuse(row.index, MalformedError(f"ClickHouse: {row.reason}", "")), outbox)
        self._tell(outbox)

    def _sum_up(self, under_way: UnderWay, outbox: Outbox, until: int | None = None) -> None:
        """Tell of the rows without a Reject of their own of the messages before offset ``until``, which are over."""
        for offset in [offset for offset in under_way.by_message if until is None or offset < until]:
            for reject in under_way.by_message.pop(offset).others():
                self._send(reject, outbox)
        self._tell(outbox)

    @property
    def _rejecter(self) -> Rejecter:
        return Rejecter(self._prefix, "record", int(self._clock() * 1000))

    def _reject(self, record: Record, error: MalformedError, outbox: Outbox) -> None:
        """Send a Reject of a message that is not stored; of one that is a Reject itself, a line in the log."""
        if record.topic() == self._prefix + REJECTS.name:
            log.error("a reject cannot be stored", **position_of(record), why=error.reason)
            return
        self._send(reject_of(record, error, self._rejecter), outbox)

    def _send(self, reject: Reject | None, outbox: Outbox) -> None:
        if reject is not None:
            outbox.send(REJECTS, reject.source_key, reject)
            self._untold = True

    def _tell(self, outbox: Outbox) -> None:
        """See that rejects arrive before rows behind them are stored: what is stored is not read again."""
        if self._untold:
            outbox.flush()
            self._untold = False

    def _wait(self, seconds: float) -> bool:
        """While partitions are assigned the consumer may not be asked for anything: just wait."""
        return not self._stop.wait(seconds)

    def _patiently(
        self, call: Callable[[], T], pause: Callable[[float], bool] | None = None, begun: Callable[[], T] | None = None
    ) -> T:
        """Call until ClickHouse answers; raises HandBack where the batch should be handed back instead.

        ``begun`` is a first call that is under way already, and gives its result.
        """
        wait_seconds, attempt = BACK_OFF_SECONDS_MIN, begun or call
        while True:
            try:
                answer = attempt()
            except WarehouseError as error:
                RECORD_FAILURES.inc()
                log.warning("ClickHouse did not take a batch, trying again", wait_seconds=wait_seconds, why=str(error))
            else:
                if wait_seconds > BACK_OFF_SECONDS_MIN:
                    log.info("ClickHouse takes batches again")
                return answer
            if not (pause or self.pause)(wait_seconds * self._jitter.uniform(0.5, 1.0)):
                raise HandBack
            wait_seconds, attempt = min(BACK_OFF_SECONDS_MAX, wait_seconds * 2), call


def some_of(value_type: type[W], data: bytes) -> list[W]:
    """The values of a message, none of an empty array where values come in arrays; raises MalformedError."""
    values = decode_one_or_many(value_type, data)
    if not values and value_type is not Verdict:
        raise MalformedError("an empty array; expected an object")
    return values


def _runs_of(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), RUN_MESSAGES_MAX):
        for some, _ in split_by_bytes(records[start : start + RUN_MESSAGES_MAX], RUN_BYTES_MAX):
            yield some
