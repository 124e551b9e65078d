"""What every Kafka client of the program has in common: address, limits, and no noise on stderr."""

from __future__ import annotations

import logging
from typing import Any, Final

from confluent_kafka import KafkaError

from streams.settings import KafkaSettings

__all__ = ["LOGGER", "common_client_config"]

LOGGER: Final = logging.getLogger("streams.kafka")
# Without a handler of its own the logger would fall back to stderr while logging is not set up.
LOGGER.addHandler(logging.NullHandler())


def _log_error(error: KafkaError) -> None:
    """Client-wide errors: librdkafka goes on trying by itself, so all but a fatal one are only noted."""
    LOGGER.log(logging.ERROR if error.fatal() else logging.DEBUG, "kafka client: %s", error.str())


def common_client_config(settings: KafkaSettings) -> dict[str, Any]:
    """The configuration every producer, consumer and admin client begins with; ``settings.client`` has the last word.

    The clients' own log goes to the logger ``streams.kafka``, where a program's logging may pick it up.
    """
    return {
        "bootstrap.servers": settings.bootstrap,
        "message.max.bytes": settings.message_bytes_max,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 2000,
        "allow.auto.create.topics": False,
        "log_level": 4,
        "logger": LOGGER,
        "error_cb": _log_error,
        **settings.client,
    }
