"""Batches that the Kafka client cannot unpack, such as damaged ones.

The client would fetch such a batch again for ever, and the partition would be stuck for everybody who reads it. A few
kilobytes of zstd are enough, if they unpack to more than the client accepts (``receive.message.max.bytes``). The batch
is skipped and handed out as one record without bytes.
"""

from __future__ import annotations

import dataclasses
import time
from contextlib import closing
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from schemas.json_text.errors import MalformedError
from streams.client_config import passing_reader_config
from streams.message_limits import MessageLimits
from streams.records import Headers, Record
from streams.settings import KafkaSettings

__all__ = ["UNPACKING_ERRORS", "UnreadableBatch", "check_record", "end_of_batch"]

UNPACKING_ERRORS: Final = (KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG)
LOOK_SECONDS_MAX: Final = 60.0
WAIT_SECONDS: Final = 0.1


@dataclasses.dataclass(frozen=True, slots=True)
class UnreadableBatch:
    """A Record that stands for all messages of such a batch, at the offsets from ``first`` up to, without, ``end``."""

    full_topic: str
    number: int
    first: int
    end: int
    why: str

    @property
    def problem(self) -> str:
        """The reason of its Reject."""
        last = self.end - 1
        which = f"the message at offset {last}" if last == self.first else f"messages {self.first} to {last}"
        return f"{which} cannot be unpacked, and nothing of it is kept here: {self.why}"

    def __len__(self) -> int:
        """0, because its bytes were never unpacked."""
        return 0

    def value(self) -> bytes | None:
        """Empty rather than None: it is no tombstone."""
        return b""

    def key(self) -> bytes | None:
        """Empty, because keys could not be unpacked."""
        return b""

    def topic(self) -> str:
        """The full name of its topic, prefix included."""
        return self.full_topic

    def partition(self) -> int:
        """The partition it came from."""
        return self.number

    def offset(self) -> int:
        """The last offset of the batch, behind which reading goes on."""
        return self.end - 1

    def headers(self) -> Headers | None:
        """None, because headers could not be unpacked."""
        return None

    def timestamp(self) -> tuple[int, int]:
        """(0, 0): Kafka's type 0 means that no time is available."""
        return 0, 0


def check_record(record: Record, limits: MessageLimits) -> None:
    """Raises MalformedError for a record that must not be decoded: an unreadable batch, or more bytes than allowed."""
    if isinstance(record, UnreadableBatch):
        raise MalformedError(record.problem)
    limits.check_bytes(len(record))


def end_of_batch(settings: KafkaSettings, topic: str, partition: int, first: int) -> int:
    """The offset behind the unreadable batch that begins at ``first``.

    The client reports where a batch begins but not where it ends, so the end is searched by reading at later offsets:
    one read for a batch of one message, some 2 log2(n) for one of n messages.
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
    """Whether an offset lies behind the batch; True if Kafka does not answer before the deadline."""
    consumer.assign([partition])
    while time.monotonic() < deadline:
        for message in consumer.consume(1, WAIT_SECONDS):
            return not _is_of(message, first)
    import structlog  # imported here because a service that imports the producer has no use for it

    log = structlog.get_logger(__name__)
    log.warning("the end of a batch that cannot be unpacked was not found", offset=first)
    return True


def _is_of(message: Message, first: int) -> bool:
    error = message.error()
    return error is not None and error.code() in UNPACKING_ERRORS and message.offset() == first
