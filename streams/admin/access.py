"""The rights of every user in Kafka, as one table.

The access control lists of the embedded cluster, the script for other clusters and a table of the docs are made from
it. Every role has its own user, with rights on the topics that it reads and writes alone. Names are without the prefix.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

import msgspec

from schemas.topics import (
    ALERTS,
    ALL_TOPICS,
    BLOCKS,
    CORRECTIONS,
    GATES,
    LABELS,
    MODEL_CHUNKS,
    MODELS,
    PEOPLE,
    PREDICTIONS,
    REFERENCES,
    REJECTS,
    REVIEW_ALERTS,
    REVIEW_EVENTS,
    REVIEW_OPINIONS,
    SIGN_OUTS,
    TRIAGE_STATE,
    VERDICTS,
    VERDICTS_ACCEPTED,
    Topic,
)
from streams.client_config import READER_GROUPS
from streams.settings import KafkaSettings, KafkaUser

__all__ = [
    "ANONYMOUS",
    "EVERY",
    "MECHANISM",
    "RECORDED",
    "RIGHTS",
    "USERS",
    "Grant",
    "Operation",
    "Resource",
    "Rights",
    "grants_of",
    "scram_client",
    "signed_in",
    "topics_of",
]

Resource = Literal["topic", "group", "transactional_id"]
Operation = Literal["read", "write", "create", "describe", "describe_configs", "all"]

ANONYMOUS: Final = "ANONYMOUS"
"""Kafka's name for clients of the plain address, who do not sign in."""
EVERY: Final = "*"
MECHANISM: Final = "SCRAM-SHA-512"
OWN_TOPIC: Final[tuple[Operation, ...]] = ("create", "read")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One entry of an access control list. If ``prefixed``, it is about all names that begin with ``name``."""

    user: str
    resource: Resource
    name: str
    operation: Operation
    prefixed: bool = False
    allowed: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Rights:
    """What one user may do. A user that reads or writes a topic may describe it.

    ``groups`` are the consumer groups that it joins, ``counts`` those whose offsets it reads. Its transactional ids
    begin with one of ``transactions``; the topics that faust creates for it begin with one of ``own_topics``.
    ``administers`` allows it to create all topics and to read their settings, ``any_group`` to join every group that is
    not watchloop's own.
    """

    reads: tuple[Topic, ...] = ()
    writes: tuple[Topic, ...] = ()
    describes: tuple[Topic, ...] = ()
    groups: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    own_topics: tuple[str, ...] = ()
    administers: bool = False
    any_group: bool = False


NOT_RECORDED: Final = (MODEL_CHUNKS, SIGN_OUTS, TRIAGE_STATE)
"""The bytes of models, the ends of sessions, which matter for a month, and the state of triage, which is INTAKE's."""
RECORDED: Final = tuple(topic for topic in ALL_TOPICS if topic not in NOT_RECORDED)
"""The topics that RECORD stores."""
ROLES_GROUPS: Final = ("intake", "drift", "learn", "labels", "record")
PRODUCER: Final = Rights(reads=(VERDICTS, REJECTS), writes=(PREDICTIONS, LABELS), any_group=True)

RIGHTS: Final[Mapping[str, Rights]] = {
    "intake": Rights(
        reads=(PREDICTIONS, VERDICTS, VERDICTS_ACCEPTED, TRIAGE_STATE, CORRECTIONS, MODELS, MODEL_CHUNKS, REFERENCES),
        writes=(VERDICTS, VERDICTS_ACCEPTED, TRIAGE_STATE, REJECTS, BLOCKS, REVIEW_EVENTS),
        groups=("intake",),
        transactions=("intake/",),
        own_topics=("agents.intake",),
    ),
    "drift": Rights(
        reads=(BLOCKS, ALERTS, REVIEW_ALERTS, REVIEW_OPINIONS, CORRECTIONS, REFERENCES),
        writes=(REJECTS, ALERTS, REVIEW_ALERTS, REFERENCES),
        describes=(PREDICTIONS,),
        groups=("drift",),
        own_topics=("agents.drift",),
    ),
    "desk": Rights(
        reads=(*RECORDED, SIGN_OUTS),
        writes=(REVIEW_EVENTS, REVIEW_ALERTS, REVIEW_OPINIONS, CORRECTIONS, SIGN_OUTS),
        counts=ROLES_GROUPS,
        own_topics=("agents.desk",),
    ),
    "learn": Rights(
        reads=(LABELS, CORRECTIONS, MODELS),
        writes=(REJECTS, CORRECTIONS, MODELS, MODEL_CHUNKS, GATES),
        groups=("learn", "labels"),
        own_topics=("agents.learn",),
    ),
    "record": Rights(reads=RECORDED, writes=(REJECTS,), groups=("record",), own_topics=("agents.record",)),
    "admin": Rights(reads=RECORDED, writes=(PEOPLE, SIGN_OUTS), counts=ROLES_GROUPS, administers=True),
    "replay": Rights(reads=(PREDICTIONS, LABELS), writes=(PREDICTIONS, LABELS)),
    "producer": PRODUCER,
    ANONYMOUS: PRODUCER,
}
"""User to rights. ``admin`` runs ``watchloop topics``, ``users`` and ``check``; ``replay`` replays tables.

DESK and ``check`` report the lag of groups in seconds; for that they read the oldest waiting message of each topic.
"""

