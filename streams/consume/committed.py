"""What a consumer group has committed, asked while Kafka may just be starting."""

from __future__ import annotations

from typing import Final

import stamina
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.errors import KafkaUnreachable

__all__ = ["ask_committed", "committed"]

ANSWER_SECONDS_MAX: Final = 10.0
ASKED_SECONDS_MAX: Final = 120.0
"""Less than the time after which the group takes a member for dead that is still busy with its assignment."""
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
    """Where the consumer's group stands; asked again while that may help. Raises KafkaUnreachable.

    An error that the client raises while it assigns partitions comes out of ``consume`` as something that is no
    exception, and that no ``except`` with a name catches: it must not get there.
    """
    try:
        return ask_committed(consumer, partitions, ASKED_SECONDS_MAX)
    except KafkaException as error:
        raise KafkaUnreachable(f"what was committed is unknown: {error.args[0].str()}{_hint(error)}") from error


def _hint(error: KafkaException) -> str:
    """The client says the same of a broker that is silent and of offsets that wait for the end of a transaction."""
    if error.args[0].code() != KafkaError._TIMED_OUT:
        return ""
    return (
        "; if Kafka answers otherwise, a transaction of this group has no end (Kafka 4.3 and 4.4 can lose it, "
        "KAFKA-20734): kafka-transactions.sh find-hanging names it, and abort ends it"
    )


def _is_passing(error: Exception) -> bool:
    return isinstance(error, KafkaException) and bool(error.args[0].retriable() or error.args[0].code() in PASSING)


def ask_committed(consumer: Consumer, partitions: list[TopicPartition], seconds_max: float) -> list[TopicPartition]:
    """The same, asked again for ``seconds_max``; raises KafkaException."""
    if not partitions:
        return []
    for attempt in stamina.retry_context(on=_is_passing, attempts=None, timeout=seconds_max, wait_max=1.0):
        with attempt:
            stands = consumer.committed(partitions, ANSWER_SECONDS_MAX)
            for stand in stands:
                if stand.error is not None:
                    raise KafkaException(stand.error)
    return stands
