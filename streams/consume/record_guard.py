"""Hearing a log record by record: what cannot be used is left out with one line, and the reading goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

import structlog

from schemas.codec import MalformedError, printable
from streams.errors import StreamsError
from streams.message_limits import MessageLimits
from streams.records import Record

__all__ = ["heard", "hearing", "place_of", "why"]

log = structlog.get_logger(__name__)

WHY_CHARS_MAX = 500

_heard: ContextVar[Record | None] = ContextVar("heard", default=None)


def hearing(hear: Callable[[Record], None], bytes_max: int | None = None) -> Callable[[Record], None]:
    """``hear`` behind a wall: whatever a record holds, it ends neither a start nor a role.

    A record that cannot be used is told in one line with topic, partition, offset and reason; one of more than
    ``bytes_max`` bytes once unpacked (``kafka.message_bytes_max``; None where another sees to that) is not decoded.
    Errors of Kafka itself (``StreamsError``) pass.
    """

    def hear_or_leave_out(record: Record) -> None:
        before = _heard.set(record)
        try:
            if bytes_max is not None:
                MessageLimits(bytes_max).check_bytes(len(record.value() or b""))
            hear(record)
        except StreamsError:
            raise
        except Exception as error:  # noqa: BLE001  # the record is to blame, and its place and the reason are told
            log.error("record left out", **place_of(record), why=why(error))
        finally:
            _heard.reset(before)

    return hear_or_leave_out


def heard() -> dict[str, str | int]:
    """Topic, partition and offset of the record that is being heard, for a line in the log; empty outside."""
    record = _heard.get()
    return {} if record is None else place_of(record)


def place_of(record: Record) -> dict[str, str | int]:
    """Where a record stands, for a line in the log."""
    return {"topic": record.topic(), "partition": record.partition(), "offset": record.offset()}


def why(error: Exception) -> str:
    """Why a record cannot be used, as one line of at most ``WHY_CHARS_MAX`` characters."""
    if isinstance(error, MalformedError):
        return error.reason[:WHY_CHARS_MAX]
    return printable(f"cannot be used ({type(error).__name__}: {error})"[:WHY_CHARS_MAX])
