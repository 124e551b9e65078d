"""Whether brokers answer yet: the question a start asks again and again."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.clients import common_client_config
from streams.settings import KafkaSettings

__all__ = ["asking", "brokers_answering"]

RECONNECT_MS_MAX = 100


def asking(settings: KafkaSettings) -> AdminClient:
    """A client to ask with; one for all questions, because each new one shows its certificate anew."""
    return AdminClient({**common_client_config(settings), "reconnect.backoff.max.ms": RECONNECT_MS_MAX})


def brokers_answering(client: AdminClient, pause_seconds: float, seconds_max: float = 0.5) -> int:
    """How many brokers the node of ``client`` knows of; 0, after a pause, when it does not answer yet."""
    try:
        return len(client.list_topics(timeout=seconds_max).brokers)
    except KafkaException:
        time.sleep(pause_seconds)
        return 0
