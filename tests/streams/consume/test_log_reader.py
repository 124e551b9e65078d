"""LogReader on a real Kafka: it reads all records that are there, then new ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.topics import LABELS, PEOPLE, PREDICTIONS, VERDICTS
from streams.admin.topics import create_topics
from streams.consume.log_reader import LogReader
from streams.produce.outbox import Outbox
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.batch_loops import committed, echo, send, transactional, wait_for
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.servers


def test_catch_up_ends_on_transactions(kafka_topics: KafkaSettings, running: Any) -> None:
    """A topic that ends in markers and aborted messages is read to its end, and its committed records are handed on."""
    send(kafka_topics, PREDICTIONS, 20)
    loop = running(transactional(kafka_topics).run)
    wait_for("verdicts", lambda: len(committed(kafka_topics, VERDICTS)) == 20, loop)
    loop.end()

    def dies(records: Sequence[Record], outbox: Outbox) -> None:
        echo(records, outbox)
        outbox.flush()
        raise RuntimeError("died")

    send(kafka_topics, PREDICTIONS, 5, begin=100)
    dead = running(transactional(kafka_topics, dies).run)
    wait_for("its death", lambda: dead.failure is not None)
    begin = time.monotonic()
    reader = LogReader(kafka_topics, {VERDICTS.name: lambda record: None, LABELS.name: lambda record: None})
    assert reader.catch_up(PATIENCE_SECONDS) == 20
    assert time.monotonic() - begin < PATIENCE_SECONDS
    reader.close()


def test_a_reader_hears_tombstones_and_what_comes_later(kafka_topics: KafkaSettings, running: Any) -> None:
    """Tombstones are handed on as None; ``run`` goes on where ``catch_up`` ended."""
    outbox = Outbox(kafka_topics)
    outbox.send(PEOPLE, "ada", b"1")
    outbox.send(PEOPLE, "ada", None)
    outbox.flush()
    heard: list[tuple[bytes | None, bytes | None]] = []
    reader = LogReader(kafka_topics, {PEOPLE.name: lambda record: heard.append((record.key(), record.value()))})
    assert reader.catch_up() == 2
    loop = running(reader.run)
    outbox.send(PEOPLE, "bob", b"2")
    outbox.flush()
    wait_for("bob", lambda: len(heard) == 3, loop)
    loop.end()
    assert heard == [(b"ada", b"1"), (b"ada", None), (b"bob", b"2")]


def test_a_reader_waits_for_a_topic_that_is_just_created(kafka_prefix: KafkaSettings, running: Any) -> None:
    """A broker may not know yet of a topic that another one has created."""
    reader = LogReader(kafka_prefix, {PEOPLE.name: lambda record: None})
    loop = running(lambda stop: reader.catch_up(PATIENCE_SECONDS))
    time.sleep(0.5)
    assert loop.failure is None
    assert loop.thread.is_alive()
    create_topics(kafka_prefix, [PEOPLE])
    loop.end()
    assert loop.failure is None
    reader.close()
