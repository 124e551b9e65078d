"""When the first message behind an offset came: one message read of a partition, none committed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from typing import Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, Message, TopicPartition

from streams.clients import passing_reader_config
from streams.settings import KafkaSettings

__all__ = ["NOTHING", "UNKNOWN", "first_times"]

NOTHING: Final = -1
"""No message lies behind the offset: markers at most, or what an open transaction holds back."""
UNKNOWN: Final = -2
"""It could not be read in time, or not at all."""

READ_SECONDS_MAX: Final = 5.0
WAIT_SECONDS: Final = 0.1

Place = tuple[str, int]


def first_times(
    settings: KafkaSettings, asked: Iterable[tuple[Place, int]], *, seconds_max: float = READ_SECONDS_MAX
) -> dict[tuple[Place, int], int]:
    """Epoch milliseconds, by the broker's clock, of the first committed message at or behind each offset.

    ``asked`` are partitions (full name of the topic, number) with an offset, a partition as often as wanted.
    """
    found: dict[tuple[Place, int], int] = {}
    rounds: list[dict[Place, int]] = []
    for place, offset in sorted(asked):
        free = next((some for some in rounds if place not in some), None)
        if free is None:
            rounds.append(free := {})
        free[place] = offset
    deadline = time.monotonic() + seconds_max
    with closing(Consumer(_config(settings))) as consumer:
        for some in rounds:
            times = _read(consumer, some, deadline)
            found |= {(place, offset): times.get(place, UNKNOWN) for place, offset in some.items()}
    return found


def _config(settings: KafkaSettings) -> dict[str, object]:
    return passing_reader_config(
        settings,
        auto_offset_reset="earliest",
        queued_min_messages=1,
        fetch_message_max_bytes=16 * 1024,
        fetch_wait_max_ms=50,
    )


def _read(consumer: Consumer, firsts: dict[Place, int], deadline: float) -> dict[Place, int]:
    """The time of the first message of each partition, as far as they come before the deadline."""
    consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in firsts.items()])
    times: dict[Place, int] = {}
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
