"""Batches of a consumer group, handled one at a time in the thread that asks for them.

Two kinds: ``TransactionalBatches`` writes outputs and offsets in one Kafka transaction (INTAKE); ``GroupBatches``
commits offsets once the handler has returned, so that a crash hands the batch out again (roles that are idempotent by
id).
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Protocol, cast

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from schemas.topics import Topic
from streams.clients import common_client_config
from streams.errors import SlotTaken
from streams.outbox import Outbox, producer_config
from streams.pace import Pace
from streams.records import Record
from streams.settings import KafkaSettings

__all__ = ["BatchSettings", "GroupBatches", "HandBack", "Handler", "Place", "TransactionalBatches"]

log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT_SECONDS = 10
HANDLE_SHARE = 0.25
"""Of that time is for handling a batch: Kafka fences whoever commits after it, and would again the next time."""
DELIVERY_SHARE = 0.6
"""Of that time a message may take to arrive; a transaction that failed by then can still be ended by who began it."""
TRANSACTION_LINGER_MS = 15
ANSWER_SECONDS_MAX = 30.0
STEP_SECONDS_MAX = 5.0
"""How long one step of a transaction is waited for before it is asked for again, or given up for a stop."""
HEARTBEAT_MS_MAX = 500
"""A rebalance waits for every member's next heartbeat."""
FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


@dataclasses.dataclass(frozen=True, slots=True)
class BatchSettings:
    """How much is taken at once: at most ``events_max`` messages, waiting at most ``wait_seconds`` for the first."""

    events_max: int = 10_000
    wait_seconds: float = 0.05
    fetch_kbytes_max: int = 65_536


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A partition of a topic (short name), and what the group had committed there (None: nothing yet)."""

    topic: str
    partition: int
    committed: int | None


class HandBack(Exception):  # noqa: N818 - not a failure: the handler asks for the batch to be handed out again
    """Raised by a handler that cannot finish a batch now, or must not any more; where partitions are assigned, by who
    is to stop before it knows where to begin.
    """


class Handler(Protocol):
    """What a role does with a batch; it has left the consumer's hands when this returns."""

    def __call__(self, records: Sequence[Record], outbox: Outbox) -> None:
        """Handle one batch."""


def consumer_config(settings: KafkaSettings, group: str, batch: BatchSettings) -> dict[str, object]:
    """What every group consumer of watchloop has in common."""
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


