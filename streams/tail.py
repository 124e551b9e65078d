"""Reads what a topic has got lately, up to all that was committed when it was asked."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import Topic
from streams.clients import common_client_config
from streams.errors import KafkaUnreachable
from streams.lag import ends_of
from streams.records import Record
from streams.settings import KafkaSettings

__all__ = ["read_tail"]

log = structlog.get_logger(__name__)

READ_MESSAGES_MAX = 2_000
FETCH_SECONDS = 0.1
REQUEST_SECONDS_MAX = 10.0


def read_tail(
    settings: KafkaSettings,
    topics: Sequence[Topic],
    *,
    since_ms: int,
    messages_max: int,
    hear: Callable[[Record], None],
    seconds_max: float = 60.0,
) -> int:
    """Hand every committed record that Kafka took since ``since_ms`` to ``hear``; returns how many.

    At most ``messages_max`` records, the newest, an equal share of each partition.

    A transaction that is still open hides what was committed behind it, so this waits for it (at most Kafka's
    transaction timeout). Raises KafkaUnreachable where the end is not reached within ``seconds_max``.
    """
    consumer = Consumer(
        {
            **common_client_config(settings),
            "group.id": f"{settings.prefix}tail.{uuid.uuid4()}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
            "fetch.wait.max.ms": 20,
        }
    )
    names = [settings.prefix + topic.name for topic in topics]
    try:
        begins = _begins(consumer, names, since_ms)
        ends = ends_of(AdminClient(common_client_config(settings)), sorted((p.topic, p.partition) for p in begins))
        share = messages_max // len(begins)
        for begin in begins:
            if begin.offset >= 0:
                begin.offset = max(begin.offset, ends[begin.topic, begin.partition] - share)
        return _read(consumer, begins, ends, hear, time.monotonic() + seconds_max)
    except KafkaException as error:
        raise KafkaUnreachable(f"cannot read the end of {', '.join(names)}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _read(
    consumer: Consumer,
    begins: Sequence[TopicPartition],
    ends: Mapping[tuple[str, int], int],
    hear: Callable[[Record], None],
    deadline: float,
) -> int:
    waiting = {(p.topic, p.partition): ends[p.topic, p.partition] for p in begins if p.offset >= 0}
    consumer.assign([p for p in begins if p.offset >= 0])
    read = 0
    while waiting:
        for message in consumer.consume(READ_MESSAGES_MAX, FETCH_SECONDS):
            error, record = message.error(), cast(Record, message)
            place = (record.topic(), record.partition())
            if error is None:
                hear(record)
                read += 1
            elif error.code() == KafkaError._PARTITION_EOF and record.offset() >= waiting.get(place, 0):
                waiting.pop(place, None)
        if waiting and time.monotonic() > deadline:
            left = ", ".join(f"{topic}/{partition}" for topic, partition in waiting)
            raise KafkaUnreachable(f"cannot read {left} to the end in time")
    return read


def _begins(consumer: Consumer, names: Sequence[str], since_ms: int) -> list[TopicPartition]:
    """Where each partition's first record since then is; below zero where it has none."""
    asked = []
    for name in names:
        found = consumer.list_topics(name, timeout=REQUEST_SECONDS_MAX).topics[name]
        if found.error is not None:
            raise KafkaException(found.error)
        asked += [TopicPartition(name, partition, max(0, since_ms)) for partition in found.partitions]
    return list(consumer.offsets_for_times(asked, timeout=REQUEST_SECONDS_MAX))
