"""Topics on the cluster: their settings, their creation by the program, and their description."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined] # it exports without saying so
    AdminClient,
    ConfigResource,
    NewTopic,
    TopicDescription,
    TopicMetadata,
)

from schemas.topics import ALL_TOPICS, Topic
from streams.client_config import common_client_config
from streams.errors import KafkaUnreachable, TopicsNotCreated, WrongClientSetting
from streams.settings import MESSAGE_OVERHEAD_BYTES, KafkaSettings

__all__ = [
    "TopicState",
    "check_reachable",
    "create_topics",
    "describe",
    "full_name",
    "partition_counts",
    "topic_config",
    "topic_ids",
]

ANSWER_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.02
FOREVER: Final = "-1"
COMPACT_SEGMENT_BYTES: Final = 16 * 1024 * 1024
COMPACT_SEGMENT_MS: Final = 3_600_000
TOMBSTONE_MS: Final = 86_400_000
CONFIG_NAMES: Final = (
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "max.message.bytes",
    "min.insync.replicas",
    "message.timestamp.type",
    "segment.bytes",
)


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as the cluster has it. ``name`` has the prefix; ``config`` has the settings of ``CONFIG_NAMES``."""

    name: str
    topic_id: str
    partitions: int
    replication_factor: int
    config: dict[str, str]


def full_name(settings: KafkaSettings, topic: Topic | str) -> str:
    """The topic's name on the cluster.

    >>> full_name(KafkaSettings(prefix="watchloop."), "labels")
    'watchloop.labels'
    """
    return settings.prefix + (topic if isinstance(topic, str) else topic.name)


def topic_config(settings: KafkaSettings, topic: Topic) -> dict[str, str]:
    """Kafka's settings for one topic.

    Retention counts by the broker's clock: otherwise the messages of a replay of old events, or of a producer whose
    clock is wrong, would be deleted on arrival. A topic that is kept forever has its own bounds, so that a broker's
    default cannot shorten it. A compact topic has small segments, because only finished ones are compacted.
    """
    config = {
        "max.message.bytes": str(settings.message_bytes_max + MESSAGE_OVERHEAD_BYTES),
        "min.insync.replicas": str(max(1, settings.replication_factor - 1)),
        "message.timestamp.type": "LogAppendTime",
    }
    if topic.compact:
        return config | {
            "cleanup.policy": "compact",
            "segment.bytes": str(COMPACT_SEGMENT_BYTES),
            "segment.ms": str(COMPACT_SEGMENT_MS),
            "min.cleanable.dirty.ratio": "0.2",
            "delete.retention.ms": str(TOMBSTONE_MS),
        }
    if topic.retain_seconds is None:
        return config | {"cleanup.policy": "delete", "retention.ms": FOREVER, "retention.bytes": FOREVER}
    return config | {"cleanup.policy": "delete", "retention.ms": str(topic.retain_seconds * 1000)}


def partitions_of(settings: KafkaSettings, topic: Topic) -> int:
    """The number of partitions that a topic gets."""
    return 1 if topic.single_partition else settings.partitions


def check_reachable(settings: KafkaSettings, seconds_max: float = 10.0) -> int:
    """Ask the cluster for its brokers; returns their number.

    Raises ``KafkaUnreachable`` if none answers within ``seconds_max``, ``WrongClientSetting`` if librdkafka refuses a
    setting.
    """
    try:
        return len(_admin(settings).list_topics(timeout=seconds_max).brokers)
    except KafkaException as error:
        raise KafkaUnreachable(
            f"no Kafka broker answers at {settings.bootstrap} within {seconds_max:g} s ({_reason(error)}); "
            "start one, or correct kafka.bootstrap in watchloop.toml (WATCHLOOP_KAFKA_BOOTSTRAP)"
        ) from None


def create_topics(settings: KafkaSettings, topics: Sequence[Topic] = ALL_TOPICS) -> list[str]:
    """Create those of ``topics`` that are missing. Topics that exist are not changed.

    Returns one line for each topic that exists with another number of partitions than the settings ask for; partitions
    are never changed, because keys would move to other ones. Raises ``TopicsNotCreated`` or ``KafkaUnreachable``.
    """
    admin = _admin(settings)
    wanted = {full_name(settings, topic): topic for topic in topics}
    # Existing topics are not in the request: a role has the right to use its topics, not to create them.
    existing = _topics(settings, admin)
    new = [
        NewTopic(
            name,
            num_partitions=partitions_of(settings, topic),
            replication_factor=settings.replication_factor,
            config=topic_config(settings, topic),
        )
        for name, topic in wanted.items()
        if name not in existing
    ]
    created = admin.create_topics(new).items() if new else ()
    created_now = {name for name, future in created if not _existed(settings, name, future)}
    served = _wait_until_served(settings, admin, wanted) if new else existing
    return [
        f"topic {name} has {has} partitions, the settings ask for {want}; it is kept as it is"
        for name, topic in wanted.items()
        if name not in created_now and (has := len(served[name].partitions)) != (want := partitions_of(settings, topic))
    ]


