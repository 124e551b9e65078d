"""A failed transaction is aborted and tried again, or left with its producer if Kafka does not allow an abort."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.consume.transactions import TransactionalBatches
from streams.settings import KafkaSettings

PLACE = ("predictions", 0)
COMMITTED, FIRST = 5, 7
ASKS_FOR_ABORT = KafkaException(KafkaError(KafkaError._TIMED_OUT, "2 messages timed out", txn_requires_abort=True))


class Message:
    """The part of it that the tests need."""

    def topic(self) -> str:
        return PLACE[0]

    def partition(self) -> int:
        return PLACE[1]

    def offset(self) -> int:
        return FIRST


class Producer:
    """A producer whose transactions end like this."""

    def __init__(self, end: KafkaException | None = None) -> None:
        self._end = end

    def init_transactions(self, _seconds: float) -> None:
        return None

    def abort_transaction(self, _seconds: float) -> None:
        if self._end is not None:
            raise self._end


class Consumer:
    """A consumer whose group has committed ``COMMITTED``."""

    def __init__(self) -> None:
        self.sought: list[int] = []

    def committed(self, partitions: Sequence[TopicPartition], _seconds: float) -> list[TopicPartition]:
        return [TopicPartition(partition.topic, partition.partition, COMMITTED) for partition in partitions]

    def seek(self, partition: TopicPartition) -> None:
        self.sought.append(partition.offset)


class Failed:
    """A commit that has failed."""

    def wait(self) -> None:
        raise ASKS_FOR_ABORT


def failed(end: KafkaException | None) -> tuple[TransactionalBatches, Consumer, list[str]]:
    """Batches whose commit failed, and whose transaction can be ended like this."""
    told: list[str] = []
    made: Any = TransactionalBatches(
        KafkaSettings(),
        group="intake",
        slot="0",
        handle=lambda *_: None,
        undo=lambda: told.append("undone"),
        topics=[],
    )
    consumer = Consumer()
    made._consumer, made._producer, made._new_producer = consumer, Producer(end), Producer
    made._owned, made._in_hand, made._under_way = {PLACE}, [Message()], Failed()
    return made, consumer, told


def test_a_failed_transaction_is_ended_and_tried_again() -> None:
    """The batch comes again from its first message, by the same producer."""
    made, consumer, told = failed(None)
    producer = made._producer
    assert not made._settled(())
    assert (consumer.sought, told, made._producer) == ([FIRST], ["undone"], producer)


def test_a_transaction_that_cannot_be_ended_is_left_with_its_producer() -> None:
    """A coordinator that moved may not know the transaction, which is fatal: a new producer goes on as committed."""
    made, consumer, told = failed(KafkaException(KafkaError(KafkaError.INVALID_TXN_STATE, "invalid", fatal=True)))
    producer = made._producer
    assert not made._settled(())
    assert (consumer.sought, told) == ([COMMITTED], ["undone"])
    assert made._producer is not producer


def test_a_worker_whose_slot_was_taken_does_not_go_on() -> None:
    """A worker that was fenced does not fence the new owner of the slot in turn."""
    fenced = KafkaException(KafkaError(KafkaError._FENCED, "fenced", fatal=True))
    made, _, told = failed(fenced)
    with pytest.raises(KafkaException) as raised:
        made._settled(())
    assert raised.value is fenced
    assert told == []
