"""How far consumer groups are behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from streams.clients import common_client_config
from streams.errors import KafkaUnreachable
from streams.settings import KafkaSettings

__all__ = ["begins_of", "ends_of", "lag_of_groups"]

REQUEST_SECONDS_MAX = 10.0


def lag_of_groups(settings: KafkaSettings, groups: Sequence[str]) -> dict[str, int | None]:
    """Messages between what a group has committed and the end of its partitions; None where it committed nothing.

    Transaction markers count as messages, so a group that has read everything may show a few. Raises KafkaUnreachable.
    """
    admin = AdminClient(common_client_config(settings))
    try:
        committed = {group: _committed(admin, settings.prefix + group) for group in groups}
        places = {(p.topic, p.partition) for found in committed.values() for p in found}
        ends = ends_of(admin, sorted(places))
    except KafkaException as error:
        raise KafkaUnreachable(f"lag is unknown: {error.args[0].str()}") from error
    return {
        group: sum(max(0, ends[p.topic, p.partition] - p.offset) for p in found) if found else None
        for group, found in committed.items()
    }


def _committed(admin: AdminClient, group: str) -> list[TopicPartition]:
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group)], request_timeout=REQUEST_SECONDS_MAX
    )
    try:
        found = asked[group].result()
    except KafkaException as error:
        if error.args[0].name() in ("GROUP_ID_NOT_FOUND", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"):
            return []
        raise
    return [place for place in found.topic_partitions if place.offset >= 0]


def ends_of(admin: AdminClient, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The end of each partition, given by the topic's full name, of open transactions too."""
    return _offsets(admin, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # types most of itself


def begins_of(admin: AdminClient, places: Sequence[tuple[str, int]], since_ms: int) -> dict[tuple[str, int], int]:
    """The first offset of each partition since then, of open transactions too; below zero where nothing came since."""
    return _offsets(admin, places, OffsetSpec.for_timestamp(since_ms))


def _offsets(admin: AdminClient, places: Sequence[tuple[str, int]], asked: Any) -> dict[tuple[str, int], int]:
    if not places:
        return {}
    futures: dict[Any, Any] = admin.list_offsets(
        {TopicPartition(topic, partition): asked for topic, partition in places}, request_timeout=REQUEST_SECONDS_MAX
    )
    return {(place.topic, place.partition): future.result().offset for place, future in futures.items()}
