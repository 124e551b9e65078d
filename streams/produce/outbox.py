"""Outboxes: what a role sends, with topics by their short name and values as Structs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from confluent_kafka import KafkaError, Producer

from schemas.codec import encode
from schemas.topics import Topic
from schemas.wire.base import Wire
from schemas.wire.reject import Reject
from streams.client_config import common_client_config
from streams.errors import KafkaUnreachable, NotDelivered
from streams.produce.rejects import shortened
from streams.settings import KafkaSettings

__all__ = ["SPARE_BYTES", "HeldOutbox", "Outbox", "Sending", "Value", "producer_config"]

QUEUED_MESSAGES_MAX = 200_000
QUEUED_KBYTES_MAX = 262_144
FULL_QUEUE_WAIT_SECONDS = 0.05
SPARE_BYTES = 16 * 1024
"""Room for the key and the framing of a message that is as large as it may be."""


def producer_config(settings: KafkaSettings) -> dict[str, object]:
    """The librdkafka configuration of every producer of watchloop."""
    return {
        **common_client_config(settings),
        "acks": "all",
        "enable.idempotence": True,
        "compression.type": "lz4",
        "linger.ms": 2,
        "message.max.bytes": settings.message_bytes_max,
        "queue.buffering.max.messages": QUEUED_MESSAGES_MAX,
        "queue.buffering.max.kbytes": QUEUED_KBYTES_MAX,
        "partitioner": "murmur2_random",
    }


Value = Wire | list[Wire] | bytes | None
"""A Struct or a list of them becomes JSON; bytes stay as they are; None is a tombstone."""


class Sending(Protocol):
    """What a handler needs of an outbox."""

    def send(self, topic: Topic, key: str | bytes, value: Value) -> None:
        """Queue a message for the topic. If the buffer is full this waits; it never drops a message."""


class Encoding:
    """Encodes messages, for both kinds of outbox; a Reject is shortened to fit into a message."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._prefix = settings.prefix
        self._reject_bytes_max = settings.message_bytes_max - SPARE_BYTES

    def _encoded(self, value: Value) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        data = encode(value)
        if isinstance(value, Reject) and len(data) > self._reject_bytes_max:
            return encode(shortened(value, self._reject_bytes_max // 2))
        return data


class HeldOutbox(Encoding):
    """Holds the encoded messages of one batch until its transaction begins."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings)
        self._held: list[tuple[str, bytes | None, str | bytes]] = []

    def send(self, topic: Topic, key: str | bytes, value: Value) -> None:
        """Encode a message and hold it until ``pour_into``; the size of the batch bounds how many there are."""
        self._held.append((self._prefix + topic.name, self._encoded(value), key))

    def pour_into(self, producer: Producer) -> None:
        """Queue all messages. If the buffer is full this waits (back-pressure); it never drops a message.

        The commit of the transaction fails if one of them does not arrive.
        """
        for message in self._held:
            produce_patiently(producer, *message)


class Outbox(Encoding):
    """A producer that takes Structs and short names of topics.

    If the buffer is full, ``send`` waits (back-pressure); it never drops a message. ``flush`` raises NotDelivered if a
    message that was sent since the last flush did not arrive.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings)
        self._producer = Producer(producer_config(settings))
        self._failed: list[KafkaError] = []

    def send(self, topic: Topic, key: str | bytes, value: Value) -> None:
        """Queue a message; the next ``flush`` reports whether it arrived."""
        produce_patiently(self._producer, self._prefix + topic.name, self._encoded(value), key, self._delivered)

    def poll(self) -> None:
        """Take in the delivery reports that have arrived, without waiting: they fill the client's buffer too."""
        self._producer.poll(0)

    def flush(self, seconds_max: float = 30.0) -> None:
        """Wait until all messages have arrived; raises KafkaUnreachable or NotDelivered."""
        waiting = self._producer.flush(seconds_max)
        failed, self._failed = self._failed, []
        if failed:
            raise NotDelivered(f"{len(failed)} messages were not delivered: {failed[0].str()}")
        if waiting:
            raise KafkaUnreachable(f"{waiting} messages still undelivered after {seconds_max:g} s")

    def _delivered(self, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            self._failed.append(error)


def produce_patiently(
    producer: Producer,
    topic: str,
    data: bytes | None,
    key: str | bytes,
    on_delivery: Callable[[KafkaError | None, object], None] | None = None,
) -> None:
    """Queue a message; while the buffer is full, wait for the producer to send."""
    while True:
        try:
            producer.produce(topic, data, key, on_delivery=on_delivery)
        except BufferError:
            producer.poll(FULL_QUEUE_WAIT_SECONDS)
        else:
            return
