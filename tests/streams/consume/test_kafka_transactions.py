"""The embedded broker's transactions, on which exactly-once rests."""

from __future__ import annotations

import pathlib
import threading
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from embedded.kafka.server import EmbeddedKafka
from schemas.topics import PREDICTIONS, VERDICTS
from streams.admin.authority import EVERYBODY
from streams.admin.commit_notes import commit_notes
from streams.admin.topics import create_topics, full_name
from streams.client_config import common_client_config
from streams.consume.transactions import TransactionalBatches
from streams.settings import KafkaSettings
from tests.support.kafka_nodes import kill_node, restart_node
from tests.support.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.servers


def consume(consumer: Consumer, count: int, seconds_max: float = PATIENCE_SECONDS) -> list[Message]:
    messages: list[Message] = []
    deadline = time.monotonic() + seconds_max
    while len(messages) < count and time.monotonic() < deadline:
        messages += [message for message in consumer.consume(100, 0.2) if message.error() is None]
    return messages


def test_outputs_and_offsets_are_committed_together(kafka_topics: KafkaSettings) -> None:
    """An aborted attempt leaves neither outputs nor offsets; the second one leaves each output once."""
    common = common_client_config(kafka_topics)
    source, sink = full_name(kafka_topics, PREDICTIONS), full_name(kafka_topics, VERDICTS)
    plain = Producer(common)
    for number in range(50):
        plain.produce(source, str(number).encode(), partition=0)
    assert plain.flush(20) == 0

    group = kafka_topics.prefix + "group"
    consumer = Consumer(common | {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(source, 0, OFFSET_BEGINNING)])
    producer = Producer(common | {"transactional.id": group})
    producer.init_transactions(20)
    messages = consume(consumer, 50)
    assert len(messages) == 50
    for commits in (False, True):
        producer.begin_transaction()
        for message in messages:
            producer.produce(sink, message.value(), partition=0)
        position = [TopicPartition(source, 0, 50)]
        producer.send_offsets_to_transaction(position, consumer.consumer_group_metadata(), 20)
        if commits:
            producer.commit_transaction(20)
        else:
            producer.flush(20)
            producer.abort_transaction(20)
            assert consumer.committed([TopicPartition(source, 0)], 20)[0].offset < 0
    assert consumer.committed([TopicPartition(source, 0)], 20)[0].offset == 50
    consumer.close()

    counts = {}
    for level in ("read_committed", "read_uncommitted"):
        reader = Consumer(common | {"group.id": f"{group}.{level}", "isolation.level": level})
        reader.assign([TopicPartition(sink, 0, OFFSET_BEGINNING)])
        counts[level] = len(consume(reader, 50 if level == "read_committed" else 100))
        counts[level] += len(reader.consume(100, 0.3))
        reader.close()
    assert counts == {"read_committed": 50, "read_uncommitted": 100}


def test_a_note_is_committed_with_the_offsets(kafka_topics: KafkaSettings) -> None:
    """What the handler of batches has to say is readable by whoever asks for the group's offsets."""
    plain = Producer(common_client_config(kafka_topics))
    plain.produce(full_name(kafka_topics, PREDICTIONS), b"x", partition=0)
    assert plain.flush(20) == 0
    batches = TransactionalBatches(
        kafka_topics,
        group="noted",
        slot="0",
        topics=[PREDICTIONS],
        handle=lambda _records, _outbox: None,
        undo=lambda: None,
        note=lambda: "remembered_seconds=41",
    )
    stop = threading.Event()
    running = threading.Thread(target=batches.run, args=(stop,))
    running.start()
    try:
        notes = eventually("a note", lambda: commit_notes(kafka_topics, "noted", [PREDICTIONS]))
    finally:
        stop.set()
        running.join(PATIENCE_SECONDS)
    assert notes == ["remembered_seconds=41"]


def test_a_transaction_ends_although_its_broker_was_killed(tmp_path: pathlib.Path) -> None:
    """What was open when worker and broker were killed is rolled back after a restart, and readers go on behind it.

    While a broker that comes back is fenced its partitions have no leader: the roll-back must wait, not be dropped.
    """
    timeout_seconds = 1.0
    with EmbeddedKafka(tmp_path, access=EVERYBODY) as kafka:
        settings = KafkaSettings(bootstrap=kafka.bootstrap)
        create_topics(settings, [VERDICTS])
        common, partition = (
            common_client_config(settings),
            TopicPartition(full_name(settings, VERDICTS), 0, OFFSET_BEGINNING),
        )
        transactional = {"transaction.timeout.ms": int(timeout_seconds * 1000), "message.timeout.ms": 900}
        killed = Producer(common | transactional | {"transactional.id": "worker"})
        killed.init_transactions(20)
        killed.begin_transaction()
        killed.produce(partition.topic, b"rolled back", partition=0)
        assert killed.flush(20) == 0
        kill_node(kafka)
        time.sleep(timeout_seconds)
        with (kafka.cluster.folder / kafka.cluster.properties_file(1)).open("a") as properties:
            properties.write("\ntransaction.abort.timed.out.transaction.cleanup.interval.ms=50\n")
        restart_node(kafka)
        plain = Producer(common)
        plain.produce(partition.topic, b"after", partition=0)
        assert plain.flush(20) == 0
        reader = Consumer(common | {"group.id": "reader", "isolation.level": "read_committed"})
        reader.assign([partition])
        assert [message.value() for message in consume(reader, 1)] == [b"after"]
        reader.close()