USERS: Final = tuple(user for user in RIGHTS if user != ANONYMOUS)
"""The users that sign in with a password."""


def topics_of(user: str) -> tuple[Topic, ...]:
    """The topics that a user reads or writes."""
    rights = RIGHTS[user]
    return tuple(topic for topic in ALL_TOPICS if topic in rights.reads or topic in rights.writes)


def grants_of(users: Iterable[str], prefix: str) -> frozenset[Grant]:
    """The access control list of some users, for topics and groups that begin with ``prefix``.

    >>> sorted(g.operation for g in grants_of(["replay"], "w.") if g.name == "w.labels")
    ['read', 'write']
    """
    return frozenset(grant for user in users for grant in _grants(user, RIGHTS[user], prefix))


def _grants(user: str, rights: Rights, prefix: str) -> Iterable[Grant]:
    for topic in ALL_TOPICS:
        yield from (Grant(user, "topic", prefix + topic.name, operation) for operation in _operations(rights, topic))
    for group in rights.groups:
        yield Grant(user, "group", prefix + group, "read")
    for group in rights.counts:
        yield Grant(user, "group", prefix + group, "describe")
    for begin in rights.transactions:
        yield Grant(user, "transactional_id", prefix + begin, "write", prefixed=True)
    for begin in rights.own_topics:
        for operation in OWN_TOPIC:
            yield Grant(user, "topic", prefix + begin, operation, prefixed=True)
        yield Grant(user, "group", prefix + begin, "read", prefixed=True)
    if rights.any_group:
        yield Grant(user, "group", EVERY, "read")
        for name, prefixed in _groups_of_roles():
            yield Grant(user, "group", prefix + name, "all", prefixed=prefixed, allowed=False)
    else:
        for begin in READER_GROUPS:
            yield Grant(user, "group", prefix + begin, "read", prefixed=True)


def _operations(rights: Rights, topic: Topic) -> Iterable[Operation]:
    """The operations granted on one topic. In Kafka, reading and writing include describing."""
    if topic in rights.reads:
        yield "read"
    if topic in rights.writes:
        yield "write"
    if not {topic} & {*rights.reads, *rights.writes} and (topic in rights.describes or rights.administers):
        yield "describe"
    if rights.administers:
        yield "create"
        yield "describe_configs"


def _groups_of_roles() -> list[tuple[str, bool]]:
    """The names of watchloop's own groups; True with a name if all groups that begin with it are meant."""
    whole = [(group, False) for rights in RIGHTS.values() for group in rights.groups]
    return [*whole, ("agents.", True), *((begin, True) for begin in READER_GROUPS)]


def scram_client(user: str, password: str) -> dict[str, str]:
    """librdkafka's settings of a client that signs in to the embedded Kafka."""
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": MECHANISM,
        "sasl.username": user,
        "sasl.password": password,
    }


def signed_in(kafka: KafkaSettings, bootstrap: str, passwords: Mapping[str, str]) -> KafkaSettings:
    """The settings with ``bootstrap``, the address where users sign in, and the user of each role and command."""
    users = {user: scram_client(user, passwords[user]) for user in get_args(KafkaUser) if user in passwords}
    return msgspec.structs.replace(kafka, bootstrap=bootstrap, users=users)
