"""A broker that does not answer for a while: batches wait, nothing piles up, and in the end each is there once."""

from __future__ import annotations

import collections
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest

from embedded.kafka.server import EmbeddedKafka
from schemas.topics import PREDICTIONS, VERDICTS
from streams.admin.authority import EVERYBODY
from streams.admin.topics import create_topics
from streams.consume.batches import BatchSettings
from streams.consume.log_reader import LogReader
from streams.consume.transactions import TransactionalBatches
from streams.produce.outbox import Outbox, Sending
from streams.records import Record
from streams.settings import KafkaSettings

pytestmark = [pytest.mark.servers, pytest.mark.faults]

MESSAGES = 4_000
COPIES = 5
BATCH = BatchSettings(events_max=200, wait_seconds=0.1)
QUEUED_MAX = 300
CLIENT_EVENTS_MAX = 10
"""A producer's length counts its own errors too, until they are polled."""
FREEZE_AT = 1_500
"""Messages sent by then: the second transaction is half poured out."""
SECONDS_MAX = 60.0
SETTLE_SECONDS = 0.5


class Echo:
    """Each message becomes several; counts what was handed out."""

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
    """A producer that stops the broker in its tracks in the middle of a transaction, and says how full it was."""

    def __init__(self, producer: Any, freeze: Callable[[], None]) -> None:
        self._producer = producer
        self._freeze = freeze
        self.produced = 0
        self.queued_max = 0

    def produce(self, *arguments: Any, **more: Any) -> None:
        self._producer.produce(*arguments, **more)
        self.produced += 1
        self.queued_max = max(self.queued_max, len(self._producer))
        if self.produced == FREEZE_AT:
            self._freeze()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaSettings, subprocess.Popen[bytes]]]:
    """A broker of this file's own, for it is stopped in its tracks."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), access=EVERYBODY) as running:
        try:
            yield KafkaSettings(bootstrap=running.bootstrap, partitions=2), running.processes[1]
        finally:
            running.processes[1].send_signal(SIGCONT)


def committed(kafka: KafkaSettings) -> collections.Counter[bytes]:
    """What a reader of committed messages sees."""
    seen: collections.Counter[bytes] = collections.Counter()
    reader = LogReader(kafka, {VERDICTS.name: lambda record: seen.update([record.value() or b""])})
    reader.catch_up(SECONDS_MAX)
    reader.close()
    return seen


def until(what: str, found: Callable[[], bool], failures: Sequence[BaseException]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not found():
        assert not failures, repr(failures)
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS_MAX:g} s"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("frozen_seconds", "undone"),
    [pytest.param(2.0, 0, id="it answers in time"), pytest.param(7.5, 1, id="the transaction fails")],
)
def test_a_broker_that_does_not_answer(
    server: tuple[KafkaSettings, subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    frozen_seconds: float,
    undone: int,
) -> None:
    """A full buffer makes the handler wait and so the consumer; a transaction that failed meanwhile is done again."""
    monkeypatch.setattr("streams.produce.outbox.QUEUED_MESSAGES_MAX", QUEUED_MAX)
    settings, process = server
    kafka = KafkaSettings(bootstrap=settings.bootstrap, partitions=2, prefix=f"frozen{undone}.")
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
    until("the broker to be frozen", lambda: producing.produced >= FREEZE_AT, failures)
    time.sleep(SETTLE_SECONDS)
    before = echo.handed_out
    time.sleep(frozen_seconds - SETTLE_SECONDS)
    meanwhile = echo.handed_out - before
    process.send_signal(SIGCONT)

    assert meanwhile == 0, "no more than was in hand"
    assert before + meanwhile < MESSAGES
    full = QUEUED_MAX + CLIENT_EVENTS_MAX
    assert QUEUED_MAX // 2 < producing.queued_max <= full, "it was full, and no fuller"
    until("all", lambda: len(committed(kafka)) == MESSAGES * COPIES, failures)
    stop.set()
    thread.join(SECONDS_MAX)
    assert not failures, repr(failures)
    assert echo.undone == undone
    assert committed(kafka) == collections.Counter(
        b"%s/%d" % (value, copy) for value in values for copy in range(COPIES)
    )