def topic_ids(settings: KafkaSettings, topics: Sequence[Topic]) -> dict[str, str]:
    """Kafka's id of each existing topic, by its name without the prefix. Raises ``KafkaUnreachable``.

    An id is unique across clusters and re-creations of a topic: with partition and offset it identifies a record.
    """
    return {name: str(topic.topic_id) for name, topic in _descriptions(settings, topics).items()}


def partition_counts(settings: KafkaSettings, topics: Sequence[Topic]) -> dict[str, int]:
    """The number of partitions of each existing topic, by its name without the prefix. Raises ``KafkaUnreachable``."""
    return {name: len(topic.partitions) for name, topic in _descriptions(settings, topics).items()}


def describe(settings: KafkaSettings, topics: Sequence[Topic] = ALL_TOPICS) -> dict[str, TopicState]:
    """Every existing topic as the cluster has it, by its name without the prefix. Raises ``KafkaUnreachable``."""
    descriptions = _descriptions(settings, topics)
    resources = {name: ConfigResource(ConfigResource.Type.TOPIC, full_name(settings, name)) for name in descriptions}
    if not resources:
        return {}
    admin = _admin(settings)
    futures = admin.describe_configs(list(resources.values()), request_timeout=ANSWER_SECONDS_MAX)
    states = {}
    for name, topic in descriptions.items():
        config = _answer(settings, futures[resources[name]])
        states[name] = TopicState(
            name=topic.name,
            topic_id=str(topic.topic_id),
            partitions=len(topic.partitions),
            replication_factor=len(topic.partitions[0].replicas),
            config={key: config[key].value for key in CONFIG_NAMES},
        )
    return states


def _admin(settings: KafkaSettings) -> AdminClient:
    try:
        return AdminClient(common_client_config(settings))
    except KafkaException as error:
        raise WrongClientSetting(
            f"librdkafka refuses a setting of kafka.client or kafka.bootstrap in watchloop.toml: {_reason(error)}"
        ) from None


def _reason(error: KafkaException) -> str:
    cause = error.args[0]
    return cause.str() if isinstance(cause, KafkaError) else str(cause)


def _answer(settings: KafkaSettings, future: Future[Any]) -> Any:
    """The result of a future. Raises ``KafkaUnreachable`` if the broker does not answer."""
    try:
        return future.result(ANSWER_SECONDS_MAX + 5)
    except (KafkaException, TimeoutError) as error:
        reason = _reason(error) if isinstance(error, KafkaException) else "no answer"
        raise KafkaUnreachable(
            f"the Kafka at {settings.bootstrap} did not answer a question about topics: {reason}"
        ) from None


def _existed(settings: KafkaSettings, name: str, future: Future[Any]) -> bool:
    """Whether the topic existed already. Raises ``TopicsNotCreated`` if it could not be created."""
    try:
        future.result(ANSWER_SECONDS_MAX + 5)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return True
        raise TopicsNotCreated(
            f"Kafka at {settings.bootstrap} did not create topic {name}: {_reason(error)}; "
            "correct kafka.replication_factor or kafka.prefix in watchloop.toml, or the rights of its user; "
            "watchloop topics create makes all topics as the user admin"
        ) from None
    return False


def _wait_until_served(settings: KafkaSettings, admin: AdminClient, names: Iterable[str]) -> dict[str, TopicMetadata]:
    """The cluster's topics, once ``names`` are among them: brokers serve a new topic a moment after its creation."""
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    while True:
        served = _topics(settings, admin)
        missing = [name for name in names if name not in served or served[name].error is not None]
        if not missing:
            return served
        if time.monotonic() > deadline:
            raise TopicsNotCreated(
                f"Kafka at {settings.bootstrap} accepted topic {missing[0]} but does not serve it within "
                f"{ANSWER_SECONDS_MAX:g} s: look into the brokers' logs"
            )
        time.sleep(POLL_SECONDS)


def _topics(settings: KafkaSettings, admin: AdminClient) -> dict[str, TopicMetadata]:
    """The cluster's topics that the user may describe, by their full names."""
    try:
        topics: dict[str, TopicMetadata] = admin.list_topics(timeout=ANSWER_SECONDS_MAX).topics
    except KafkaException as error:
        raise KafkaUnreachable(f"the Kafka at {settings.bootstrap} did not list topics: {_reason(error)}") from None
    return topics


def _descriptions(settings: KafkaSettings, topics: Sequence[Topic]) -> dict[str, TopicDescription]:
    """The cluster's description of each existing topic, by the name without the prefix."""
    admin = _admin(settings)
    names = [full_name(settings, topic) for topic in topics]
    futures = admin.describe_topics(TopicCollection(names), request_timeout=ANSWER_SECONDS_MAX)
    descriptions = {}
    for topic in topics:
        try:
            descriptions[topic.name] = futures[full_name(settings, topic)].result(ANSWER_SECONDS_MAX + 5)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaUnreachable(
                    f"the Kafka at {settings.bootstrap} did not describe its topics: {_reason(error)}"
                ) from None
    return descriptions
