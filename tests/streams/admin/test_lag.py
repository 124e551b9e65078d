"""Lag on a real Kafka: of groups that have read something, and of groups that never have."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from embedded.kafka.server import EmbeddedKafka
from schemas.topics import CORRECTIONS, LABELS, PEOPLE, REVIEW_OPINIONS, Topic
from streams.admin.authority import EVERYBODY
from streams.admin.lag import Lag, first_times, lags_of_groups
from streams.admin.topics import create_topics
from streams.client_config import common_client_config
from streams.errors import KafkaUnreachable
from streams.offsets import ends_of
from streams.produce.outbox import Outbox, producer_config
from streams.settings import KafkaSettings
from tests.support.kafka_nodes import kill_node, restart_node
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.servers


def lags(kafka: KafkaSettings, groups: dict[str, list[Topic]]) -> dict[str, int]:
    """The lag, once the broker answers: the first question about groups makes it create a topic of 50 partitions."""
    for attempt in stamina.retry_context(on=KafkaUnreachable, attempts=None, timeout=PATIENCE_SECONDS):
        with attempt:
            lag_of = lags_of_groups(kafka, groups)
    return {group: lag.messages for group, lag in lag_of.items()}


def send(kafka: KafkaSettings, count: int) -> None:
    outbox = Outbox(kafka)
    for number in range(count):
        outbox.send(LABELS, str(number), b"{}")
        outbox.send(REVIEW_OPINIONS, str(number), b"{}")
    outbox.flush()


def commit(kafka: KafkaSettings, topic: str, partition: int, offset: int) -> None:
    consumer = Consumer({**common_client_config(kafka), "group.id": f"{kafka.prefix}some"})
    consumer.commit(offsets=[TopicPartition(kafka.prefix + topic, partition, offset)], asynchronous=False)
    consumer.close()


def test_a_group_that_never_read_is_behind_by_all(kafka_topics: KafkaSettings) -> None:
    """A group that could not begin, because its database is away for example, is behind by all messages."""
    groups = {"some": [LABELS, REVIEW_OPINIONS], "idle": [CORRECTIONS]}
    assert lags(kafka_topics, groups) == {"some": 0, "idle": 0}
    send(kafka_topics, 10)
    assert lags(kafka_topics, groups) == {"some": 20, "idle": 0}


def test_each_partition_counts(kafka_topics: KafkaSettings) -> None:
    """A partition without a committed offset counts whole beside the others; other topics do not count."""
    send(kafka_topics, 10)
    commit(kafka_topics, "review.opinions", 0, 7)
    assert lags(kafka_topics, {"some": [LABELS, REVIEW_OPINIONS]}) == {"some": 13}
    assert lags(kafka_topics, {"some": [REVIEW_OPINIONS]}) == {"some": 3}
    commit(kafka_topics, "review.opinions", 0, 10)
    assert lags(kafka_topics, {"some": [REVIEW_OPINIONS]}) == {"some": 0}


def test_what_is_deleted_is_not_waited_for(kafka_topics: KafkaSettings) -> None:
    """Messages that retention removed before they were read are no lag."""
    send(kafka_topics, 10)
    commit(kafka_topics, "review.opinions", 0, 2)
    admin = AdminClient(common_client_config(kafka_topics))
    for future in admin.delete_records([TopicPartition(f"{kafka_topics.prefix}review.opinions", 0, 6)]).values():
        future.result()
    assert lags(kafka_topics, {"some": [REVIEW_OPINIONS]}) == {"some": 4}


HOUR = 3_600.0


def test_the_age_of_the_oldest_message_that_waits(kafka_topics: KafkaSettings) -> None:
    """The age grows while the group does not read, and is that of the next message once it reads."""
    groups = {"some": [REVIEW_OPINIONS], "never": [LABELS, REVIEW_OPINIONS], "idle": [CORRECTIONS]}
    assert lags_of_groups(kafka_topics, groups) == dict.fromkeys(groups, Lag(0, 0.0))
    send(kafka_topics, 10)
    now = time.time()
    time.sleep(1.5)
    outbox = Outbox(kafka_topics)
    outbox.send(REVIEW_OPINIONS, "late", b"{}")
    outbox.flush()
    commit(kafka_topics, "review.opinions", 0, 10)
    lag_of = lags_of_groups(kafka_topics, groups, clock=lambda: now + HOUR)
    assert {group: lag.messages for group, lag in lag_of.items()} == {"some": 1, "never": 21, "idle": 0}
    some, never = lag_of["some"].seconds, lag_of["never"].seconds
    assert some is not None
    assert never is not None
    assert HOUR - 60 < some < never - 1.0 < HOUR + 60


def test_a_clock_behind_the_broker_hides_no_age(kafka_topics: KafkaSettings) -> None:
    """If our clock is behind, the age counts until the newest message of the topic."""
    send(kafka_topics, 2)
    time.sleep(1.5)
    send(kafka_topics, 2)
    lag_of = lags_of_groups(kafka_topics, {"some": [REVIEW_OPINIONS]}, clock=lambda: time.time() - 10 * HOUR)
    assert lag_of["some"].messages == 4
    assert 1.4 < (lag_of["some"].seconds or 0.0) < 60


def test_markers_are_no_messages_that_wait(kafka_topics: KafkaSettings) -> None:
    """The marker at the end of a transaction is no lag, neither in messages nor in seconds."""
    producer = Producer({**producer_config(kafka_topics), "transactional.id": f"{kafka_topics.prefix}one"})
    producer.init_transactions(30)
    topic = kafka_topics.prefix + PEOPLE.name
    for ends in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(topic, b"{}", b"k")
        producer.flush(30)
        ends(30)
    commit(kafka_topics, PEOPLE.name, 0, 1)
    groups = {"some": [PEOPLE], "never": [PEOPLE]}
    assert ends_of(AdminClient(common_client_config(kafka_topics)), [(topic, 0)])[topic, 0] > 2
    lag_of = lags_of_groups(kafka_topics, groups)
    assert lag_of["some"] == Lag(0, 0.0)
    assert lag_of["never"].messages > 0
    assert (lag_of["never"].seconds or 0.0) < 60


def test_the_age_of_what_retention_left(kafka_topics: KafkaSettings) -> None:
    """The age is that of the oldest message that still exists, not of deleted ones."""
    send(kafka_topics, 4)
    time.sleep(1.5)
    send(kafka_topics, 4)
    commit(kafka_topics, "review.opinions", 0, 2)
    admin = AdminClient(common_client_config(kafka_topics))
    for future in admin.delete_records([TopicPartition(f"{kafka_topics.prefix}review.opinions", 0, 4)]).values():
        future.result()
    now = time.time()
    lag_of = lags_of_groups(kafka_topics, {"some": [REVIEW_OPINIONS], "never": [LABELS]}, clock=lambda: now)
    assert lag_of["some"].messages == 4
    assert (lag_of["some"].seconds or 0.0) < (lag_of["never"].seconds or 0.0) - 1.0


def test_an_age_that_cannot_be_told_is_unknown(kafka_topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """If messages wait and none can be read, the seconds are unknown, not 0."""

    def unread(_settings: KafkaSettings, asked: set[Any]) -> dict[Any, int]:
        return first_times(kafka_topics, asked, seconds_max=0.0)

    monkeypatch.setattr("streams.admin.lag.first_times", unread)
    send(kafka_topics, 3)
    assert lags_of_groups(kafka_topics, {"some": [REVIEW_OPINIONS]}) == {"some": Lag(3, None)}


def test_topics_that_are_not_there_yet(kafka_prefix: KafkaSettings) -> None:
    """Before the topics are created no group is behind."""
    assert lags(kafka_prefix, {"some": [LABELS]}) == {"some": 0}


def test_a_coordinator_that_moves_is_asked_again(kafka_topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question while the broker starts is asked again, until the lag is known."""
    answers = [KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS]

    class Early(Consumer):
        def committed(self, *asked: Any) -> list[TopicPartition]:
            if answers:
                raise KafkaException(KafkaError(answers.pop()))
            return super().committed(*asked)

    monkeypatch.setattr("streams.admin.lag.Consumer", Early)
    send(kafka_topics, 10)
    commit(kafka_topics, "review.opinions", 0, 7)
    assert lags_of_groups(kafka_topics, {"some": [REVIEW_OPINIONS]})["some"].messages == 3
    assert answers == []


