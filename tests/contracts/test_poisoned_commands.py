"""Commands read past what the topics hold and they cannot use: no traceback, and what is good is there."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from schemas.topics import LABELS, PEOPLE, PREDICTIONS
from streams.client_config import common_client_config
from streams.settings import KafkaSettings
from tests.support.poison import poison
from watchloop.people import person_of, read_people, write_people
from watchloop.recorded.replay import ids_sent

pytestmark = pytest.mark.servers


def test_commands_read_past_what_they_cannot_use(kafka_topics: KafkaSettings) -> None:
    """The readers of `up`, `users`, `replay` and the demo, on a real Kafka."""
    write_people(kafka_topics, [person_of("zoe", "four rainy words together", ("admin",))])
    producer = Producer(common_client_config(kafka_topics))
    for topic in (PEOPLE, PREDICTIONS, LABELS):
        for key, value in poison(topic):
            producer.produce(kafka_topics.prefix + topic.name, key=key, value=value)
    assert producer.flush(60) == 0
    assert "zoe" in read_people(kafka_topics)
    for topic in (PREDICTIONS, LABELS):
        assert ids_sent(kafka_topics, topic, "nobody's model") == set()
