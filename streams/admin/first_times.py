"""When the first message behind an offset came: one message read of a partition, none committed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from typing import Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, Message, TopicPartition

from streams.client_config import passing_reader_config
from streams.records import Partition
from streams.settings import KafkaSettings

__all__ = ["NOTHING", "UNKNOWN", "first_times"]

NOTHING: Final = -1
"""No message lies behind the offset: markers at most, or what an open transaction holds back."""
UNKNOWN: Final = -2
"""It could not be read in time, or not at all."""

READ_SECONDS_MAX: Final = 5.0
WAIT_SECONDS: Final = 0.1


def first_times(
    settings: KafkaSettings, asked: Iterable[tuple[Partition, int]], *, seconds_max: float = READ_SECONDS_MAX
) -> dict[tuple[Partition, int], int]:
    """Epoch milliseconds, by the broker's clock, of the first committed message at or behind each offset.

    ``asked`` are partitions (full name of the topic, number) with an offset, a partition as often as wanted.
    """
    times_ms: dict[tuple[Partition, int], int] = {}
    rounds: list[dict[Partition, int]] = []
    for partition, offset in sorted(asked):
        offsets = next((offsets for offsets in rounds if partition not in offsets), None)
        if offsets is None:
            rounds.append(offsets := {})
        offsets[partition] = offset
    deadline = time.monotonic() + seconds_max
    with closing(Consumer(_config(settings))) as consumer:
        for offsets in rounds:
            times = _read(consumer, offsets, deadline)
            times_ms |= {(partition, offset): times.get(partition, UNKNOWN) for partition, offset in offsets.items()}
    return times_ms


def _config(settings: KafkaSettings) -> dict[str, object]:
    return passing_reader_config(
        settings,
        auto_offset_reset="earliest",
        queued_min_messages=1,
        fetch_message_max_bytes=16 * 1024,
        fetch_wait_max_ms=50,
    )


def _read(consumer: Consumer, firsts: dict[Partition, int], deadline: float) -> dict[Partition, int]:
    """The time of the first message of each partition, as far as they come before the deadline."""
    consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in firsts.items()])
    times: dict[Partition, int] = {}
    while len(times) < len(firsts) and time.monotonic() < deadline:
        for message in consumer.consume(len(firsts), WAIT_SECONDS):
            topic, partition = message.topic(), message.partition()
            if topic is not None and partition is not None and (topic, partition) in firsts:
                times.setdefault((topic, partition), _time_of(message))
    return times


def _time_of(message: Message) -> int:
    error = message.error()
    if error is not None:
        return NOTHING if error.code() == KafkaError._PARTITION_EOF else UNKNOWN
    origin, time_ms = message.timestamp()
    return UNKNOWN if origin == TIMESTAMP_NOT_AVAILABLE else int(time_ms)
