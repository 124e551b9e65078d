"""The only ``faust.App``."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka

from schemas.topics import Topic
from streams.settings import KafkaSettings

__all__ = ["create_app", "raw_topic"]

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
