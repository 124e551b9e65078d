"""The program's only ``faust.App``: its clients, topics of bytes, and its messages as records."""

from __future__ import annotations

import pathlib
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka

from schemas.topics import Topic
from streams.errors import WrongClientSetting
from streams.records import Headers
from streams.settings import KafkaSettings, KafkaUser

__all__ = ["AppRecord", "create_app", "raw_topic"]

HEARTBEATS_PER_SESSION = 10
LEADER_TOPIC = "-__assignor-__leader"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class ConsumerThread(aiokafka.AIOKafkaConsumerThread):
    """faust's thread of a consumer, reading committed messages alone; faust has no setting for that."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class AppConsumer(aiokafka.Consumer):
    """faust's consumer, run by a ``ConsumerThread``."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class AppTransport(aiokafka.Transport):
    """faust's transport with an ``AppConsumer``. It creates no topic but faust's own, which elects a leader."""

    Consumer = AppConsumer

    async def _create_topic(self, owner: Any, client: Any, topic: str, *args: Any, **kwargs: Any) -> None:
        if topic.endswith(LEADER_TOPIC):
            await super()._create_topic(owner, client, topic, *args, **kwargs)


class App(faust.App):
    """faust's app with an ``AppTransport``: a task of an aborted transaction must not reach a person."""

    def _new_transport(self) -> AppTransport:
        return AppTransport(self.conf.broker_consumer, self)


def create_app(settings: KafkaSettings, *, roles: Sequence[KafkaUser], data: pathlib.Path) -> faust.App:
    """An app for the agents of these roles, with its files in the folder ``data``.

    Only DESK has agents, because faust is fast enough for what people do. So the app signs in as DESK if that is among
    the roles, and as the first role otherwise. Raises WrongClientSetting if faust's client does not support a setting
    of ``kafka.client`` or ``kafka.users``.
    """
    user = "desk" if "desk" in roles else roles[0]
    return App(
        f"{settings.prefix}agents.{user}",
        broker_credentials=credentials_of(settings.as_user(user)),
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


def credentials_of(settings: KafkaSettings) -> Any:
    """faust's credentials that do what librdkafka's settings say of signing in and of TLS; None if they say neither.

    Raises WrongClientSetting for a mechanism that faust does not have, or certificates that cannot be read.
    """
    client = settings.client
    protocol = client.get("security.protocol", "plaintext").upper()
    context = _tls(client) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL_"):
        return context
    mechanism = client.get("sasl.mechanism", client.get("sasl.mechanisms", "")).upper()
    if mechanism not in MECHANISMS:
        raise WrongClientSetting(
            f"sasl.mechanism {mechanism or 'GSSAPI'} of kafka.client or kafka.users: agents can sign in by "
            f"{', '.join(MECHANISMS)} alone"
        )
    return faust.SASLCredentials(
        username=client.get("sasl.username"),
        password=client.get("sasl.password"),
        mechanism=mechanism,
        ssl_context=context,
    )


def _tls(client: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=client.get("ssl.ca.location"), cadata=client.get("ssl.ca.pem"))
        if "ssl.certificate.location" in client:
            context.load_cert_chain(
                client["ssl.certificate.location"], client.get("ssl.key.location"), client.get("ssl.key.password")
            )
    except OSError as error:
        raise WrongClientSetting(f"the certificates of kafka.client or kafka.users cannot be used: {error}") from None
    if client.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    return context


def raw_topic(app: faust.App, settings: KafkaSettings, topic: Topic) -> Any:
    """A topic of the app whose keys and values are bytes; the Structs of ``schemas`` decode them."""
    return app.topic(
        settings.prefix + topic.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )


class AppRecord:
    """A message of the app as a ``streams.records.Record``."""

    def __init__(self, message: Any) -> None:
        self._message = message

    def __len__(self) -> int:
        return len(self._message.value or b"")

    def value(self) -> bytes | None:
        """The bytes of its value; None is a tombstone."""
        value: bytes | None = self._message.value
        return value

    def key(self) -> bytes | None:
        """Its key; None if the producer gave none."""
        key: bytes | None = self._message.key
        return key

    def topic(self) -> str:
        """The full name of its topic, prefix included."""
        return str(self._message.topic)

    def partition(self) -> int:
        """The number of the partition that it came from."""
        return int(self._message.partition)

    def offset(self) -> int:
        """Its offset in the partition."""
        return int(self._message.offset)

    def headers(self) -> Headers | None:
        """Its headers, the last of each name; None if it has none."""
        return None if not self._message.headers else list(dict(self._message.headers).items())

    def timestamp(self) -> tuple[int, int]:
        """(Kafka's type of timestamp, epoch milliseconds), by the broker's or the producer's clock."""
        return int(self._message.timestamp_type or 0), int(self._message.timestamp * 1000)
