"""Topics: created by the program with the settings each needs, never by hand; and whether a broker answers at all."""

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
NAMES_OF_CONFIG: Final = (
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "max.message.bytes",
    "min.insync.replicas",
    "message.timestamp.type",
    "segment.bytes",
)


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as the cluster has it. ``config`` holds the settings named in ``NAMES_OF_CONFIG``."""

    name: str
    topic_id: str
    partitions: int
    replication_factor: int
    config: dict[str, str]


def full_name(settings: KafkaSettings, topic: Topic | str) -> str:
    """The topic's name on the cluster: the prefix and its own."""
    return settings.prefix + (topic if isinstance(topic, str) else topic.name)


def topic_config(settings: KafkaSettings, topic: Topic) -> dict[str, str]:
    """Kafka's settings for one topic.

    Retention counts from the broker's clock: a replay of old events, or a producer whose clock is wrong, would
    otherwise be deleted on arrival. A topic kept forever names its own bounds, so that a broker's default cannot
    shorten it. A compact topic keeps its segments small, because only finished ones are compacted.
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
    """How many partitions a topic gets."""
    return 1 if topic.single_partition else settings.partitions


def check_reachable(settings: KafkaSettings, seconds_max: float = 10.0) -> int:
    """Ask the cluster for its brokers; returns how many there are.

    Raises ``KafkaUnreachable`` when none answers within ``seconds_max``, ``WrongClientSetting`` when librdkafka refuses
    a setting.
    """
    try:
        return len(_admin(settings).list_topics(timeout=seconds_max).brokers)
    except KafkaException as error:
        raise KafkaUnreachable(
            f"no Kafka broker answers at {settings.bootstrap} within {seconds_max:g} s ({_reason(error)}); "
            "start one, or correct kafka.bootstrap in watchloop.toml (WATCHLOOP_KAFKA_BOOTSTRAP)"
        ) from None


def create_topics(settings: KafkaSettings, topics: Sequence[Topic] = ALL_TOPICS) -> list[str]:
    """Create what is missing of ``topics``; what exists is kept as it is.

    Returns one line for each existing topic whose partitions are not those of the settings (partitions are never
    changed: keys would move). Raises ``TopicsNotCreated`` or ``KafkaUnreachable``.
    """
    admin = _admin(settings)
    wanted = {full_name(settings, topic): topic for topic in topics}
    # Only what is missing is asked for: a role may use its topics, and not make them.
    there = _topics(settings, admin)
    new = [
        NewTopic(
            name,
            num_partitions=partitions_of(settings, topic),
            replication_factor=settings.replication_factor,
            config=topic_config(settings, topic),
        )
        for name, topic in wanted.items()
        if name not in there
    ]
    created = admin.create_topics(new).items() if new else ()
    made = {name for name, future in created if not _existed(settings, name, future)}
    found = _wait_until_known(settings, admin, wanted) if new else there
    return [
        f"topic {name} has {has} partitions, the settings ask for {want}; it is kept as it is"
        for name in wanted
        if name not in made and (has := len(found[name].partitions)) != (want := partitions_of(settings, wanted[name]))
    ]


def topic_ids(settings: KafkaSettings, topics: Sequence[Topic]) -> dict[str, str]:
    """Kafka's id of each existing topic, by its name without the prefix.

    An id is unique across clusters and re-creations of a topic: with partition and offset it identifies a record.
    """
    return {name: str(found.topic_id) for name, found in _descriptions(settings, topics).items()}


def partition_counts(settings: KafkaSettings, topics: Sequence[Topic]) -> dict[str, int]:
    """How many partitions each existing topic has, by its name without the prefix. Raises ``KafkaUnreachable``."""
    return {name: len(found.partitions) for name, found in _descriptions(settings, topics).items()}


def describe(settings: KafkaSettings, topics: Sequence[Topic] = ALL_TOPICS) -> dict[str, TopicState]:
    """Every existing topic as the cluster has it, by its name without the prefix. Raises ``KafkaUnreachable``."""
    found = _descriptions(settings, topics)
    resources = {name: ConfigResource(ConfigResource.Type.TOPIC, full_name(settings, name)) for name in found}
    if not resources:
        return {}
    admin = _admin(settings)
    futures = admin.describe_configs(list(resources.values()), request_timeout=ANSWER_SECONDS_MAX)
    states = {}
    for name, topic in found.items():
        config = _answer(settings, futures[resources[name]])
        states[name] = TopicState(
            name=topic.name,
            topic_id=str(topic.topic_id),
            partitions=len(topic.partitions),
            replication_factor=len(topic.partitions[0].replicas),
            config={key: config[key].value for key in NAMES_OF_CONFIG},
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
    """The future's value; a broker that does not answer becomes ``KafkaUnreachable``."""
    try:
        return future.result(ANSWER_SECONDS_MAX + 5)
    except (KafkaException, TimeoutError) as error:
        reason = _reason(error) if isinstance(error, KafkaException) else "no answer"
        raise KafkaUnreachable(
            f"the Kafka at {settings.bootstrap} did not answer a question about topics: {reason}"
        ) from None


def _existed(settings: KafkaSettings, name: str, future: Future[Any]) -> bool:
    """Whether the topic was there already; raises when it neither was nor could be created."""
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


def _wait_until_known(settings: KafkaSettings, admin: AdminClient, names: Iterable[str]) -> dict[str, TopicMetadata]:
    """The cluster's topics once ``names`` are among them: brokers learn of a new topic a moment after its creation."""
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    while True:
        found = _topics(settings, admin)
        missing = [name for name in names if name not in found or found[name].error is not None]
        if not missing:
            return found
        if time.monotonic() > deadline:
            raise TopicsNotCreated(
                f"Kafka at {settings.bootstrap} accepted topic {missing[0]} but does not serve it within "
                f"{ANSWER_SECONDS_MAX:g} s: look into the brokers' logs"
            )
        time.sleep(POLL_SECONDS)


def _topics(settings: KafkaSettings, admin: AdminClient) -> dict[str, TopicMetadata]:
    """The cluster's topics that the user may know of."""
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
