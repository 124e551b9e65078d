"""Where a role puts what it has to say: topics by their short name, values as Structs."""

from __future__ import annotations

from confluent_kafka import KafkaError, Producer

from schemas.codec import encode
from schemas.reject import Reject
from schemas.topics import Topic
from schemas.wire import Wire
from streams.clients import common_client_config
from streams.errors import KafkaUnreachable, NotDelivered
from streams.rejects import shortened
from streams.settings import KafkaSettings

__all__ = ["Outbox", "producer_config"]

QUEUED_MESSAGES_MAX = 200_000
QUEUED_KBYTES_MAX = 262_144
FULL_QUEUE_WAIT_SECONDS = 0.05
SPARE_BYTES = 16 * 1024
"""Of a message that holds a Reject, for its key and its framing."""


def producer_config(settings: KafkaSettings) -> dict[str, object]:
    """What every producer of watchloop has in common."""
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


class Outbox:
    """A producer that knows the topics.

    A full buffer makes ``send`` wait (back-pressure), never drop. ``flush`` raises NotDelivered if anything sent since
    the last flush did not arrive. A given ``producer`` is a transactional one: its commit says whether all arrived, so
    no report is asked for each message.
    """

    def __init__(self, settings: KafkaSettings, producer: Producer | None = None) -> None:
        self._prefix = settings.prefix
        self._reject_bytes_max = settings.message_bytes_max - SPARE_BYTES
        self._on_delivery = self._delivered if producer is None else None
        self._producer = producer or Producer(producer_config(settings))
        self._failed: list[KafkaError] = []

    def send(self, topic: Topic, key: str | bytes, value: Wire | list[Wire] | bytes | None) -> None:
        """Queue one message; a Struct or a list of them becomes JSON, None is a tombstone."""
        data = value if value is None or isinstance(value, bytes) else encode(value)
        if isinstance(value, Reject) and data is not None and len(data) > self._reject_bytes_max:
            data = encode(shortened(value, self._reject_bytes_max // 2))
        while True:
            try:
                self._producer.produce(self._prefix + topic.name, data, key, on_delivery=self._on_delivery)
            except BufferError:
                self._producer.poll(FULL_QUEUE_WAIT_SECONDS)
            else:
                return

    def poll(self) -> None:
        """Let delivery reports in."""
        self._producer.poll(0)

    def flush(self, seconds_max: float = 30.0) -> None:
        """Wait until all that was sent has arrived; raises KafkaUnreachable or NotDelivered."""
        waiting = self._producer.flush(seconds_max)
        failed, self._failed = self._failed, []
        if failed:
            raise NotDelivered(f"{len(failed)} messages were not delivered: {failed[0].str()}")
        if waiting:
            raise KafkaUnreachable(f"{waiting} messages still undelivered after {seconds_max:g} s")

    def _delivered(self, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            self._failed.append(error)
