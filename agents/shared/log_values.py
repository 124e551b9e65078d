"""Values of the log that are heard one by one: what cannot be read is logged and left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from schemas.codec import MalformedError, decode, printable
from schemas.wire.base import Wire
from schemas.wire.person import Person
from streams.consume.record_guard import current_position, why
from streams.records import Record

__all__ = ["handler_of", "hear_person", "read", "unusable"]

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Wire)


def read(value_type: type[T], data: bytes | None) -> T | None:
    """A value of the log; one that cannot be read is logged and left out, a tombstone is None too."""
    if data is None:
        return None
    try:
        return decode(value_type, data)
    except MalformedError as error:
        log.error("not readable", kind=value_type.__name__, why=error.reason, **current_position())
        return None


def unusable(error: Exception) -> MalformedError:
    """What a Reject says of a record that could not be used, where reading or using it raised ``error``."""
    return MalformedError(why(error), getattr(error, "field", ""))


def handler_of(hear: Callable[[bytes | None], None]) -> Callable[[Record], None]:
    """A listener for whole records."""
    return lambda record: hear(record.value())


def hear_person(people: dict[str, Person], data: bytes | None, key: bytes | None) -> None:
    """Take an account of the log into ``people``; its tombstone takes it out.

    A record under another key than the account's id is no account: compaction would keep both. ``key`` None is unknown.
    """
    name = None if key is None else key.decode("utf-8", "replace")
    if data is None:
        people.pop(name or "", None)
        return
    person = read(Person, data)
    if person is None:
        return
    if name is not None and name != person.person_id:
        log.error(
            "account left out", person=printable(person.person_id), why="its key is not its id", **current_position()
        )
        return
    people[person.person_id] = person
