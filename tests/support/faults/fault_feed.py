"""Sends a stream of messages, and records which of them the brokers acknowledged, and at which offsets."""

from __future__ import annotations

import collections
import dataclasses
import functools
import threading
import time
from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from schemas.topics import PREDICTIONS
from streams.produce.outbox import producer_config
from streams.settings import KafkaSettings
from tests.support.faults.fault_stream import Message
from tests.support.waiting import PATIENCE_SECONDS

__all__ = ["Feed", "Ledger"]

FULL_QUEUE_SECONDS: Final = 0.05
POLL_EVERY: Final = 100


@dataclasses.dataclass
class Ledger:
    """What the brokers acknowledged, and what the program must therefore have judged.

    ``events`` counts how often each event was sent; ``rejects`` maps partition, offset and index within an array to
    the bytes that were sent.
    """

    messages: int = 0
    malformed: int = 0
    events: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    rejects: dict[tuple[int, int, int], bytes] = dataclasses.field(default_factory=dict)
    defects: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    lost: list[str] = dataclasses.field(default_factory=list)

    def took(self, message: Message, partition: int, offset: int) -> None:
        """Enter a message that the brokers acknowledged."""
        self.messages += 1
        self.events.update(message.event_ids)
        for index, original in message.rejects:
            self.rejects[partition, offset, index] = original
        if message.defect:
            self.malformed += 1
            self.defects[message.defect] += 1


class Feed:
    """An idempotent producer of predictions, which waits for the acknowledgement of all copies."""

    def __init__(self, kafka: KafkaSettings, ledger: Ledger) -> None:
        self.ledger = ledger
        self._topic = kafka.prefix + PREDICTIONS.name
        self._producer = Producer(producer_config(kafka))
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def send(self, messages: Iterable[Message], per_second: float = 0.0) -> None:
        """Send the messages and wait until all are acknowledged; ``per_second`` 0 sets no limit on the rate."""
        begin = time.monotonic()
        for number, message in enumerate(messages):
            if per_second and (ahead := number / per_second - (time.monotonic() - begin)) > 0:
                time.sleep(ahead)
            self._produce(message)
            if number % POLL_EVERY == 0:
                self._producer.poll(0)
        left = self._producer.flush(PATIENCE_SECONDS)
        assert left == 0, f"{left} messages not acknowledged within {PATIENCE_SECONDS:g} s"
        assert not self.ledger.lost, self.ledger.lost[:3]

    def begin(self, messages: Iterable[Message], per_second: float) -> None:
        """Send the messages in a thread; ``finish`` waits for its end."""
        self._thread = threading.Thread(target=self._run, args=(messages, per_second), name="feed", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until all messages are sent; raises the error of the thread, if any."""
        assert self._thread is not None
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), f"still sending after {PATIENCE_SECONDS:g} s"
        if self._failure is not None:
            raise self._failure

    def _run(self, messages: Iterable[Message], per_second: float) -> None:
        try:
            self.send(messages, per_second)
        except BaseException as error:  # noqa: BLE001  # raised in ``finish``
            self._failure = error

    def _produce(self, message: Message) -> None:
        report = functools.partial(self._delivered, message)
        while True:
            try:
                self._producer.produce(self._topic, message.value, message.key, on_delivery=report)
            except BufferError:
                self._producer.poll(FULL_QUEUE_SECONDS)
            else:
                return

    def _delivered(self, message: Message, error: KafkaError | None, delivered: Delivered) -> None:
        if error is not None:
            self.ledger.lost.append(error.str())
            return
        partition, offset = delivered.partition(), delivered.offset()
        assert partition is not None
        assert offset is not None
        self.ledger.took(message, partition, offset)
