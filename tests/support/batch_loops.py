"""Consumers of batches on a real Kafka, in threads of a test, and failures put into their transactions."""

from __future__ import annotations

import collections
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from schemas.topics import CORRECTIONS, PREDICTIONS, VERDICTS, Topic
from streams.consume.batches import BatchSettings, GroupBatches
from streams.consume.log_reader import LogReader
from streams.consume.transactions import TransactionalBatches
from streams.produce.outbox import Outbox
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.waiting import PATIENCE_SECONDS, eventually

LOST_MS = 2_000
SMALL = BatchSettings(events_max=50, wait_seconds=0.1)


class Running:
    """A loop in a thread, which ``end`` stops; ``failure`` is the error that it raised."""

    def __init__(self, body: Callable[[threading.Event], None]) -> None:
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self._body = body
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._body(self.stop)
        except BaseException as error:  # noqa: BLE001  # what it raised is what the test looks at
            self.failure = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()


def wait_for(what: str, condition: Callable[[], Any], *loops: Running) -> None:
    """Wait until ``condition`` returns something true; fails if one of the loops has failed."""

    def check() -> Any:
        for loop in loops:
            assert loop.failure is None, repr(loop.failure)
        return condition()

    eventually(what, check)


def send(kafka: KafkaSettings, topic: Topic, count: int, begin: int = 0) -> list[bytes]:
    """Send numbered messages, spread over the partitions; returns their values."""
    outbox = Outbox(kafka)
    values = [f"{number}".encode() for number in range(begin, begin + count)]
    for value in values:
        outbox.send(topic, value, value)
    outbox.flush()
    return values


def committed(kafka: KafkaSettings, topic: Topic) -> collections.Counter[bytes]:
    """How often each value is on a topic, for a reader of committed messages."""
    seen: collections.Counter[bytes] = collections.Counter()
    reader = LogReader(kafka, {topic.name: lambda record: seen.update([record.value() or b""])})
    reader.catch_up(PATIENCE_SECONDS)
    reader.close()
    return seen


def echo(records: Sequence[Record], outbox: Outbox) -> None:
    """Send each record to ``verdicts``, unchanged."""
    for record in records:
        outbox.send(VERDICTS, record.key() or b"", record.value())


class Wrapped:
    """A client, some of whose methods are replaced."""

    def __init__(self, client: Any, **methods: Any) -> None:
        self._client = client
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def transactional(
    kafka: KafkaSettings, handle: Any = echo, *, slot: str = "0", undo: Any = None, **more: Any
) -> TransactionalBatches:
    return TransactionalBatches(
        kafka,
        group="intake",
        slot=slot,
        undo=undo or (lambda: None),
        topics=[PREDICTIONS],
        handle=handle,
        **{"batch": SMALL, **more},
    )


def before_second(batches: TransactionalBatches, happens: Callable[[], object]) -> None:
    """Call ``happens`` in the second transaction, after its outputs have reached the broker, before its offsets do."""
    producer = batches._producer
    attempts = itertools.count(1)

    def send_offsets(*arguments: Any) -> None:
        if next(attempts) == 2:
            producer.flush(PATIENCE_SECONDS)
            happens()
        producer.send_offsets_to_transaction(*arguments)

    batches._producer = Wrapped(producer, send_offsets_to_transaction=send_offsets)  # type: ignore[assignment]


def fail_second(batches: TransactionalBatches, error: KafkaError) -> None:
    """Make the second transaction fail after its outputs have reached the broker."""

    def fail() -> None:
        raise KafkaException(error)

    before_second(batches, fail)


def grouped(kafka: KafkaSettings, handle: Any, **more: Any) -> GroupBatches:
    return GroupBatches(kafka, group="learn", topics=[CORRECTIONS], handle=handle, batch=SMALL, **more)
