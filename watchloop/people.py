"""Accounts: who may sign in, written to the log where DESK reads them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec

from agents.shared.log_values import hear_person
from console.sessions.passwords import hash_password
from schemas.codec import decode, encode
from schemas.texts.person_names import person_problem
from schemas.topics import PEOPLE, SIGN_OUTS
from schemas.wire.person import Person, Role
from schemas.wire.sign_out import SignOut
from streams.consume.log_reader import LogReader
from streams.produce.outbox import Outbox
from streams.records import Record
from streams.settings import KafkaSettings

__all__ = ["kept_out", "person_of", "read_people", "sign_out", "with_password", "write_people"]


def person_of(
    person_id: str, password: str, roles: Sequence[Role], *, name: str = "", simulated: bool = False, version: int = 0
) -> Person:
    """An account with this password.

    ValueError where the password is too short, too long, or easy to guess, and where nobody could sign in by the id or
    read the name.
    """
    problem = person_problem(person_id, name)
    if problem is not None:
        raise ValueError(problem)
    return Person(
        person_id=person_id,
        name=name,
        roles=tuple(roles),
        password_hash=hash_password(password, about=(person_id, name)),
        simulated=simulated,
        version=version,
        changed_at=time.time_ns() // 1_000_000,
    )


def with_password(person: Person, password: str) -> Person:
    """The account with another password; ValueError as for ``person_of``."""
    return msgspec.structs.replace(
        person,
        password_hash=hash_password(password, about=(person.person_id, person.name)),
        version=person.version + 1,
        changed_at=time.time_ns() // 1_000_000,
    )


def kept_out(person: Person) -> Person:
    """The account, which may not sign in any more."""
    changed_at = time.time_ns() // 1_000_000
    return msgspec.structs.replace(person, disabled=True, version=person.version + 1, changed_at=changed_at)


def write_people(kafka: KafkaSettings, people: Iterable[Person]) -> None:
    """Put accounts into the log, all or none: MalformedError, a ValueError, where one could not be read from it."""
    people = [decode(Person, encode(person)) for person in people]
    outbox = Outbox(kafka)
    for person in people:
        outbox.send(PEOPLE, person.person_id, person)
    outbox.flush()


def sign_out(kafka: KafkaSettings, person_id: str) -> None:
    """End every session that a person has begun so far."""
    outbox = Outbox(kafka)
    outbox.send(SIGN_OUTS, person_id, SignOut(person=person_id, ended_at=time.time_ns() // 1_000_000))
    outbox.flush()


def read_people(kafka: KafkaSettings) -> dict[str, Person]:
    """The accounts that the log holds; a record that is none is told in one line and left out."""
    found: dict[str, Person] = {}

    def hear(record: Record) -> None:
        hear_person(found, record.value(), record.key())

    reader = LogReader(kafka, {PEOPLE.name: hear})
    reader.catch_up()
    reader.close()
    return found
