"""What every Kafka client of the program has in common: address, limits, and no noise on stderr."""

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
"""How the groups of those begin who read and commit nothing; the users' rights go by them."""
REPEAT_SECONDS: Final = 10.0
KINDS_MAX: Final = 200


class OnceInAWhile(logging.Filter):
    """Lets a kind of line through once in ``REPEAT_SECONDS``: while a broker is away clients say so 40 times a second.

    A kind is the line's beginning up to the first colon, without its numbers; at ``KINDS_MAX`` all are forgotten.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is said."""
        wording = re.sub(r"\d+", "", record.getMessage().partition(": ")[0])
        now = self._clock()
        if now - self._said.get(wording, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._said) >= KINDS_MAX:
            self._said.clear()
        self._said[wording] = now
        return True


LOGGER.addFilter(OnceInAWhile())


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


def passing_reader_config(
    settings: KafkaSettings, group: Literal["reader.", "tail."] = "reader.", **own: object
) -> dict[str, Any]:
    """A consumer that reads what is committed up to the end, says where that is, and commits nothing.

    Its group is its own and begins like ``group``. ``own`` has dots of librdkafka's names as underscores.
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
