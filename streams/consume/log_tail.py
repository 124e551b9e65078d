"""Reads the recent records of topics, up to everything that is committed at the time of the call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import Topic
from streams.client_config import common_client_config, passing_reader_config
from streams.consume.record_guard import guarded
from streams.errors import KafkaUnreachable
from streams.offsets import begins_of, ends_of
from streams.records import Partition, Record
from streams.settings import KafkaSettings

__all__ = ["read_tail"]


READ_MESSAGES_MAX = 2_000
FETCH_SECONDS = 0.1
REQUEST_SECONDS_MAX = 10.0


def read_tail(
    settings: KafkaSettings,
    topics: Sequence[Topic],
    *,
    since_ms: int,
    messages_max: int,
    handle: Callable[[Record], None],
    seconds_max: float = 60.0,
) -> int:
    """Hand every committed record that Kafka received since ``since_ms`` to ``handle``; returns their number.

    Of more than ``messages_max`` records the newest are read, an equal share of each partition. A record that
    ``handle`` cannot use is logged and left out.

    An open transaction hides the records committed behind it, so this waits for its end (at most Kafka's transaction
    timeout). Raises KafkaUnreachable if the end is not reached within ``seconds_max``.
    """
    consumer = Consumer(passing_reader_config(settings, "tail.", fetch_wait_max_ms=20))
    names = [settings.prefix + topic.name for topic in topics]
    try:
        partitions = _partitions(consumer, names)
        admin = AdminClient(common_client_config(settings))
        begins, ends = begins_of(admin, partitions, max(0, since_ms)), ends_of(admin, partitions)
        share = messages_max // len(partitions)
        starts = {partition: max(begin, ends[partition] - share) for partition, begin in begins.items() if begin >= 0}
        return _read(
            consumer, starts, ends, guarded(handle, settings.message_bytes_max), time.monotonic() + seconds_max
        )
    except KafkaException as error:
        raise KafkaUnreachable(f"cannot read the end of {', '.join(names)}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _read(
    consumer: Consumer,
    starts: Mapping[Partition, int],
    ends: Mapping[Partition, int],
    handle: Callable[[Record], None],
    deadline: float,
) -> int:
    waiting = {partition: ends[partition] for partition in starts}
    consumer.assign([TopicPartition(*partition, start) for partition, start in starts.items()])
    read = 0
    while waiting:
        for message in consumer.consume(READ_MESSAGES_MAX, FETCH_SECONDS):
            error, record = message.error(), cast(Record, message)
            partition = (record.topic(), record.partition())
            if error is None:
                handle(record)
                read += 1
            elif error.code() == KafkaError._PARTITION_EOF and record.offset() >= waiting.get(partition, 0):
                waiting.pop(partition, None)
        if waiting and time.monotonic() > deadline:
            left = ", ".join(f"{topic}/{number}" for topic, number in waiting)
            raise KafkaUnreachable(f"cannot read {left} to the end in time")
    return read


def _partitions(consumer: Consumer, names: Sequence[str]) -> list[Partition]:
    partitions = []
    for name in names:
        topic = consumer.list_topics(name, timeout=REQUEST_SECONDS_MAX).topics[name]
        if topic.error is not None:
            raise KafkaException(topic.error)
        partitions += [(name, number) for number in topic.partitions]
    return partitions
