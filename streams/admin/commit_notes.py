"""The texts that the members of a consumer group committed with their offsets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import Topic
from streams.admin.topics import partition_counts
from streams.client_config import common_client_config
from streams.errors import KafkaUnreachable
from streams.offsets import ask_committed
from streams.settings import KafkaSettings

__all__ = ["commit_notes"]

REQUEST_SECONDS_MAX: Final = 10.0


def commit_notes(settings: KafkaSettings, group: str, topics: Sequence[Topic]) -> list[str]:
    """The note of each partition of these topics that has one, as it was committed last. Raises KafkaUnreachable."""
    counts = partition_counts(settings, list(topics))
    partitions = [
        TopicPartition(settings.prefix + name, number) for name, count in counts.items() for number in range(count)
    ]
    try:
        with closing(Consumer({**common_client_config(settings), "group.id": settings.prefix + group})) as consumer:
            stands = ask_committed(consumer, partitions, REQUEST_SECONDS_MAX)
    except KafkaException as error:
        raise KafkaUnreachable(f"what {group} committed is unknown: {error.args[0].str()}") from error
    return [stand.metadata for stand in stands if stand.offset >= 0 and stand.metadata]
