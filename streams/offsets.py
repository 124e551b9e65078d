"""Offsets of partitions: where they begin and end, and what a consumer group has committed.

Every question is asked again for a while, because Kafka may just be starting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import stamina
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from streams.errors import KafkaUnreachable
from streams.records import Partition

__all__ = ["ask_committed", "begins_of", "committed", "ends_of", "newest_ms"]

ANSWER_SECONDS_MAX: Final = 10.0
LIST_SECONDS_MAX: Final = 10.0
COMMITTED_SECONDS_MAX: Final = 120.0
"""Less than the time after which the group gives up a member that is still busy with its assignment."""
NO_LEADER: Final = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
PASSING: Final = (
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._WAIT_COORD,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)


def committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """What the consumer's group has committed of these partitions; an offset is below zero if nothing.

    Raises KafkaUnreachable if Kafka does not answer within ``COMMITTED_SECONDS_MAX``. It raises no other error on
    purpose: the client turns an error that is raised while it assigns partitions into something that is no exception
    and that no ``except`` clause with a name catches.
    """
    try:
        return ask_committed(consumer, partitions, COMMITTED_SECONDS_MAX)
    except KafkaException as error:
        raise KafkaUnreachable(f"what was committed is unknown: {error.args[0].str()}{_hint(error)}") from error


def ask_committed(consumer: Consumer, partitions: list[TopicPartition], seconds_max: float) -> list[TopicPartition]:
    """The same as ``committed``, asked again for ``seconds_max``; raises KafkaException."""
    if not partitions:
        return []
    for attempt in stamina.retry_context(on=_is_passing, attempts=None, timeout=seconds_max, wait_max=1.0):
        with attempt:
            stands = consumer.committed(partitions, ANSWER_SECONDS_MAX)
            for stand in stands:
                if stand.error is not None:
                    raise KafkaException(stand.error)
    return stands


def _is_passing(error: Exception) -> bool:
    return isinstance(error, KafkaException) and bool(error.args[0].retriable() or error.args[0].code() in PASSING)


def _hint(error: KafkaException) -> str:
    """The client reports the same error for a silent broker and for offsets of a transaction that has not ended."""
    if error.args[0].code() != KafkaError._TIMED_OUT:
        return ""
    return (
        "; if Kafka answers otherwise, a transaction of this group has no end (Kafka 4.3 and 4.4 can lose it, "
        "KAFKA-20734): kafka-transactions.sh find-hanging names it, and abort ends it"
    )


def begins_of(admin: AdminClient, partitions: Sequence[Partition], since_ms: int | None = None) -> dict[Partition, int]:
    """The first offset of each partition, given by the topic's full name; with ``since_ms``, the first since then.

    ``since_ms`` is in epoch milliseconds; a partition without a message since then gets an offset below zero. Offsets
    of open transactions count. Raises KafkaException.
    """
    asked = OffsetSpec.earliest() if since_ms is None else OffsetSpec.for_timestamp(since_ms)  # type: ignore[no-untyped-call]
    return _offsets(admin, partitions, asked)


def ends_of(admin: AdminClient, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """The offset behind the last message of each partition, open transactions included. Raises KafkaException."""
    return _offsets(admin, partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]


def newest_ms(admin: AdminClient, partitions: Sequence[Partition]) -> int:
    """When the newest message of these partitions arrived, in epoch milliseconds; 0 where there is none.

    Raises KafkaException.
    """
    newest = _listed(admin, partitions, OffsetSpec.max_timestamp())  # type: ignore[no-untyped-call]
    return max((result.timestamp for result in newest.values()), default=0)


def _waits_for_leader(error: Exception) -> bool:
    """A partition that was just created may have no leader for a moment."""
    return isinstance(error, KafkaException) and bool(error.args[0].retriable() or error.args[0].code() in NO_LEADER)


def _offsets(admin: AdminClient, partitions: Sequence[Partition], asked: Any) -> dict[Partition, int]:
    return {partition: result.offset for partition, result in _listed(admin, partitions, asked).items()}


@stamina.retry(on=_waits_for_leader, attempts=None, timeout=LIST_SECONDS_MAX)
def _listed(admin: AdminClient, partitions: Sequence[Partition], asked: Any) -> dict[Partition, Any]:
    if not partitions:
        return {}
    futures: dict[Any, Any] = admin.list_offsets(
        {TopicPartition(*partition): asked for partition in partitions}, request_timeout=LIST_SECONDS_MAX
    )
    return {(asked_of.topic, asked_of.partition): future.result() for asked_of, future in futures.items()}
