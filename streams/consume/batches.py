"""Batches of a consumer group, handled one at a time in the thread that fetches them.

``GroupBatches`` commits offsets after the handler has returned. A crash before that hands the batch out again, so it
suits roles that are idempotent by id. ``streams.consume.transactions`` has the exactly-once kind.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Protocol, TypeVar, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.topics import Topic
from streams.client_config import common_client_config
from streams.consume.fetch_sizes import FETCH_SECONDS_MAX, FetchSizes
from streams.consume.unreadable_batch import UNPACKING_ERRORS, UnreadableBatch, end_of_batch
from streams.offsets import committed
from streams.produce.outbox import Outbox, Sending
from streams.records import Partition, Record, start_of
from streams.settings import KafkaSettings

__all__ = [
    "AssignedPartition",
    "BatchSettings",
    "Batches",
    "GroupBatches",
    "HandBack",
    "Handler",
    "OutboxT_contra",
]

log = structlog.get_logger(__name__)

OutboxT_contra = TypeVar("OutboxT_contra", bound=Sending, contravariant=True)
HEARTBEAT_MS_MAX = 500
"""A rebalance waits for the next heartbeat of every member."""
WAIT_SECONDS_MIN = 0.001
"""The client counts in whole milliseconds and does not wait at all for less."""


@dataclasses.dataclass(frozen=True, slots=True)
class BatchSettings:
    """How much one batch holds: at most ``events_max`` messages and about ``bytes_max`` bytes. More stays in Kafka.

    A batch is handed out when it is full or after ``wait_seconds``. With ``gather_seconds`` set, ``wait_seconds``
    bounds the wait for the first message only, and ``gather_seconds`` the wait for further ones.

    Bytes are those of the messages' values. One message is taken however large it is, and a batch may exceed
    ``bytes_max`` where messages suddenly become larger: ``streams.consume.fetch_sizes`` says by how much.
    ``transaction_bytes_max`` bounds the messages of one transaction; the rest of the batch goes into the next one.
    """

    events_max: int = 10_000
    bytes_max: int = 16 * 1024 * 1024
    wait_seconds: float = 0.05
    gather_seconds: float | None = None
    transaction_bytes_max: int = 16 * 1024 * 1024
    fetch_kbytes_max: int = 65_536


@dataclasses.dataclass(frozen=True, slots=True)
class AssignedPartition:
    """A partition that this consumer was given: its topic without prefix, and the offset that the group has committed.

    ``committed`` is None if the group has committed nothing there yet.
    """

    topic: str
    number: int
    committed: int | None


class HandBack(Exception):  # noqa: N818 - not a failure: the handler asks for the batch to be handed out again
    """Raised by a handler that cannot or must no longer finish its batch: the batch is handed out again.

    ``on_assign`` raises it when the role must stop before it knows where to begin: no partition is taken then.
    """


class Handler(Protocol[OutboxT_contra]):
    """What a role does with a batch. When this returns, the consumer counts the batch as handled."""

    def __call__(self, records: Sequence[Record], outbox: OutboxT_contra) -> Sequence[Record] | None:
        """Handle one batch; return the messages that were not handled, which are handed out again.

        If a message is returned, all later ones of its partition are too. At least one message of the batch is handled.
        """


def consumer_config(settings: KafkaSettings, group: str, batch: BatchSettings) -> dict[str, object]:
    """The librdkafka configuration of every group consumer of watchloop."""
    return {
        **common_client_config(settings),
        "group.id": settings.prefix + group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 10,
        "queued.max.messages.kbytes": batch.fetch_kbytes_max,
        "heartbeat.interval.ms": min(HEARTBEAT_MS_MAX, settings.session_seconds * 1000 // 3),
        "session.timeout.ms": settings.session_seconds * 1000,
        "max.poll.interval.ms": 600_000,
        "partition.assignment.strategy": "range",
    }


class Batches:
    """Fetching batches and following rebalances, for both kinds of consumer.

    ``on_assign`` is called with the partitions that were assigned and returns the offsets at which some of them begin,
    by topic without prefix; the others begin where the group has committed. ``clock`` returns seconds.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        topics: Iterable[Topic],
        batch: BatchSettings | None = None,
        on_assign: Callable[[list[AssignedPartition]], dict[Partition, int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._batch = batch or BatchSettings()
        self._kafka = settings
        self._prefix = settings.prefix
        self._topics = [settings.prefix + topic.name for topic in topics]
        self._on_assign = on_assign
        self._consumer = Consumer(consumer_config(settings, group, self._batch))
        self._sizes = FetchSizes(self._batch.events_max, self._batch.bytes_max)
        self._unreadable: dict[Partition, UnreadableBatch] = {}
        """The unreadable batch at which each partition is stuck. It is handed out and skipped by the next ``_take``."""
        self._full = False
        """Whether the latest batch was full, so that more may be waiting."""
        self._closing = False
        self._owned: set[Partition] = set()
        self._starts: dict[Partition, int] = {}
        self.generation = 0
        """Grows whenever partitions are revoked: another member may own the messages that were taken before."""

    def _subscribe(self) -> None:
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def _close(self) -> None:
        """Leave the group. An assignment that arrives during the close is ignored."""
        self._closing = True
        self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._closing:
            return
        self._owned, self._starts = {(p.topic, p.partition) for p in partitions}, {}
        stands = {(p.topic, p.partition): p.offset for p in committed(consumer, partitions)}
        starts: dict[Partition, int] = {}
        if self._on_assign is not None:
            given = [
                AssignedPartition(topic.removeprefix(self._prefix), partition, offset if offset >= 0 else None)
                for (topic, partition), offset in stands.items()
            ]
            try:
                starts = self._on_assign(given)
            except HandBack:
                self._owned = set()
                consumer.assign([])
                return
        for partition in partitions:
            # The client must not look up the offset itself: if the coordinator has moved meanwhile, it never reads the
            # partition (librdkafka's issue 5586).
            short = (partition.topic.removeprefix(self._prefix), partition.partition)
            partition.offset = start_of(starts.get(short, stands[partition.topic, partition.partition]))
            if short in starts:
                self._starts[partition.topic, partition.partition] = partition.offset
        consumer.assign(partitions)
        # A partition that was revoked while paused (``wait_paused``) is assigned paused, and would stay unread.
        consumer.resume(partitions)
        log.info("partitions assigned", partitions=[f"{p.topic}/{p.partition}" for p in partitions])

    def _revoked(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._owned = set()
        self._unreadable = {}
        self.generation += 1

    def _take(self) -> list[Record]:
        """The next batch: complete when it is full or its time is over. Errors are logged and left out.

        A rebalance runs inside ``consume``, and the same call can return messages from before it. If one has happened,
        the batch is dropped and left to the members that own the partitions now.
        """
        if self._unreadable:
            return self._pass_over()
        taken: list[Record] = []
        generation, gather_seconds = self.generation, self._batch.gather_seconds
        end = self._clock() + self._batch.wait_seconds
        fetch_size, wait_seconds = self._sizes.first(), self._batch.wait_seconds
        while True:
            is_first = gather_seconds is not None and not taken
            messages = self._consume(1 if is_first else fetch_size, min(wait_seconds, FETCH_SECONDS_MAX))
            if gather_seconds is not None and is_first and messages:
                end = self._clock() + gather_seconds
            taken += messages
            if generation != self.generation:
                self._begin_anew({(message.topic(), message.partition()) for message in taken})
                return []
            if self._unreadable:
                return taken
            fetch_size, wait_seconds = self._sizes.next(messages), end - self._clock()
            if fetch_size == 0 or wait_seconds < WAIT_SECONDS_MIN:
                self._full = fetch_size == 0
                return taken

    def _consume(self, count: int, wait_seconds: float) -> list[Record]:
        messages: list[Record] = []
        for message in self._consumer.consume(count, wait_seconds):
            error = message.error()
            if error is None:
                messages.append(cast(Record, message))
            elif error.code() in UNPACKING_ERRORS:
                self._note_unreadable(message, error)
            elif error.code() != KafkaError._PARTITION_EOF:
                log.warning("consume", error=error.str())
        return messages

    def _note_unreadable(self, message: Message, error: KafkaError) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None or offset < 0 or (topic, partition) in self._unreadable:
            return
        log.error("a batch cannot be unpacked and is passed over", topic=topic, partition=partition, offset=offset)
        end = end_of_batch(self._kafka, topic, partition, offset)
        self._unreadable[topic, partition] = UnreadableBatch(topic, partition, offset, end, error.str())

    def _pass_over(self) -> list[Record]:
        """Go on behind the unreadable batches; each of them is handed out as one record."""
        unreadable, self._unreadable = self._unreadable, {}
        for partition, batch in unreadable.items():
            self._seek(partition, batch.end)
        return list(unreadable.values())

    @staticmethod
    def _handled(messages: Sequence[Record], left: Sequence[Record]) -> Sequence[Record]:
        """The messages of a batch without those that the handler left."""
        unhandled = {(message.topic(), message.partition(), message.offset()) for message in left}
        return [
            message for message in messages if (message.topic(), message.partition(), message.offset()) not in unhandled
        ]

    @staticmethod
    def _next_offsets(messages: Sequence[Record]) -> list[TopicPartition]:
        ends: dict[Partition, int] = {}
        for message in messages:
            ends[message.topic(), message.partition()] = message.offset() + 1
        return [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]

    def _rewind(self, messages: Sequence[Record]) -> None:
        """Hand messages out again. An unreadable batch behind them will be met again, so it is forgotten here."""
        self._unreadable = {}
        firsts: dict[Partition, int] = {}
        for message in messages:
            firsts.setdefault((message.topic(), message.partition()), message.offset())
        for partition, first in firsts.items():
            self._seek(partition, first)

    def _begin_anew(self, read: Set[Partition]) -> None:
        """After a rebalance, hand out again the messages of our partitions that were ``read`` around it.

        They begin where the assignment asked to begin, else at the committed offset: another member may have handled a
        message from before the rebalance since.
        """
        self._unreadable = {}
        unknown = [TopicPartition(*partition) for partition in sorted((read & self._owned) - self._starts.keys())]
        for stand in committed(self._consumer, unknown):
            self._starts[stand.topic, stand.partition] = start_of(stand.offset)
        for partition in read & self._owned:
            self._seek(partition, self._starts[partition])

    def _seek(self, partition: Partition, offset: int) -> None:
        if partition not in self._owned:
            return
        try:
            self._consumer.seek(TopicPartition(*partition, offset))
        except KafkaException as error:
            # Assigned anew in the same call and not fetched yet: it begins at the right offset anyway.
            log.info("partition not rewound", partition=f"{partition[0]}/{partition[1]}", error=error.args[0].str())


class GroupBatches(Batches):
    """Consume and handle a batch, then flush the outbox and commit: at least once, for roles that are idempotent by id.

    The keyword arguments are those of ``Batches``.
    """

    def __init__(self, settings: KafkaSettings, *, group: str, handle: Handler[Outbox], **kwargs: object) -> None:
        super().__init__(settings, group=group, **kwargs)  # type: ignore[arg-type]
        self._handle = handle
        self._outbox = Outbox(settings)

    def run(self, stop: threading.Event) -> None:
        """Run until ``stop`` is set. An idle round calls the handler without records, so that it can act on time."""
        self._subscribe()
        try:
            while not stop.is_set():
                messages = self._take()
                generation = self.generation
                try:
                    left = self._handle(messages, self._outbox)
                except HandBack:
                    # After a rebalance the new owner of the partition begins where its assignment says.
                    if generation == self.generation:
                        self._rewind(messages)
                    continue
                self._outbox.flush()
                if messages:
                    self._commit(self._handled(messages, left) if left else messages)
                if left and generation == self.generation:
                    self._rewind(left)
        finally:
            self._close()

    def wait_paused(self, stop: threading.Event, seconds: float) -> bool:
        """Stay a member of the group for so many seconds without fetching, for a handler that waits for something else.

        Returns False if the batch no longer belongs to this worker, or the worker must stop.
        """
        generation = self.generation
        self._consumer.pause(self._consumer.assignment())
        try:
            stopping = stop.wait(seconds)
            self._look()
        finally:
            self._consumer.resume(self._consumer.assignment())
        return not stopping and generation == self.generation

    def _look(self) -> None:
        """Let a rebalance happen. A message that arrives with it is put back, to be fetched later."""
        message = self._consumer.poll(0)
        if message is not None and message.error() is None:
            record = cast(Record, message)
            self._consumer.seek(TopicPartition(record.topic(), record.partition(), record.offset()))

    def _commit(self, messages: Sequence[Record]) -> None:
        try:
            self._consumer.commit(offsets=self._next_offsets(messages), asynchronous=False)
        except KafkaException as error:
            log.warning(
                "offsets not committed; after a restart or a rebalance the batch is handed out again",
                error=error.args[0].str(),
            )
