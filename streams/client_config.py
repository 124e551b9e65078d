"""The configuration that every Kafka client of the program shares: addresses, limits, and where its log goes."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any, Final, Literal

from confluent_kafka import KafkaError

from streams.settings import KafkaSettings

__all__ = ["LOGGER", "READER_GROUPS", "common_client_config", "passing_reader_config"]

LOGGER: Final = logging.getLogger("streams.kafka")
# Without a handler of its own the logger would fall back to stderr while logging is not set up.
LOGGER.addHandler(logging.NullHandler())

READER_GROUPS: Final = ("reader.", "tail.")
"""What the names of consumer groups begin with that commit nothing; the rights of users name these prefixes."""
REPEAT_SECONDS: Final = 10.0
WORDINGS_MAX: Final = 200


class RepeatFilter(logging.Filter):
    """Passes one line of each wording in ``REPEAT_SECONDS``: while a broker is away, clients log 40 lines a second.

    The wording of a line is its text up to the first colon, without digits. After ``WORDINGS_MAX`` wordings all are
    forgotten. ``clock`` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is logged."""
        wording = re.sub(r"\d+", "", record.getMessage().partition(": ")[0])
        now = self._clock()
        if now - self._passed_at.get(wording, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._passed_at) >= WORDINGS_MAX:
            self._passed_at.clear()
        self._passed_at[wording] = now
        return True


LOGGER.addFilter(RepeatFilter())


def _log_error(error: KafkaError) -> None:
    """Log an error of a whole client: as debug unless it is fatal, because librdkafka tries again by itself."""
    LOGGER.log(logging.ERROR if error.fatal() else logging.DEBUG, "kafka client: %s", error.str())


def common_client_config(settings: KafkaSettings) -> dict[str, Any]:
    """What the configuration of every producer, consumer and admin client begins with.

    ``settings.client`` overrides the values given here. The clients log to the logger ``streams.kafka``.

    >>> common_client_config(KafkaSettings(bootstrap="kafka:9092", client={"log_level": "7"}))["log_level"]
    '7'
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


def passing_reader_config(
    settings: KafkaSettings, group: Literal["reader.", "tail."] = "reader.", **own: object
) -> dict[str, Any]:
    """The configuration of a consumer that reads committed messages, reports the end of a partition, commits nothing.

    Its consumer group is new; the name begins with the prefix of all groups and ``group``. ``own`` are further settings
    of librdkafka, with underscores for the dots of their names.
    """
    return {
        **common_client_config(settings),
        "group.id": f"{settings.prefix}{group}{uuid.uuid4()}",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "fetch.queue.backoff.ms": 5,
        **{name.replace("_", "."): value for name, value in own.items()},
    }
