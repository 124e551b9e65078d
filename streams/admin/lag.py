"""How far consumer groups are behind: in messages, and in seconds, the age of the oldest message that waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import Topic
from streams.admin.first_times import NOTHING, UNKNOWN, first_times
from streams.admin.topics import partition_counts
from streams.client_config import common_client_config
from streams.errors import KafkaUnreachable
from streams.offsets import ask_committed, begins_of, ends_of, newest_ms
from streams.records import Partition
from streams.settings import KafkaSettings

__all__ = ["Lag", "lags_of_groups"]

REQUEST_SECONDS_MAX: Final = 10.0

Unread = dict[Partition, tuple[int, int]]
"""The first offset that a group has not read of a partition (full name of its topic), and where that ends."""


class Lag(NamedTuple):
    """How far a group is behind: ``messages`` that wait, and for how many ``seconds`` the oldest of them has.

    None where messages wait whose age cannot be told; 0 where none does. Ages are by the broker's clock, which took the
    messages, up to now by our own, or by the newest message where ours is behind.
    """

    messages: int
    seconds: float | None


def lags_of_groups(
    settings: KafkaSettings, groups: Mapping[str, Iterable[Topic]], *, clock: Callable[[], float] = time.time
) -> dict[str, Lag]:
    """The lag of each group; a partition where nothing but transaction markers is unread has none.

    One message of each partition that is behind is read: the oldest that waits. Raises KafkaUnreachable.
    """
    admin = AdminClient(common_client_config(settings))
    unread = _unread(settings, admin, groups)
    asked = {(partition, first) for behind in unread.values() for partition, (first, _) in behind.items()}
    if not asked:
        return dict.fromkeys(unread, Lag(0, 0.0))
    try:
        times = first_times(settings, asked)
        now_ms = max(clock() * 1000, newest_ms(admin, sorted({partition for partition, _ in asked})))
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
    """What each group has not read, markers and open transactions included; only partitions of which there is some."""
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
        committed = {group: _committed(settings, group, some) for group, some in read_by.items()}
        every = sorted(partition for of_topic in partitions.values() for partition in of_topic)
        begins, ends = begins_of(admin, every), ends_of(admin, every)
    except KafkaException as error:
        raise KafkaUnreachable(f"lag is unknown: {error.args[0].str()}") from error
    return {
        group: {
            partition: (first, ends[partition])
            for partition in some
            if (first := max(begins[partition], committed[group].get(partition, 0))) < ends[partition]
        }
        for group, some in read_by.items()
    }


def _committed(settings: KafkaSettings, group: str, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """What a group has committed of these partitions; nothing where there is no such group.

    It is a consumer that asks, and never joins the group: an admin client dies, and its process with it, where a
    coordinator answers that it is none, as one that has just started does (librdkafka's issue 5040).
    """
    with closing(Consumer({**common_client_config(settings), "group.id": settings.prefix + group})) as consumer:
        stands = ask_committed(consumer, [TopicPartition(*partition) for partition in partitions], REQUEST_SECONDS_MAX)
    return {(stand.topic, stand.partition): stand.offset for stand in stands if stand.offset >= 0}
