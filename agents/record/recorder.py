"""Batches of messages of all topics that are kept: ClickHouse gets each row once, with the identity of its message."""

from __future__ import annotations

import dataclasses
import functools
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import structlog

from agents.record.message_rows import MessageRows, ReadingRules, Refusals, SourcePartition
from agents.shared.metrics import RECORD_FAILURES, RECORD_ROWS
from schemas.json_text.errors import MalformedError
from streams.admin.topic_watch import check_same
from streams.consume.batches import AssignedPartition, BatchSettings, HandBack
from streams.errors import KafkaUnreachable
from streams.produce.outbox import Outbox
from streams.produce.rejects import ElementRejects
from streams.records import Partition, Record, split_by_bytes
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.store.inserts import Insert, RefusedRow, pack_inserts, store
from warehouse.store.tables import table_of

__all__ = ["BATCH", "Recorder"]

T = TypeVar("T")

log = structlog.get_logger(__name__)

BACK_OFF_SECONDS_MAX = 30.0
BACK_OFF_SECONDS_MIN = 0.2

BATCH = BatchSettings(events_max=100_000, bytes_max=64 * 1024 * 1024, wait_seconds=1.0)
"""Live messages are stored after a second; a backlog in large inserts, so that ClickHouse has less to merge."""

RUN_MESSAGES_MAX = 2_000
RUN_BYTES_MAX = 1024 * 1024
"""Messages read at once: so few that their values are still in the processor's cache when the columns are made."""


@dataclasses.dataclass(frozen=True, slots=True)
class UnderWay:
    """An insert that a thread is busy with, and the messages its rows came from."""

    table: str
    insert: Insert
    records: Sequence[Record]
    written: Future[None]
    refused: set[tuple[int, int]] = dataclasses.field(default_factory=set)
    """Offset and index of the rows that ClickHouse refused and whose Rejects are made."""
    by_message: dict[int, ElementRejects] = dataclasses.field(default_factory=dict)
    """The makers of these Rejects by the offset of their message, until all rows of it are stored or refused."""


class Recorder:
    """Stores batches of messages. One thread calls ``handle``, which returns once all rows are stored or rejected.

    After an assignment each partition goes on behind the highest identity that ClickHouse holds, so that a batch that
    was stored but not committed is not stored again. An insert's deduplication token is made of the same identities.

    While one insert is under way the next one is made ready. While ClickHouse does not answer, the batch waits
    (``pause``), with back-off and jitter, and no other is read. Where a topic was deleted and created anew,
    TopicReplaced ends the worker, before the new topic's messages are taken for rows that are stored. ``topic_ids``
    asks for Kafka's ids of the topics by name.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        rules: ReadingRules,
        *,
        topic_ids: Callable[[], dict[str, str]],
        stop: threading.Event,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._warehouse = warehouse
        self._prefix = rules.prefix
        self._topic_ids = topic_ids
        self._stop = stop
        self._refusals = Refusals(rules, clock)
        self._rows = MessageRows(rules, self._refusals)
        self._ids: dict[str, str] = {}
        self._stored: dict[Partition, tuple[int, int]] = {}
        self._inserter = ThreadPoolExecutor(1, thread_name_prefix="record insert")
        self._under_way: UnderWay | None = None
        self._jitter = random.Random()  # noqa: S311  # spreads retries, guards nothing
        self.pause: Callable[[float], bool] = lambda seconds: not self._stop.wait(seconds)
        """Waits some seconds without losing the group; returns False where the batch is no longer ours."""

    def assigned(self, partitions: list[AssignedPartition]) -> dict[Partition, int]:
        """Returns the offset of each partition's newest stored message: some of its rows may be missing."""
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
        """Store or reject a batch, partition by partition, each in order. Raises HandBack or TopicReplaced."""
        if records:
            self._check_topics()
        by_partition: dict[Partition, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.topic(), record.partition()].append(record)
        for (topic, partition), taken in by_partition.items():
            self._store(topic.removeprefix(self._prefix), partition, taken, outbox)
        self._settle(outbox)

    def _check_topics(self) -> None:
        """Raise TopicReplaced where the messages in hand may be of other topics than at the assignment."""
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
            self._refusals.flush(outbox)
            written = self._inserter.submit(self._warehouse.write, table, insert)
            self._under_way = UnderWay(table, insert, records, written)

    def _runs(self, name: str, partition: int, records: Sequence[Record], outbox: Outbox) -> Iterator[Insert]:
        """The rows of some messages at a time, without those that are stored already."""
        last = self._stored.get((name, partition), (-1, -1))
        source = SourcePartition(name, self._ids[name], partition)
        for some in _runs_of(records):
            run = self._rows.read(source, some, outbox)
            if run is not None and int(run.offsets[0]) <= last[0]:
                run = self._unstored(name, partition, run, last)
            if run is not None:
                yield run

    def _unstored(self, name: str, partition: int, run: Insert, last: tuple[int, int]) -> Insert | None:
        """The rows of a run that are not stored; None where all are. ``last`` is the newest row that is stored.

        Rows of the same message before ``last`` that are missing were refused. Whether the Reject that sums up many of
        them was sent before the worker ended is unknown. So they are inserted once more, and their Rejects sent again.
        """
        offset, index = last
        identities = list(zip(map(int, run.offsets), map(int, run.indexes), strict=True))
        stored = {index}
        if any(identity < last and identity[0] == offset for identity in identities):
            stored = self._patiently(
                lambda: self._warehouse.stored_indexes(table_of(name), self._ids[name], partition, offset)
            )
        return run.chosen([row > last or (row[0] == offset and row[1] not in stored) for row in identities])

    def _settle(self, outbox: Outbox) -> None:
        """Wait for the insert under way, and repeat it where it failed."""
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
        """Send the Reject of a row that ClickHouse refused.

        The first hundred rows of a message have a Reject each; all others have one together, which is sent once the
        message is over, before rows of the next are stored.
        """
        record = next(record for record in under_way.records if record.offset() == row.offset)
        if self._refusals.is_reject(record, row.reason):
            return
        rejects = under_way.by_message.get(row.offset)
        if rejects is None:
            rejects = under_way.by_message[row.offset] = self._refusals.of_elements(record)
        self._refusals.send(rejects.refuse(row.index, MalformedError(f"ClickHouse: {row.reason}", "")), outbox)
        self._refusals.flush(outbox)

    def _sum_up(self, under_way: UnderWay, outbox: Outbox, until: int | None = None) -> None:
        """Send the Rejects that sum up messages, of all messages or of those before the offset ``until``."""
        for offset in [offset for offset in under_way.by_message if until is None or offset < until]:
            for reject in under_way.by_message.pop(offset).others():
                self._refusals.send(reject, outbox)
        self._refusals.flush(outbox)

    def _wait(self, seconds: float) -> bool:
        """Wait without the consumer, which must not be used while partitions are assigned."""
        return not self._stop.wait(seconds)

    def _patiently(
        self, call: Callable[[], T], pause: Callable[[float], bool] | None = None, begun: Callable[[], T] | None = None
    ) -> T:
        """Call until ClickHouse answers. Raises HandBack where the batch has to be handed back before that.

        ``begun`` returns the result of a first call that is under way already.
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


def _runs_of(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), RUN_MESSAGES_MAX):
        for some, _ in split_by_bytes(records[start : start + RUN_MESSAGES_MAX], RUN_BYTES_MAX):
            yield some