class _Batches:
    """The consuming half that both kinds share."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        topics: Iterable[Topic],
        handle: Handler,
        batch: BatchSettings | None = None,
        on_assign: Callable[[list[Place]], dict[tuple[str, int], int]] | None = None,
    ) -> None:
        self._batch = batch or BatchSettings()
        self._prefix = settings.prefix
        self._topics = [settings.prefix + topic.name for topic in topics]
        self._handle = handle
        self._on_assign = on_assign
        self._consumer = Consumer(consumer_config(settings, group, self._batch))
        self._owned: set[tuple[str, int]] = set()
        self._starts: dict[tuple[str, int], int] = {}
        self.generation = 0
        """Grows whenever partitions are taken away: what was in hand before may belong to somebody else now."""

    def _subscribe(self) -> None:
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._owned, self._starts = {(p.topic, p.partition) for p in partitions}, {}
        if self._on_assign is not None:
            places = [
                Place(p.topic.removeprefix(self._prefix), p.partition, p.offset if p.offset >= 0 else None)
                for p in consumer.committed(partitions, timeout=ANSWER_SECONDS_MAX)
            ]
            try:
                starts = self._on_assign(places)
            except HandBack:
                self._owned = set()
                consumer.assign([])
                return
            for partition in partitions:
                start = starts.get((partition.topic.removeprefix(self._prefix), partition.partition))
                if start is not None:
                    partition.offset = start if start > 0 else OFFSET_BEGINNING
                    self._starts[partition.topic, partition.partition] = partition.offset
        consumer.assign(partitions)
        log.info("partitions assigned", partitions=[f"{p.topic}/{p.partition}" for p in partitions])

    def _revoked(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._owned = set()
        self.generation += 1

    def _take(self) -> list[Record]:
        """The next messages; errors are logged and left out.

        A rebalance runs inside ``consume``, and what that call returns can hold messages from before it: all of it is
        left to whoever owns the partition now.
        """
        taken: list[Record] = []
        generation = self.generation
        for message in self._consumer.consume(self._events_max(), self._batch.wait_seconds):
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    log.warning("consume", error=error.str())
            else:
                taken.append(cast(Record, message))
        if generation != self.generation:
            self._begin_anew({(message.topic(), message.partition()) for message in taken})
            return []
        return taken

    def _events_max(self) -> int:
        """How many messages to take next."""
        return self._batch.events_max

    @staticmethod
    def _next_offsets(messages: Sequence[Record]) -> list[TopicPartition]:
        ends: dict[tuple[str, int], int] = {}
        for message in messages:
            ends[message.topic(), message.partition()] = message.offset() + 1
        return [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]

    def _rewind(self, messages: Sequence[Record]) -> None:
        """Hand messages out again."""
        firsts: dict[tuple[str, int], int] = {}
        for message in messages:
            firsts.setdefault((message.topic(), message.partition()), message.offset())
        for place, first in firsts.items():
            self._seek(place, first)

    def _begin_anew(self, read: Set[tuple[str, int]]) -> None:
        """Of partitions that a rebalance left to us, hand out again what was ``read`` of them around it.

        From where the assignment asked to begin, else from where the group stands: a message from before the rebalance
        may have been done by somebody else since.
        """
        unknown = [TopicPartition(*place) for place in sorted((read & self._owned) - self._starts.keys())]
        for found in self._consumer.committed(unknown, timeout=ANSWER_SECONDS_MAX) if unknown else ():
            self._starts[found.topic, found.partition] = found.offset if found.offset >= 0 else OFFSET_BEGINNING
        for place in read & self._owned:
            self._seek(place, self._starts[place])

    def _seek(self, place: tuple[str, int], offset: int) -> None:
        if place not in self._owned:
            return
        try:
            self._consumer.seek(TopicPartition(*place, offset))
        except KafkaException as error:
            # Assigned anew in this very call and not fetched yet: it begins where it should anyway.
            log.info("partition not rewound", partition=f"{place[0]}/{place[1]}", error=error.args[0].str())


class TransactionalBatches(_Batches):
    """Consume, handle, and commit outputs with offsets in one transaction (KIP-98, KIP-447).

    ``slot`` names this worker among those of its role: a restarted worker with the same slot fences its predecessor. An
    abortable failure calls ``undo``, so that the handler forgets the batch, and hands it out again. While a transaction
    commits, the next batch is already taken, but not handled: one transaction is open at a time.
    """

    def __init__(
        self, settings: KafkaSettings, *, group: str, slot: str, undo: Callable[[], None], **kwargs: object
    ) -> None:
        super().__init__(settings, group=group, **kwargs)  # type: ignore[arg-type]
        self._slot = slot
        self._undo = undo
        self._producer = Producer(
            {
                **producer_config(settings),
                "transactional.id": f"{settings.prefix}{group}/{slot}",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_SECONDS * 1000,
                "message.timeout.ms": int(TRANSACTION_TIMEOUT_SECONDS * 1000 * DELIVERY_SHARE),
                # Long enough to save requests, short enough that little is left to be sent when the commit begins.
                "linger.ms": TRANSACTION_LINGER_MS,
            }
        )
        self._outbox = Outbox(settings, self._producer)
        self._committer = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix=f"{group} commit")
        self._commit_under_way: concurrent.futures.Future[None] | None = None
        self._in_hand: Sequence[Record] = ()
        self._member: object = None
        self._stop = threading.Event()
        self._pace = Pace(self._batch.events_max, TRANSACTION_TIMEOUT_SECONDS * HANDLE_SHARE)

    def _events_max(self) -> int:
        return self._pace.events

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set. Raises SlotTaken if another worker has the same slot, or this one was out for long."""
        self._stop = stop
        try:
            self._until_done("the transactional id", lambda: self._producer.init_transactions(STEP_SECONDS_MAX))
            self._subscribe()
            while not stop.is_set():
                messages = self._take()
                if not self._settled():
                    self._hand_back(messages)
                elif messages:
                    self._one_transaction(messages)
            self._settled()
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() in FENCED:
                raise SlotTaken(
                    f"another worker took over slot {self._slot!r}, or this one did not answer for "
                    f"{TRANSACTION_TIMEOUT_SECONDS} s; give each worker of a role its own --slot"
                ) from error
            if not (stop.is_set() and cause.retriable()):
                raise
            log.warning("stopped while Kafka does not answer; what is in hand comes again", error=cause.str())
        finally:
            self._committer.shutdown()
            self._consumer.close()

    def _one_transaction(self, messages: Sequence[Record]) -> None:
        """Handle a batch and begin to commit it; the next one is taken meanwhile, and handled after ``_settled``."""
        self._producer.begin_transaction()
        self._in_hand = messages
        begin = time.monotonic()
        try:
            self._handle(messages, self._outbox)
        except KafkaException as error:
            self._abort(error)
            return
        finally:
            self._pace.took(len(messages), time.monotonic() - begin)
        self._commit_under_way = self._committer.submit(self._commit, self._next_offsets(messages), self._member)

    def _commit(self, offsets: list[TopicPartition], member: object) -> None:
        self._until_done(
            "offsets", lambda: self._producer.send_offsets_to_transaction(offsets, member, STEP_SECONDS_MAX)
        )
        self._until_done("a commit", lambda: self._producer.commit_transaction(STEP_SECONDS_MAX))

    def _until_done(self, what: str, call: Callable[[], None]) -> None:
        """Ask again as long as that may help (a broker that is away, a coordinator that moves) and nobody stops us."""
        while True:
            try:
                call()
            except KafkaException as error:
                if not error.args[0].retriable() or self._stop.is_set():
                    raise
                log.warning("Kafka is slow, asking again", what=what, error=error.args[0].str())
            else:
                return

    def _settled(self) -> bool:
        """Wait for the commit under way; False where it failed, so that its batch and all after it come again."""
        under_way, self._commit_under_way = self._commit_under_way, None
        if under_way is None:
            return True
        try:
            under_way.result()
        except KafkaException as error:
            self._abort(error)
            return False
        return True

    def _abort(self, error: KafkaException) -> None:
        """End the transaction in hand and hand its batch out again; raises what cannot be put right."""
        cause = error.args[0]
        # A transaction that has failed already takes no more messages, and that error does not ask for its end.
        if not cause.txn_requires_abort() and cause.code() != KafkaError._STATE:
            raise error
        log.warning("transaction aborted, trying the batch again", error=cause.str())
        self._until_done("the end of a failed transaction", lambda: self._producer.abort_transaction(STEP_SECONDS_MAX))
        self._undo()
        self._rewind(self._in_hand)

    def _hand_back(self, messages: Sequence[Record]) -> None:
        """Messages taken while a commit failed: behind its batch, so a partition of both stays where that begins."""
        earlier = {(message.topic(), message.partition()) for message in self._in_hand}
        self._rewind([m for m in messages if (m.topic(), m.partition()) not in earlier])

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Offsets are committed as the member that was given the partitions: Kafka refuses them once it is not."""
        super()._assigned(consumer, partitions)
        self._member = consumer.consumer_group_metadata()

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Whoever owns the partitions next must find what is being committed, or find it open."""
        super()._revoked(consumer, partitions)
        self._settled()


class GroupBatches(_Batches):
    """Consume and handle, then flush the outbox and commit: at least once, for roles that are idempotent by id."""

    def __init__(self, settings: KafkaSettings, *, group: str, **kwargs: object) -> None:
        super().__init__(settings, group=group, **kwargs)  # type: ignore[arg-type]
        self._outbox = Outbox(settings)

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set; an idle round calls the handler with no records, so that it can keep time."""
        self._subscribe()
        try:
            while not stop.is_set():
                messages = self._take()
                generation = self.generation
                try:
                    self._handle(messages, self._outbox)
                except HandBack:
                    # After a rebalance whoever owns the partition now begins where its assignment said.
                    if generation == self.generation:
                        self._rewind(messages)
                    continue
                self._outbox.flush()
                if messages:
                    self._commit(messages)
        finally:
            self._consumer.close()

    def wait_paused(self, stop: threading.Event, seconds: float) -> bool:
        """Stay a member of the group without taking more, for a handler that waits for something else.

        False where the batch in hand is not this worker's any more, or the worker is to stop.
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
        """Let a rebalance happen; a message of a partition that came with it is not ours to take yet."""
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
