"""Batches whose outputs and offsets are written in one Kafka transaction: exactly once, whatever dies."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams.consume.batches import Batches, Handler
from streams.errors import SlotTaken
from streams.offsets import committed
from streams.produce.commit import TRANSACTION_STEP_SECONDS_MAX, Commit, CommitHung, Committer, until_done
from streams.produce.outbox import HeldOutbox, Sending, producer_config
from streams.records import Record, start_of, stretches
from streams.settings import KafkaSettings

__all__ = ["TransactionalBatches"]

log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT_SECONDS = 10
DELIVERY_SHARE = 0.6
"""Of that time a message may take to arrive; a transaction that failed by then can still be ended by who began it."""
TRANSACTION_LINGER_MS = 2
RETRY_MS_MIN = 10
"""A coordinator that still writes the end of the transaction before asks to be asked again: the client's usual 100 ms
would be ten times what it takes."""
FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


class TransactionalBatches(Batches):
    """Consume, handle, and commit outputs with offsets in one transaction (KIP-98, KIP-447).

    ``slot`` names this worker among those of its role: a restarted worker with the same slot fences its predecessor.
    While there is more to take than a batch holds, the next one is taken and handled while a transaction commits, in a
    thread of its own, its outputs held back in memory: at most two batches are in hand, and one transaction is open at
    a time. ``committed`` tells the handler that its oldest batch is committed, ``undo`` that all batches after that one
    are to be forgotten: an abortable failure hands them out again.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        slot: str,
        handle: Handler[Sending],
        undo: Callable[[], None],
        committed: Callable[[], None] = lambda: None,
        **kwargs: object,
    ) -> None:
        super().__init__(settings, group=group, **kwargs)  # type: ignore[arg-type]
        self._slot, self._group = slot, group
        self._handle = handle
        self._undo = undo
        self._committed = committed
        self._settings = settings
        self._producer = self._new_producer()
        self._committer = Committer(f"{group} commit")
        self._under_way: Commit | None = None
        self._in_hand: Sequence[Record] = ()
        self._member: object = None
        self._stop = threading.Event()

    def _new_producer(self) -> Producer:
        return Producer(
            {
                **producer_config(self._settings),
                "transactional.id": f"{self._settings.prefix}{self._group}/{self._slot}",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_SECONDS * 1000,
                "message.timeout.ms": int(TRANSACTION_TIMEOUT_SECONDS * 1000 * DELIVERY_SHARE),
                "linger.ms": TRANSACTION_LINGER_MS,
                "retry.backoff.ms": RETRY_MS_MIN,
            }
        )

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set. Raises SlotTaken if another worker has the same slot, or this one was out for long."""
        self._stop = stop
        try:
            self._begin()
            self._subscribe()
            while not stop.is_set():
                self._handle_all(self._take())
            self._settled(())
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
            if self._under_way is not None:
                # The first error is the one to tell; what was not committed comes again.
                with contextlib.suppress(KafkaException, CommitHung):
                    self._under_way.wait()
            self._committer.close()
            self._close()

    def _begin(self) -> None:
        """Take the transactional id: whoever had it before is fenced, and what it had begun is ended."""
        until_done(
            "the transactional id", lambda: self._producer.init_transactions(TRANSACTION_STEP_SECONDS_MAX), self._stop
        )

    def _handle_all(self, messages: Sequence[Record]) -> None:
        """Handle what was taken, a transaction for each so many bytes."""
        start = 0
        for batch, _ in stretches(messages, self._batch.transaction_bytes_max):
            if not self._handle_batch(batch, messages[start:]):
                self._full = True
                return
            start += len(batch)
        if not self._full:
            # Nothing more waits to be taken, and more and smaller transactions would only keep the broker busy.
            self._settled(())

    def _handle_batch(self, messages: Sequence[Record], taken: Sequence[Record]) -> bool:
        """Handle a batch while the one before is committed, then begin to commit it.

        False where that one failed, or this one is left in part: all that is ``taken`` and not committed comes again.
        """
        held = HeldOutbox(self._settings)
        left = self._handle(messages, held)
        if not self._settled(taken):
            return False
        self._in_hand = self._handled(messages, left) if left else messages
        self._under_way = self._commit(held, self._in_hand)
        if left:
            self._rewind([*left, *taken[len(messages) :]])
        return not left

    def _commit(self, held: HeldOutbox, messages: Sequence[Record]) -> Commit:
        offsets = self._next_offsets(messages)
        return Commit(self._producer, held, offsets, self._member, committer=self._committer, stop=self._stop)

    def _settled(self, taken: Sequence[Record]) -> bool:
        """Wait for the commit under way; False where it failed: its batch and all that is taken since come again."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return True
        try:
            under_way.wait()
        except CommitHung:
            self._start_anew("a step of a transaction does not come back", taken)
            return False
        except KafkaException as error:
            self._abort(error, taken)
            return False
        self._committed()
        return True

    def _abort(self, error: KafkaException, taken: Sequence[Record]) -> None:
        """End the transaction in hand and hand its batch out again; raises what cannot be put right."""
        try:
            self._end(error)
        except KafkaException as failed:
            cause = failed.args[0]
            if not cause.fatal() or cause.code() in FENCED:
                raise
            self._start_anew(cause.str(), taken)
        else:
            self._undo()
            self._rewind([*self._in_hand, *taken])

    def _end(self, error: KafkaException) -> None:
        """End a transaction that failed by ``error``; raises that where it asks for no end, else what prevents it."""
        cause = error.args[0]
        # A transaction that has failed already takes no more messages, and that error does not ask for its end.
        if cause.fatal() or not (cause.txn_requires_abort() or cause.code() == KafkaError._STATE):
            raise error
        log.warning("transaction aborted, trying the batch again", error=cause.str())
        until_done(
            "the end of a failed transaction",
            lambda: self._producer.abort_transaction(TRANSACTION_STEP_SECONDS_MAX),
            self._stop,
        )

    def _start_anew(self, why: str, taken: Sequence[Record]) -> None:
        """Such a producer never sends again: a new one ends what it had begun, and its batch is handed out again."""
        log.warning("the producer cannot go on, a new one takes its place", error=why)
        self._committer.close()
        self._producer, self._committer = self._new_producer(), Committer(f"{self._group} commit")
        self._begin()
        self._undo()
        self._go_back([*self._in_hand, *taken])

    def _go_back(self, messages: Sequence[Record]) -> None:
        """Go on where the group stands: whether the last commit went through, only Kafka knows."""
        self._unreadable = {}
        partitions = {(message.topic(), message.partition()) for message in messages} & self._owned
        asked = [TopicPartition(*partition) for partition in sorted(partitions)]
        for stand in committed(self._consumer, asked):
            self._seek((stand.topic, stand.partition), start_of(stand.offset))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Offsets are committed as the member that was given the partitions: Kafka refuses them once it is not."""
        super()._assigned(consumer, partitions)
        if not self._closing:
            self._member = consumer.consumer_group_metadata()

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Whoever owns the partitions next must find what is being committed, or find it open."""
        super()._revoked(consumer, partitions)
        self._settled(())
