"""Whether brokers answer yet: the question a start asks again and again."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.clients import common_client_config
from streams.settings import KafkaSettings

__all__ = ["brokers_answering"]


def brokers_answering(settings: KafkaSettings, pause_seconds: float, seconds_max: float = 0.5) -> int:
    """How many brokers the node of ``settings`` knows of; 0, after a pause, when it does not answer yet."""
    client = AdminClient(common_client_config(settings))
    try:
        return len(client.list_topics(timeout=seconds_max).brokers)
    except KafkaException:
        time.sleep(pause_seconds)
        return 0
