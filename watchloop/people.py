"""Accounts of the console in the topic ``people``, written by the commands of users, by ``up`` and by the demo."""

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

__all__ = ["disabled", "person_of", "read_people", "sign_out", "with_password", "write_people"]


def person_of(
    person_id: str, password: str, roles: Sequence[Role], *, name: str = "", simulated: bool = False, version: int = 0
) -> Person:
    """An account with this password.

    Raises ValueError where the password is too short, too long or easy to guess, or where id or name is not allowed.
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
    """The account with another password; raises ValueError as ``person_of`` does."""
    return msgspec.structs.replace(
        person,
        password_hash=hash_password(password, about=(person.person_id, person.name)),
        version=person.version + 1,
        changed_at=time.time_ns() // 1_000_000,
    )


def disabled(person: Person) -> Person:
    """The account as one that may not sign in any more."""
    changed_at = time.time_ns() // 1_000_000
    return msgspec.structs.replace(person, disabled=True, version=person.version + 1, changed_at=changed_at)


def write_people(kafka: KafkaSettings, people: Iterable[Person]) -> None:
    """Write accounts to the log, all or none. Raises MalformedError, a ValueError, where one could not be read back."""
    people = [decode(Person, encode(person)) for person in people]
    outbox = Outbox(kafka)
    for person in people:
        outbox.send(PEOPLE, person.person_id, person)
    outbox.flush()


def sign_out(kafka: KafkaSettings, person_id: str) -> None:
    """End every session that a person has begun until now."""
    outbox = Outbox(kafka)
    outbox.send(SIGN_OUTS, person_id, SignOut(person=person_id, ended_at=time.time_ns() // 1_000_000))
    outbox.flush()


def read_people(kafka: KafkaSettings) -> dict[str, Person]:
    """The accounts in the log, by person id. A record that is no account is left out and logged as an error."""
    people: dict[str, Person] = {}

    def hear(record: Record) -> None:
        hear_person(people, record.value(), record.key())

    reader = LogReader(kafka, {PEOPLE.name: hear})
    reader.catch_up()
    reader.close()
    return people
