"""How far consumer groups are behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import stamina
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from schemas.topics import Topic
from streams.admin import partition_counts
from streams.clients import common_client_config
from streams.committed import ask_committed
from streams.errors import KafkaUnreachable
from streams.settings import KafkaSettings

__all__ = ["begins_of", "ends_of", "lag_of_groups"]

REQUEST_SECONDS_MAX = 10.0
NO_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)


def lag_of_groups(settings: KafkaSettings, groups: Mapping[str, Iterable[Topic]]) -> dict[str, int]:
    """Messages of its topics that each group has not read yet: all that there are, where it committed nothing.

    Transaction markers count as messages, so a group that has read everything may show a few. Raises KafkaUnreachable.
    """
    admin = AdminClient(common_client_config(settings))
    topics = {topic.name: topic for read in groups.values() for topic in read}
    places = {
        name: [(settings.prefix + name, partition) for partition in range(partitions)]
        for name, partitions in partition_counts(settings, list(topics.values())).items()
    }
    try:
        committed = {
            group: _committed(settings, group, [place for topic in read for place in places.get(topic.name, ())])
            for group, read in groups.items()
        }
        every = sorted(place for of_topic in places.values() for place in of_topic)
        begins, ends = _offsets(admin, every, OffsetSpec.earliest()), ends_of(admin, every)  # type: ignore[no-untyped-call]
    except KafkaException as error:
        raise KafkaUnreachable(f"lag is unknown: {error.args[0].str()}") from error
    return {
        group: sum(
            max(0, ends[place] - max(begins[place], committed[group].get(place, 0)))
            for topic in read
            for place in places.get(topic.name, ())
        )
        for group, read in groups.items()
    }


def _committed(settings: KafkaSettings, group: str, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """What a group has committed of these partitions; nothing where there is no such group.

    It is a consumer that asks, and never joins the group: an admin client dies, and its process with it, where a
    coordinator answers that it is none, as one that has just started does (librdkafka's issue 5040).
    """
    with closing(Consumer({**common_client_config(settings), "group.id": settings.prefix + group})) as consumer:
        found = ask_committed(consumer, [TopicPartition(*place) for place in places], REQUEST_SECONDS_MAX)
    return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}


def ends_of(admin: AdminClient, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The end of each partition, given by the topic's full name, of open transactions too."""
    return _offsets(admin, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # types most of itself


def begins_of(admin: AdminClient, places: Sequence[tuple[str, int]], since_ms: int) -> dict[tuple[str, int], int]:
    """The first offset of each partition since then, of open transactions too; below zero where nothing came since."""
    return _offsets(admin, places, OffsetSpec.for_timestamp(since_ms))


def _is_passing(error: Exception) -> bool:
    """A partition without a leader, as one just created may be, has one in a moment."""
    return isinstance(error, KafkaException) and bool(error.args[0].retriable() or error.args[0].code() in NO_LEADER)


@stamina.retry(on=_is_passing, attempts=None, timeout=REQUEST_SECONDS_MAX)
def _offsets(admin: AdminClient, places: Sequence[tuple[str, int]], asked: Any) -> dict[tuple[str, int], int]:
    if not places:
        return {}
    futures: dict[Any, Any] = admin.list_offsets(
        {TopicPartition(topic, partition): asked for topic, partition in places}, request_timeout=REQUEST_SECONDS_MAX
    )
    return {(place.topic, place.partition): future.result().offset for place, future in futures.items()}
