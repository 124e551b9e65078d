"""Whether brokers answer yet: the question a start asks again and again, until somebody says that it shall end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.clients import common_client_config
from streams.settings import KafkaSettings

__all__ = ["Waiting", "asking", "brokers_answering"]

T = TypeVar("T")

RECONNECT_MS_MAX = 100


class Waiting:
    """Who is asked while a start waits whether it shall go on; this one never ends it."""

    def check(self) -> None:
        """Called at least once a second; what it raises ends the start."""

    def wait_for(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises, which may take long; it needs no main thread."""
        return work()


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
