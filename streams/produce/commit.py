"""Commit: one transaction on its way into Kafka, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Final

import structlog
from confluent_kafka import KafkaException, Producer, TopicPartition

from streams.produce.outbox import HeldOutbox

__all__ = ["TRANSACTION_STEP_SECONDS_MAX", "Commit", "CommitHung", "Committer", "until_done"]

log = structlog.get_logger(__name__)

TRANSACTION_STEP_SECONDS_MAX: Final = 5.0
"""How long one step of a transaction may take before it is requested again, or given up because of a stop."""
HUNG_SECONDS: Final = 3 * TRANSACTION_STEP_SECONDS_MAX
"""A step that has not returned by then never will."""
LOOK_SECONDS: Final = 0.5


class CommitHung(Exception):  # noqa: N818 - a state of the commit that its waiter has to handle
    """A step of a transaction did not return within ``HUNG_SECONDS``: its producer is lost."""


def until_done(what: str, call: Callable[[], None], stop: threading.Event) -> None:
    """Repeat a call while it fails with an error that passes (a broker is away, a coordinator moves).

    Raises KafkaException for any other error, and for such an error once ``stop`` is set. ``what`` names the call in
    the log.
    """
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable() or stop.is_set():
                raise
            log.warning("Kafka is slow, asking again", what=what, error=error.args[0].str())
        else:
            return


class Committer:
    """A daemon thread that runs one commit after the other.

    It is one thread for all commits, because threads that come and go leave memory behind in the allocator.
    """

    def __init__(self, name: str) -> None:
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, commit: Callable[[], None]) -> None:
        """Run ``commit`` after those submitted before it."""
        self._waiting.put(commit)

    def close(self) -> None:
        """End the thread after the commits submitted so far."""
        self._waiting.put(None)

    def _run(self) -> None:
        while (commit := self._waiting.get()) is not None:
            commit()


class Commit:
    """Begins a transaction, pours the outputs in, adds the offsets and commits.

    ``send_offsets_to_transaction`` of librdkafka may never return once the broker that coordinates the group was lost,
    whatever its timeout (librdkafka's issues 5456 and 5511). So a commit runs in a ``Committer``, uses no producer but
    its own, and the time of each step is watched.
    """

    def __init__(
        self,
        producer: Producer,
        held: HeldOutbox,
        offsets: list[TopicPartition],
        member: object,
        *,
        committer: Committer,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._producer, self._held, self._offsets, self._member = producer, held, offsets, member
        self._stop, self._clock = stop, clock
        self._asked_at: float | None = None
        self._done: Future[None] = Future()
        committer.submit(self._run)

    def wait(self) -> None:
        """Wait until the transaction is committed; raises KafkaException if it failed, CommitHung if a step hangs."""
        while True:
            try:
                return self._done.result(LOOK_SECONDS)
            except TimeoutError:
                asked_at = self._asked_at
                if asked_at is not None and self._clock() - asked_at > HUNG_SECONDS:
                    raise CommitHung from None

    def _run(self) -> None:
        try:
            self._producer.begin_transaction()
            self._held.pour_into(self._producer)
            self._step("offsets", self._send_offsets)
            self._step("a commit", lambda: self._producer.commit_transaction(TRANSACTION_STEP_SECONDS_MAX))
        except BaseException as error:  # noqa: BLE001 - ``wait`` raises it
            self._done.set_exception(error)
        else:
            self._done.set_result(None)

    def _send_offsets(self) -> None:
        self._producer.send_offsets_to_transaction(self._offsets, self._member, TRANSACTION_STEP_SECONDS_MAX)

    def _step(self, what: str, call: Callable[[], None]) -> None:
        def watched() -> None:
            self._asked_at = self._clock()
            call()

        until_done(what, watched, self._stop)
        self._asked_at = None
