"""Records of the log that are read one by one: their values and keys, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from schemas.codec import decode
from schemas.json_text.errors import MalformedError
from schemas.texts.visible import printable
from schemas.wire.base import Wire
from schemas.wire.person import Person
from streams.consume.record_guard import current_position, why
from streams.records import Record

__all__ = ["handler_of", "hear_person", "key_text", "read", "unusable"]

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Wire)


def read(value_type: type[T], data: bytes | None) -> T | None:
    """The value of a record. None for a tombstone, and for bytes that are no such value, which are logged."""
    if data is None:
        return None
    try:
        return decode(value_type, data)
    except MalformedError as error:
        log.error("not readable", kind=value_type.__name__, why=error.reason, **current_position())
        return None


def key_text(key: bytes | None) -> str:
    """A record's key as text; bytes that are not UTF-8 become U+FFFD, and a missing key is empty.

    >>> key_text(b"income/stack"), key_text(None)
    ('income/stack', '')
    """
    return (key or b"").decode("utf-8", "replace")


def unusable(error: Exception) -> MalformedError:
    """What a Reject says of a record that could not be used, where reading or using it raised ``error``.

    >>> unusable(OverflowError("too large")).reason
    'cannot be used (OverflowError: too large)'
    """
    return MalformedError(why(error), getattr(error, "field", ""))


def handler_of(hear: Callable[[bytes | None], None]) -> Callable[[Record], None]:
    """A listener for records that hands their bytes, None for a tombstone, to ``hear``."""
    return lambda record: hear(record.value())


def hear_person(people: dict[str, Person], data: bytes | None, key: bytes | None) -> None:
    """Take an account of the log into ``people``; a tombstone removes its account.

    A record whose key is not the account's id is left out: compaction would keep it beside the account. The key is not
    checked where ``key`` is None.
    """
    name = None if key is None else key_text(key)
    if data is None:
        people.pop(key_text(key), None)
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
