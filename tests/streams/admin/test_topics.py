"""Topics on a real broker: they are created once, with their settings; one line if no broker answers."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from confluent_kafka import KafkaException, Producer

from embedded.kafka.cluster import free_ports
from schemas.topics import ALL_TOPICS, AUDIT, MODELS, PREDICTIONS, REVIEW_EVENTS
from streams.admin.topics import check_reachable, create_topics, describe, full_name, topic_config, topic_ids
from streams.client_config import common_client_config
from streams.errors import KafkaUnreachable, StreamsError, TopicsNotCreated
from streams.settings import KafkaSettings
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS

DAY_MS = 86_400_000


@pytest.mark.servers
def test_every_topic_is_made_as_it_should_be(kafka_topics: KafkaSettings) -> None:
    """The broker has all topics, with the partitions, cleanup, retention and size bound that each one declares."""
    states = describe(kafka_topics)
    assert set(states) == {topic.name for topic in ALL_TOPICS}
    for topic in ALL_TOPICS:
        state = states[topic.name]
        assert state.partitions == (1 if topic.single_partition else 2), topic.name
        assert state.replication_factor == 1
        assert state.config["cleanup.policy"] == ("compact" if topic.compact else "delete"), topic.name
        assert int(state.config["max.message.bytes"]) > kafka_topics.message_bytes_max
    assert states["predictions"].config["retention.ms"] == str(7 * DAY_MS)
    assert states["audit"].config["retention.ms"] == states["audit"].config["retention.bytes"] == "-1"
    assert int(states["models"].config["segment.bytes"]) <= 16 * 1024 * 1024
    assert states["predictions"].name == kafka_topics.prefix + "predictions"


@pytest.mark.servers
def test_making_topics_again_changes_nothing(kafka_topics: KafkaSettings) -> None:
    """A second call keeps every topic's id; a setting for other partitions gives one line a topic, and no change."""
    before = topic_ids(kafka_topics, ALL_TOPICS)
    assert create_topics(kafka_topics) == []
    notes = create_topics(msgspec.structs.replace(kafka_topics, partitions=5))
    name = full_name(kafka_topics, PREDICTIONS)
    assert f"topic {name} has 2 partitions, the settings ask for 5; it is kept as it is" in notes
    assert len(notes) == sum(not topic.single_partition for topic in ALL_TOPICS)
    assert topic_ids(kafka_topics, ALL_TOPICS) == before
    assert len(set(before.values())) == len(ALL_TOPICS)


@pytest.mark.servers
def test_absent_topics_have_no_id(kafka_prefix: KafkaSettings) -> None:
    """Only existing topics are described."""
    create_topics(kafka_prefix, [MODELS])
    assert set(topic_ids(kafka_prefix, ALL_TOPICS)) == {"models"}
    assert set(describe(kafka_prefix)) == {"models"}
    assert describe(kafka_prefix, [AUDIT]) == {}


@pytest.mark.servers
def test_too_few_brokers_are_one_line(kafka_prefix: KafkaSettings) -> None:
    """More copies than brokers are refused; the line names the topic and the setting."""
    with pytest.raises(TopicsNotCreated, match=r"did not create topic .*models: .*kafka\.replication_factor"):
        create_topics(msgspec.structs.replace(kafka_prefix, replication_factor=3), [MODELS])


@pytest.mark.servers
def test_the_largest_message_passes_and_a_larger_does_not(kafka_prefix: KafkaSettings) -> None:
    """A message that fills message_bytes_max arrives whole; a larger value is refused before it is sent."""
    settings = msgspec.structs.replace(kafka_prefix, message_bytes_max=64 * 1024)
    create_topics(settings, [MODELS])
    producer = Producer(common_client_config(settings))
    failures: list[object] = []
    headers: list[tuple[str, str | bytes | None]] = [("content-type", b"application/json")]
    producer.produce(
        full_name(settings, MODELS),
        b"x" * (settings.message_bytes_max - 100),
        key=b"key",
        headers=headers,
        on_delivery=lambda error, _message: failures.append(error) if error else None,
    )
    assert producer.flush(20) == 0
    assert failures == []
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        producer.produce(full_name(settings, MODELS), b"x" * (settings.message_bytes_max + 1))


def test_no_broker_is_one_line_and_no_noise() -> None:
    """The line names the address, the time, and the setting in both its spellings; librdkafka prints nothing."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(KafkaUnreachable) as caught:
        check_reachable(KafkaSettings(bootstrap=address), 0.5)
    assert f"no Kafka broker answers at {address} within 0.5 s" in str(caught.value)
    assert "kafka.bootstrap in watchloop.toml (WATCHLOOP_KAFKA_BOOTSTRAP)" in str(caught.value)
    text = (
        "from streams.admin.topics import check_reachable\nfrom streams.settings import KafkaSettings\n"
        f"try:\n    check_reachable(KafkaSettings(bootstrap={address!r}), 0.5)\nexcept Exception as e:\n    print(e)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1


def test_a_wrong_client_setting_is_one_line() -> None:
    """The error names a misspelt librdkafka setting and where it is set."""
    with pytest.raises(StreamsError, match=r"kafka\.client.*securty"):
        check_reachable(KafkaSettings(client={"securty.protocol": "ssl"}), 0.5)


def test_copies_decide_how_many_must_have_a_write() -> None:
    """With three copies a write waits for two of them; a single copy waits for itself."""
    single, triple = (KafkaSettings(replication_factor=n) for n in (1, 3))
    assert topic_config(single, REVIEW_EVENTS)["min.insync.replicas"] == "1"
    assert topic_config(triple, REVIEW_EVENTS)["min.insync.replicas"] == "2"


def test_settings_of_the_installation_have_the_last_word() -> None:
    """Settings of ``kafka.client`` override those that the program chooses."""
    config = common_client_config(KafkaSettings(client={"reconnect.backoff.ms": "7"}))
    assert config["reconnect.backoff.ms"] == "7"
    assert config["bootstrap.servers"] == "localhost:9092"
