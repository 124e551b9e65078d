"""How far consumer groups are behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import stamina
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from schemas.topics import Topic
from streams.admin import partition_counts
from streams.clients import common_client_config
from streams.errors import KafkaUnreachable
from streams.settings import KafkaSettings

__all__ = ["begins_of", "ends_of", "lag_of_groups"]

REQUEST_SECONDS_MAX = 10.0
NO_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
COORDINATOR_MOVES = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)


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
    every = sorted(place for of_topic in places.values() for place in of_topic)
    try:
        committed = {group: _committed(settings, group, every) for group in groups}
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
    """What a group has committed of ``places``; nothing where there is no such group.

    A consumer asks, which does not join: librdkafka's admin client ends the whole process where a coordinator that it
    knows answers that it is none, as one does that just started (confluentinc/librdkafka, issue 5040).
    """
    asking = Consumer({**common_client_config(settings), "group.id": settings.prefix + group})
    try:
        found = _ask_committed(asking, [TopicPartition(*place) for place in places])
    finally:
        asking.close()
    return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}


def _coordinator_moves(error: Exception) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in COORDINATOR_MOVES


@stamina.retry(on=_coordinator_moves, attempts=None, timeout=REQUEST_SECONDS_MAX)
def _ask_committed(asking: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
    found = asking.committed(places, timeout=REQUEST_SECONDS_MAX) if places else []
    for place in found:
        if place.error is not None:
            raise KafkaException(place.error)
    return found


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
