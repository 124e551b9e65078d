"""While a broker does not answer, batches wait and nothing piles up; in the end each message is there once."""

from __future__ import annotations

import collections
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest
from confluent_kafka import KafkaException

from embedded.kafka.server import EmbeddedKafka
from schemas.topics import PREDICTIONS, VERDICTS
from streams.admin.authority import EVERYBODY
from streams.admin.topics import create_topics
from streams.consume.batches import BatchSettings
from streams.consume.log_reader import LogReader
from streams.consume.transactions import TransactionalBatches
from streams.errors import StreamsError
from streams.produce.outbox import Outbox, Sending
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.waiting import PATIENCE_SECONDS, eventually

pytestmark = [pytest.mark.servers, pytest.mark.faults]

MESSAGES = 4_000
COPIES = 5
BATCH = BatchSettings(events_max=200, wait_seconds=0.1)
QUEUED_MAX = 300
FREEZE_AT = 1_500
"""The number of messages sent by then: half of the second transaction."""
FROZEN_SECONDS = 2.0
LASTING_SECONDS = 600
SESSION_SECONDS = 240


class Echo:
    """A handler that sends several messages for each one, and counts those that it was handed."""

    def __init__(self) -> None:
        self.handed_out = 0
        self.undone = 0

    def handle(self, records: Sequence[Record], outbox: Sending) -> None:
        self.handed_out += len(records)
        for record in records:
            for copy in range(COPIES):
                outbox.send(VERDICTS, record.key() or b"", b"%s/%d" % (record.value(), copy))

    def undo(self) -> None:
        self.undone += 1


class Freezing:
    """A producer that stops the broker (SIGSTOP) in the middle of a transaction, and counts what it accepts then."""

    def __init__(self, producer: Any, freeze: Callable[[], None]) -> None:
        self._producer = producer
        self._freeze = freeze
        self.produced = 0
        self.refused_while_frozen = False
        self.failures = 0

    def produce(self, *arguments: Any, **more: Any) -> None:
        try:
            self._producer.produce(*arguments, **more)
        except BufferError:
            self.refused_while_frozen |= self.produced >= FREEZE_AT
            raise
        except KafkaException:
            self.failures += 1
            raise
        self.produced += 1
        if self.produced == FREEZE_AT:
            self._freeze()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaSettings, subprocess.Popen[bytes]]]:
    """A broker of this file's own, because the test stops it (SIGSTOP)."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), access=EVERYBODY) as running:
        try:
            yield KafkaSettings(bootstrap=running.bootstrap, partitions=2), running.processes[1]
        finally:
            running.processes[1].send_signal(SIGCONT)


def committed(kafka: KafkaSettings) -> collections.Counter[bytes]:
    """The messages that a reader of committed ones sees."""
    seen: collections.Counter[bytes] = collections.Counter()
    reader = LogReader(kafka, {VERDICTS.name: lambda record: seen.update([record.value() or b""])})
    reader.catch_up(PATIENCE_SECONDS)
    reader.close()
    return seen


def until(what: str, condition: Callable[[], bool], failures: Sequence[BaseException]) -> None:
    def check() -> bool:
        assert not failures, repr(failures)
        return condition()

    eventually(what, check)


@pytest.mark.parametrize("fails", [pytest.param(False, id="it answers in time"), pytest.param(True, id="it fails")])
def test_a_broker_that_does_not_answer(
    server: tuple[KafkaSettings, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """A full buffer makes the handler wait and so the consumer; a transaction that failed meanwhile is done again."""
    monkeypatch.setattr("streams.produce.outbox.QUEUED_MESSAGES_MAX", QUEUED_MAX)
    # What decides whether it fails is the time of delivery alone: all other patience outlasts the test.
    monkeypatch.setattr("streams.consume.transactions.TRANSACTION_TIMEOUT_SECONDS", LASTING_SECONDS)
    monkeypatch.setattr("streams.consume.transactions.DELIVERY_SHARE", 5 / LASTING_SECONDS if fails else 0.9)
    settings, process = server
    kafka = KafkaSettings(
        bootstrap=settings.bootstrap, partitions=2, prefix=f"frozen{fails}.", session_seconds=SESSION_SECONDS
    )
    create_topics(kafka, [PREDICTIONS, VERDICTS])
    values = [b"%d" % number for number in range(MESSAGES)]
    producer = Outbox(kafka)
    for value in values:
        producer.send(PREDICTIONS, value, value)
    producer.flush()

    echo, stop, failures = Echo(), threading.Event(), list[BaseException]()
    batches = TransactionalBatches(
        kafka, group="intake", slot="0", undo=echo.undo, topics=[PREDICTIONS], handle=echo.handle, batch=BATCH
    )

    def run() -> None:
        try:
            batches.run(stop)
        except BaseException as error:  # noqa: BLE001  # what it raised is what the test looks at
            failures.append(error)

    producing = Freezing(batches._producer, lambda: process.send_signal(SIGSTOP))
    batches._producer = producing  # type: ignore[assignment]
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until("the buffer to be full", lambda: producing.refused_while_frozen, failures)
    before = echo.handed_out
    if fails:
        until("the transaction to fail", lambda: producing.failures > 0, failures)
    else:
        time.sleep(FROZEN_SECONDS)
    taken_while_frozen = producing.produced - FREEZE_AT
    meanwhile = echo.handed_out - before
    process.send_signal(SIGCONT)

    assert meanwhile <= BATCH.events_max, "no more than the batch behind the one that waits"
    assert before < MESSAGES
    # As many more as were queued: their acknowledgements may have been on the way.
    assert taken_while_frozen <= 2 * QUEUED_MAX, "it was full, and no fuller"

    def all_there() -> bool:
        try:
            return len(committed(kafka)) == MESSAGES * COPIES
        except StreamsError:  # a broker that has just gone on may not answer at once
            return False

    until("all", all_there, failures)
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert not failures, repr(failures)
    assert (echo.undone > 0) is fails
    assert committed(kafka) == collections.Counter(
        b"%s/%d" % (value, copy) for value in values for copy in range(COPIES)
    )
