"""The committed offsets of a group, if Kafka does not answer at once, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.errors import KafkaUnreachable
from streams.offsets import committed

PARTITIONS = [TopicPartition("predictions", 0)]


class Slow:
    """A consumer that gives these answers, one after the other."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def committed(self, _partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return answer  # type: ignore[no-any-return]


def test_a_kafka_that_is_starting_is_asked_again() -> None:
    """A worker that gets its partitions while its coordinator loads goes on as soon as that is done."""
    slow = Slow(KafkaError._TIMED_OUT, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, [TopicPartition("predictions", 0, 7)])
    assert [partition.offset for partition in committed(slow, PARTITIONS)] == [7]  # type: ignore[arg-type]
    assert slow.answers == []


def test_what_does_not_pass_is_an_exception_with_words() -> None:
    """An error that asking again does not repair ends the worker with one line, instead of leaving it stuck."""
    with pytest.raises(KafkaUnreachable, match="what was committed is unknown"):
        committed(Slow(KafkaError.GROUP_AUTHORIZATION_FAILED), PARTITIONS)  # type: ignore[arg-type]


def test_offsets_that_wait_for_a_lost_transaction_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client only says "timed out": the line names what else it may be, and the tool that ends it."""
    monkeypatch.setattr("streams.offsets.COMMITTED_SECONDS_MAX", 0.01)
    with pytest.raises(KafkaUnreachable, match=r"Timed out; if Kafka answers otherwise, .*KAFKA-20734.*find-hanging"):
        committed(Slow(*[KafkaError._TIMED_OUT] * 10), PARTITIONS)  # type: ignore[arg-type]


def test_nothing_is_asked_of_no_partition() -> None:
    """For an empty assignment Kafka is not asked."""
    assert committed(Slow(), []) == []  # type: ignore[arg-type]
