"""Values of the log that a role hears one by one: what cannot be read is logged and left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from schemas.codec import MalformedError, decode
from schemas.wire import Wire
from streams.records import Record

__all__ = ["handler_of", "read"]

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Wire)


def read(kind: type[T], data: bytes | None) -> T | None:
    """A value of the log; one that cannot be read is logged and left out, a tombstone is None too."""
    if data is None:
        return None
    try:
        return decode(kind, data)
    except MalformedError as error:
        log.error("not readable", kind=kind.__name__, why=error.reason)
        return None


def handler_of(hear: Callable[[bytes | None], None]) -> Callable[[Record], None]:
    """A listener for whole records."""
    return lambda record: hear(record.value())
