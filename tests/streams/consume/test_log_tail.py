"""The tail of a topic: the records since a time, up to those committed at the time of the call."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas.topics import CORRECTIONS, VERDICTS
from streams.consume.log_tail import read_tail
from streams.produce.outbox import Outbox, producer_config
from streams.settings import KafkaSettings

pytestmark = pytest.mark.servers


def send(kafka: KafkaSettings, numbers: range) -> None:
    outbox = Outbox(kafka)
    for number in numbers:
        outbox.send(VERDICTS, f"{number}", f"{number}".encode())
    outbox.flush()


def read(kafka: KafkaSettings, **options: Any) -> list[int]:
    numbers: list[int] = []
    chosen: dict[str, Any] = {"since_ms": 0, "messages_max": 1_000, **options}
    keep = lambda record: numbers.append(int(record.value() or b""))  # noqa: E731
    read_tail(kafka, [VERDICTS, CORRECTIONS], handle=keep, **chosen)
    return sorted(numbers)


def test_it_reads_what_came_since(kafka_topics: KafkaSettings) -> None:
    """All records since a time, of all partitions and topics; none if none arrived since."""
    assert read(kafka_topics) == []
    send(kafka_topics, range(50))
    time.sleep(0.05)
    since_ms = int(time.time() * 1000)
    send(kafka_topics, range(50, 80))
    assert read(kafka_topics) == list(range(80))
    assert read(kafka_topics, since_ms=since_ms) == list(range(50, 80))
    assert read(kafka_topics, since_ms=since_ms + 3_600_000) == []


def test_it_is_bounded(kafka_topics: KafkaSettings) -> None:
    """At most so many messages, the newest of each partition."""
    send(kafka_topics, range(400))
    numbers = read(kafka_topics, messages_max=100)
    assert 0 < len(numbers) <= 100
    assert max(numbers) > 390


def test_it_waits_for_open_transactions_and_leaves_out_aborted_ones(kafka_topics: KafkaSettings) -> None:
    """Records committed behind an open transaction are read once that transaction has ended."""
    producer = Producer({**producer_config(kafka_topics), "transactional.id": "tail-test"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for partition in range(2):
        producer.produce(kafka_topics.prefix + VERDICTS.name, b"1000", partition=partition)
    producer.flush(30)
    send(kafka_topics, range(20))
    timer = threading.Timer(1.0, lambda: producer.abort_transaction(30))
    timer.start()
    assert read(kafka_topics) == list(range(20))
    timer.join()
