"""The lag of consumer groups: the number of messages that wait, and the age of the oldest of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import Topic
from streams.admin.topics import partition_counts
from streams.client_config import common_client_config, passing_reader_config
from streams.errors import KafkaUnreachable
from streams.offsets import ask_committed, begins_of, ends_of, newest_ms
from streams.records import Partition
from streams.settings import KafkaSettings

__all__ = ["Lag", "first_times", "lags_of_groups"]

REQUEST_SECONDS_MAX: Final = 10.0
NOTHING: Final = -1
"""No message is behind the offset: only transaction markers, or messages of an open transaction."""
UNKNOWN: Final = -2
"""The message could not be read, or not in time."""
READ_SECONDS_MAX: Final = 5.0
WAIT_SECONDS: Final = 0.1

Unread = dict[Partition, tuple[int, int]]
"""Partition (by the topic's full name) to the first offset that a group has not read and the partition's end."""


class Lag(NamedTuple):
    """The lag of a group: the number of ``messages`` that wait, and the age of the oldest of them in ``seconds``.

    ``seconds`` is 0 if no message waits, None if the age is unknown. A message came when the broker's clock says; the
    age counts until now by our own clock, or until the newest message if our clock is behind.
    """

    messages: int
    seconds: float | None


def lags_of_groups(
    settings: KafkaSettings, groups: Mapping[str, Iterable[Topic]], *, clock: Callable[[], float] = time.time
) -> dict[str, Lag]:
    """The lag of each group on the topics that it reads. Transaction markers do not count.

    The oldest waiting message of each partition is read. ``clock`` returns epoch seconds. Raises KafkaUnreachable.
    """
    admin = AdminClient(common_client_config(settings))
    unread = _unread(settings, admin, groups)
    firsts = {(partition, first) for behind in unread.values() for partition, (first, _) in behind.items()}
    if not firsts:
        return dict.fromkeys(unread, Lag(0, 0.0))
    try:
        times = first_times(settings, firsts)
        now_ms = max(clock() * 1000, newest_ms(admin, sorted({partition for partition, _ in firsts})))
    except KafkaException as error:
        raise KafkaUnreachable(f"lag is unknown: {error.args[0].str()}") from error
    return {group: _lag(behind, times, now_ms) for group, behind in unread.items()}


def _lag(unread: Unread, times: Mapping[tuple[Partition, int], int], now_ms: float) -> Lag:
    came_at = {partition: times[partition, first] for partition, (first, _) in unread.items()}
    waiting = {partition: time_ms for partition, time_ms in came_at.items() if time_ms != NOTHING}
    messages = sum(unread[partition][1] - unread[partition][0] for partition in waiting)
    known = [time_ms for time_ms in waiting.values() if time_ms != UNKNOWN]
    if not waiting:
        return Lag(0, 0.0)
    return Lag(messages, max(0.0, now_ms - min(known)) / 1000 if known else None)


def _unread(settings: KafkaSettings, admin: AdminClient, groups: Mapping[str, Iterable[Topic]]) -> dict[str, Unread]:
    """The unread offsets of each group, transaction markers and open transactions included.

    A partition that the group has read to its end is left out.
    """
    topics = {topic.name: topic for read in groups.values() for topic in read}
    partitions = {
        name: [(settings.prefix + name, number) for number in range(count)]
        for name, count in partition_counts(settings, list(topics.values())).items()
    }
    read_by = {
        group: [partition for topic in read for partition in partitions.get(topic.name, ())]
        for group, read in groups.items()
    }
    try:
        committed = {group: _committed(settings, group, read) for group, read in read_by.items()}
        all_partitions = sorted(partition for of_topic in partitions.values() for partition in of_topic)
        begins, ends = begins_of(admin, all_partitions), ends_of(admin, all_partitions)
    except KafkaException as error:
        raise KafkaUnreachable(f"lag is unknown: {error.args[0].str()}") from error
    return {
        group: {
            partition: (first, ends[partition])
            for partition in read
            if (first := max(begins[partition], committed[group].get(partition, 0))) < ends[partition]
        }
        for group, read in read_by.items()
    }


def _committed(settings: KafkaSettings, group: str, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """The offsets that a group has committed of these partitions; empty if there is no such group.

    A consumer asks for them, without joining the group. An admin client would end the process if a broker answers that
    it is no coordinator, as a broker that has just started does (librdkafka's issue 5040).
    """
    with closing(Consumer({**common_client_config(settings), "group.id": settings.prefix + group})) as consumer:
        stands = ask_committed(consumer, [TopicPartition(*partition) for partition in partitions], REQUEST_SECONDS_MAX)
    return {(stand.topic, stand.partition): stand.offset for stand in stands if stand.offset >= 0}


def first_times(
    settings: KafkaSettings, offsets: Iterable[tuple[Partition, int]], *, seconds_max: float = READ_SECONDS_MAX
) -> dict[tuple[Partition, int], int]:
    """When the first committed message at or behind each offset came: epoch milliseconds, by the broker's clock.

    An offset stands with its partition (by the topic's full name), which may occur more than once. The time is
    ``NOTHING`` if there is no message, ``UNKNOWN`` if it could not be read within ``seconds_max``. It commits nothing.
    """
    times_ms: dict[tuple[Partition, int], int] = {}
    rounds: list[dict[Partition, int]] = []  # one offset of a partition in each
    for partition, offset in sorted(offsets):
        firsts = next((firsts for firsts in rounds if partition not in firsts), None)
        if firsts is None:
            rounds.append(firsts := {})
        firsts[partition] = offset
    deadline = time.monotonic() + seconds_max
    with closing(Consumer(_reader_config(settings))) as consumer:
        for firsts in rounds:
            times = _read(consumer, firsts, deadline)
            times_ms |= {(partition, offset): times.get(partition, UNKNOWN) for partition, offset in firsts.items()}
    return times_ms


def _reader_config(settings: KafkaSettings) -> dict[str, object]:
    return passing_reader_config(
        settings,
        auto_offset_reset="earliest",
        queued_min_messages=1,
        fetch_message_max_bytes=16 * 1024,
        fetch_wait_max_ms=50,
    )


def _read(consumer: Consumer, firsts: dict[Partition, int], deadline: float) -> dict[Partition, int]:
    """The time of the first message of each partition from its offset on, if it is read before the deadline."""
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