ASK_ON = """
import sys
from schemas.topics import LABELS
from streams.errors import KafkaUnreachable
from streams.admin.lag import lags_of_groups
from streams.settings import KafkaSettings

kafka = KafkaSettings(bootstrap=sys.argv[1])
groups = {f"group{number}": [LABELS] for number in range(40)}
print("asking", flush=True)
while True:
    try:
        lags_of_groups(kafka, groups)
    except KafkaUnreachable:
        pass
"""
"""With many groups, the coordinator of some is always still loading."""


def test_who_asks_outlives_a_kafka_that_comes_back(tmp_path: Path) -> None:
    """A question about groups while a broker comes back is answered or refused; it never ends the process."""
    with EmbeddedKafka(tmp_path, access=EVERYBODY) as kafka:
        settings = KafkaSettings(bootstrap=kafka.bootstrap)
        create_topics(settings)
        lags(settings, {"some": [LABELS]})
        with asking(kafka.bootstrap) as process:
            for _ in range(2):
                kill_node(kafka)
                restart_node(kafka)
                lags(settings, {"some": [LABELS]})
            assert process.poll() is None


@contextlib.contextmanager
def asking(bootstrap: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that asks for lags again and again."""
    process = subprocess.Popen([sys.executable, "-c", ASK_ON, bootstrap], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()
