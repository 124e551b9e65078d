"""Batches that the Kafka client cannot unpack: it asks for them again for ever, and the partition stands still.

Who sends a few kilobytes of zstd that unpack to more than the client takes (``receive.message.max.bytes``), or what is
damaged, would stop all who read the partition. Such a batch is passed over as one message without bytes.
"""

from __future__ import annotations

import dataclasses
import time
from contextlib import closing
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from streams.clients import passing_reader_config
from streams.records import Headers
from streams.settings import KafkaSettings

__all__ = ["UNPACKING_ERRORS", "UnreadableBatch", "end_of_batch"]

UNPACKING_ERRORS: Final = (KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG)
LOOK_SECONDS_MAX: Final = 60.0
WAIT_SECONDS: Final = 0.1


@dataclasses.dataclass(frozen=True, slots=True)
class UnreadableBatch:
    """A Record that stands for all messages of such a batch: for the offsets from ``first`` on, up to ``end``."""

    full_topic: str
    number: int
    first: int
    end: int
    why: str

    @property
    def problem(self) -> str:
        """What is wrong, for a Reject."""
        last = self.end - 1
        which = f"the message at offset {last}" if last == self.first else f"messages {self.first} to {last}"
        return f"{which} cannot be unpacked, and nothing of it is kept here: {self.why}"

    def __len__(self) -> int:
        """0: its bytes were never unpacked."""
        return 0

    def value(self) -> bytes | None:
        """No bytes rather than None: it is no tombstone."""
        return b""

    def key(self) -> bytes | None:
        """Empty: keys are inside what cannot be unpacked."""
        return b""

    def topic(self) -> str:
        """The full name of its topic."""
        return self.full_topic

    def partition(self) -> int:
        """The partition it came from."""
        return self.number

    def offset(self) -> int:
        """The last one: behind it reading goes on."""
        return self.end - 1

    def headers(self) -> Headers | None:
        """None: headers are inside what cannot be unpacked."""
        return None

    def timestamp(self) -> tuple[int, int]:
        """0 of kind 0, which is Kafka's word for a time that is not available."""
        return 0, 0


def end_of_batch(settings: KafkaSettings, topic: str, partition: int, first: int) -> int:
    """The offset behind the unreadable batch that begins at ``first``, found by asking for messages further on.

    The client tells where a batch begins and not where it ends; one of a single message takes one question.
    """
    config = passing_reader_config(
        settings,
        auto_offset_reset="latest",
        queued_min_messages=1,
        fetch_wait_max_ms=50,
        fetch_error_backoff_ms=50,
    )
    deadline = time.monotonic() + LOOK_SECONDS_MAX
    with closing(Consumer(config)) as consumer:

        def is_beyond(offset: int) -> bool:
            return _is_beyond(consumer, TopicPartition(topic, partition, offset), first, deadline)

        inside, step = first, 1
        while not is_beyond(inside + step):
            inside, step = inside + step, step * 2
        beyond = inside + step
        while beyond - inside > 1:
            middle = (inside + beyond) // 2
            inside, beyond = (inside, middle) if is_beyond(middle) else (middle, beyond)
    return beyond


def _is_beyond(consumer: Consumer, partition: TopicPartition, first: int, deadline: float) -> bool:
    """Whether an offset lies behind the batch; where nobody answers it is taken to."""
    consumer.assign([partition])
    while time.monotonic() < deadline:
        for message in consumer.consume(1, WAIT_SECONDS):
            return not _is_of(message, first)
    import structlog  # a producer that imports the helper of this package needs no logger

    log = structlog.get_logger(__name__)
    log.warning("the end of a batch that cannot be unpacked is not found", offset=first)
    return True


def _is_of(message: Message, first: int) -> bool:
    error = message.error()
    return error is not None and error.code() in UNPACKING_ERRORS and message.offset() == first
