"""Who may do what in Kafka: one table, from which the embedded cluster's ACLs, the file for others and the docs come.

Every role has a user of its own, and rights on the topics of its arrows alone. Names are without the prefix.
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
"""Whoever comes by the plain address, in Kafka's word."""
EVERY: Final = "*"
MECHANISM: Final = "SCRAM-SHA-512"
OWN_TOPIC: Final[tuple[Operation, ...]] = ("create", "read")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One entry of an access control list. ``prefixed`` holds for all names that begin with ``name``."""

    user: str
    resource: Resource
    name: str
    operation: Operation
    prefixed: bool = False
    allowed: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Rights:
    """What one user does. Whoever reads or writes a topic may describe it.

    ``groups`` are consumer groups that it joins, ``transactions`` what its transactional ids begin with; ``counts``
    are groups whose offsets it may know; ``own_topics`` is what topics begin with that it makes for itself (faust's).
    ``administers`` adds making topics and reading their settings; ``any_group`` every group but those of others here.
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
"""The bytes of models, the ends of sessions, which mean nothing a month later, and what triage tells itself."""
RECORDED: Final = tuple(topic for topic in ALL_TOPICS if topic not in NOT_RECORDED)
"""What RECORD stores."""
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
"""User to rights: ``admin`` runs ``watchloop topics``, ``users`` and ``check``, ``replay`` replays tables.

Whoever tells a group's lag in seconds, DESK and ``check``, reads the oldest message that waits in each topic.
"""

USERS: Final = tuple(user for user in RIGHTS if user != ANONYMOUS)
"""Those that have a password."""


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
        yield from (Grant(user, "topic", prefix + topic.name, doing) for doing in _doings(rights, topic))
    for group in rights.groups:
        yield Grant(user, "group", prefix + group, "read")
    for group in rights.counts:
        yield Grant(user, "group", prefix + group, "describe")
    for begin in rights.transactions:
        yield Grant(user, "transactional_id", prefix + begin, "write", prefixed=True)
    for begin in rights.own_topics:
        for doing in OWN_TOPIC:
            yield Grant(user, "topic", prefix + begin, doing, prefixed=True)
        yield Grant(user, "group", prefix + begin, "read", prefixed=True)
    if rights.any_group:
        yield Grant(user, "group", EVERY, "read")
        for name, prefixed in _groups_of_roles():
            yield Grant(user, "group", prefix + name, "all", prefixed=prefixed, allowed=False)
    else:
        for begin in READER_GROUPS:
            yield Grant(user, "group", prefix + begin, "read", prefixed=True)


def _doings(rights: Rights, topic: Topic) -> Iterable[Operation]:
    """What is granted on one topic; to read or to write it includes to describe it."""
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
    """Every group of the program's own, and whether it is the begin of many."""
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
    """The settings with the address where users sign in, and the user of each role and command."""
    users = {user: scram_client(user, passwords[user]) for user in get_args(KafkaUser) if user in passwords}
    return msgspec.structs.replace(kafka, bootstrap=bootstrap, users=users)
