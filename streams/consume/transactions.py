"""Batches whose outputs and offsets are written in one Kafka transaction: exactly once, also after a crash."""

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
from streams.records import Record, split_by_bytes, start_of
from streams.settings import KafkaSettings

__all__ = ["TransactionalBatches"]

log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT_SECONDS = 10
DELIVERY_SHARE = 0.6
"""The share of the timeout that a message may take to arrive. If it has not arrived by then, there is still time for
the producer to end the transaction itself."""
TRANSACTION_LINGER_MS = 2
RETRY_MS_MIN = 10
"""The coordinator refuses a new transaction while it writes the end of the one before, which takes some 10 ms. The
client's default of 100 ms would be ten times that."""
FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


class TransactionalBatches(Batches):
    """Consume and handle a batch, then commit its outputs and offsets in one transaction (KIP-98, KIP-447).

    ``slot`` names this worker among those of its role: a restarted worker with the same slot fences its predecessor.

    Transactions are committed in a thread of their own. If more messages are waiting, the next batch is fetched and
    handled meanwhile, and its outputs are held in memory: at most two batches are in memory, and at most one
    transaction is open. ``committed`` is called when the oldest handled batch is committed, ``undo`` when all handled
    batches that are not committed must be forgotten, because they will be handed out again. ``note`` gives a short
    text that is committed with the offsets (``streams.admin.commit_notes``). The keyword arguments are those of
    ``Batches``.
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
        note: Callable[[], str] = lambda: "",
        **kwargs: object,
    ) -> None:
        super().__init__(settings, group=group, **kwargs)  # type: ignore[arg-type]
        self._slot, self._group = slot, group
        self._handle = handle
        self._undo = undo
        self._committed = committed
        self._note = note
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
        """Run until ``stop`` is set.

        Raises SlotTaken if another worker has the same slot, or this one did not answer for longer than the timeout.
        """
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
            log.warning("stopped while Kafka does not answer; the batch in hand comes again", error=cause.str())
        finally:
            if self._under_way is not None:
                # The first error is the one to report; a batch that was not committed is handed out again.
                with contextlib.suppress(KafkaException, CommitHung):
                    self._under_way.wait()
            self._committer.close()
            self._close()

    def _begin(self) -> None:
        """Claim the transactional id: Kafka fences its earlier owner and ends the transaction that it left open."""
        until_done(
            "the transactional id", lambda: self._producer.init_transactions(TRANSACTION_STEP_SECONDS_MAX), self._stop
        )

    def _handle_all(self, messages: Sequence[Record]) -> None:
        """Handle the messages, in one transaction for each ``transaction_bytes_max`` bytes."""
        start = 0
        for batch, _ in split_by_bytes(messages, self._batch.transaction_bytes_max):
            if not self._handle_batch(batch, messages[start:]):
                self._full = True
                return
            start += len(batch)
        if not self._full:
            # No more messages are waiting, and further, smaller transactions would only keep the broker busy.
            self._settled(())

    def _handle_batch(self, messages: Sequence[Record], taken: Sequence[Record]) -> bool:
        """Handle a batch while the one before is committed, then begin to commit it.

        ``taken`` are these messages and the later ones of the same fetch. Returns False if the commit before failed or
        the handler left a part of this batch; the messages of ``taken`` that are not committed are handed out again.
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
        if note := self._note():
            offsets = [TopicPartition(end.topic, end.partition, end.offset, note) for end in offsets]
        return Commit(self._producer, held, offsets, self._member, committer=self._committer, stop=self._stop)

    def _settled(self, taken: Sequence[Record]) -> bool:
        """Wait for the commit under way; False if it failed: its batch and ``taken`` are handed out again."""
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
        """Abort the open transaction and hand its batch out again; raises an error that this cannot repair."""
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
        """Abort a transaction that failed with ``error``.

        Raises ``error`` if it does not call for an abort, or the error that prevents the abort.
        """
        cause = error.args[0]
        # A transaction that has failed already accepts no more messages; that error (_STATE) does not ask for an abort.
        if cause.fatal() or not (cause.txn_requires_abort() or cause.code() == KafkaError._STATE):
            raise error
        log.warning("transaction aborted, trying the batch again", error=cause.str())
        until_done(
            "the end of a failed transaction",
            lambda: self._producer.abort_transaction(TRANSACTION_STEP_SECONDS_MAX),
            self._stop,
        )

    def _start_anew(self, why: str, taken: Sequence[Record]) -> None:
        """Replace a producer that will never send again; the new one ends its transaction; the batch comes again."""
        log.warning("the producer cannot go on, a new one takes its place", error=why)
        self._committer.close()
        self._producer, self._committer = self._new_producer(), Committer(f"{self._group} commit")
        self._begin()
        self._undo()
        self._go_back([*self._in_hand, *taken])

    def _go_back(self, messages: Sequence[Record]) -> None:
        """Go on at the committed offsets: only Kafka knows whether the last commit succeeded."""
        self._unreadable = {}
        partitions = {(message.topic(), message.partition()) for message in messages} & self._owned
        asked = [TopicPartition(*partition) for partition in sorted(partitions)]
        for stand in committed(self._consumer, asked):
            self._seek((stand.topic, stand.partition), start_of(stand.offset))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Remember the member that the partitions belong to: Kafka refuses offsets of a member that has lost them."""
        super()._assigned(consumer, partitions)
        if not self._closing:
            self._member = consumer.consumer_group_metadata()

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Finish the commit under way first, so that the next owner of the partitions finds its offsets."""
        super()._revoked(consumer, partitions)
        self._settled(())
