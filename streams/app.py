"""The only ``faust.App``."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka

from schemas.topics import Topic
from streams.records import Headers
from streams.settings import KafkaSettings

__all__ = ["AppRecord", "create_app", "raw_topic"]

HEARTBEATS_PER_SESSION = 10


class ConsumerThread(aiokafka.AIOKafkaConsumerThread):
    """Reads what is committed, as every consumer of watchloop does; faust has no setting for it."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class AppConsumer(aiokafka.Consumer):
    """faust's consumer with that thread."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class AppTransport(aiokafka.Transport):
    """faust's transport with that consumer."""

    Consumer = AppConsumer


class App(faust.App):
    """faust's app with that transport: a task of a transaction that was rolled back must not reach a person."""

    def _new_transport(self) -> AppTransport:
        return AppTransport(self.conf.broker_consumer, self)


def create_app(settings: KafkaSettings, *, roles: Sequence[str], data: pathlib.Path) -> faust.App:
    """An app whose agents carry what comes at people's pace; workers with the same roles share a consumer group."""
    return App(
        f"{settings.prefix}agents.{'-'.join(roles)}",
        broker=[f"kafka://{address}" for address in settings.bootstrap.split(",")],
        store="memory://",
        datadir=str(data),
        topic_replication_factor=settings.replication_factor,
        topic_allow_declare=True,
        topic_disable_leader=False,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        broker_commit_interval=0.5,
        broker_session_timeout=float(settings.session_seconds),
        broker_heartbeat_interval=settings.session_seconds / HEARTBEATS_PER_SESSION,
        worker_redirect_stdouts=False,
        producer_acks=-1,
        producer_max_request_size=settings.message_bytes_max,
        consumer_max_fetch_size=settings.message_bytes_max,
        web_enabled="desk" in roles,
    )


def raw_topic(app: faust.App, settings: KafkaSettings, topic: Topic) -> Any:
    """A topic of the app that carries bytes; the Structs of ``schemas`` do the decoding."""
    return app.topic(
        settings.prefix + topic.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )


class AppRecord:
    """A message of the app as the rest of the program knows records."""

    def __init__(self, message: Any) -> None:
        self._message = message

    def __len__(self) -> int:
        return len(self._message.value or b"")

    def value(self) -> bytes | None:
        """Its bytes; None is a tombstone."""
        value: bytes | None = self._message.value
        return value

    def key(self) -> bytes | None:
        """Its key."""
        key: bytes | None = self._message.key
        return key

    def topic(self) -> str:
        """The full name of its topic."""
        return str(self._message.topic)

    def partition(self) -> int:
        """The partition it came from."""
        return int(self._message.partition)

    def offset(self) -> int:
        """Its place in the partition."""
        return int(self._message.offset)

    def headers(self) -> Headers | None:
        """Its headers, in order."""
        return None if not self._message.headers else list(dict(self._message.headers).items())

    def timestamp(self) -> tuple[int, int]:
        """(kind, epoch milliseconds) of the broker's or the producer's clock."""
        return int(self._message.timestamp_type or 0), int(self._message.timestamp * 1000)
