"""Records that cannot be used are left out with one line in the log, and reading goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

import structlog

from schemas.json_text.errors import MalformedError
from schemas.texts.visible import printable
from streams.errors import StreamsError
from streams.message_limits import MessageLimits
from streams.records import Record

__all__ = ["current_position", "guarded", "position_of", "why"]

log = structlog.get_logger(__name__)

WHY_CHARS_MAX = 500

_current: ContextVar[Record | None] = ContextVar("current_record", default=None)


def guarded(handle: Callable[[Record], None], bytes_max: int | None = None) -> Callable[[Record], None]:
    """``handle``, made safe: no record ends a start or a role, whatever it holds.

    A record that ``handle`` cannot use is logged in one line with its topic, partition and offset and the reason. A
    record of more than ``bytes_max`` unpacked bytes (``kafka.message_bytes_max``) is logged likewise and not decoded;
    None checks no size, for callers that have checked it. Errors of Kafka itself (``StreamsError``) are raised.
    """

    def handle_or_leave_out(record: Record) -> None:
        before = _current.set(record)
        try:
            if bytes_max is not None:
                MessageLimits(bytes_max).check_bytes(len(record.value() or b""))
            handle(record)
        except StreamsError:
            raise
        except Exception as error:  # noqa: BLE001  # the record is at fault; the line has its position and the reason
            log.error("record left out", **position_of(record), why=why(error))
        finally:
            _current.reset(before)

    return handle_or_leave_out


def current_position() -> dict[str, str | int]:
    """Topic, partition and offset of the record that is being handled, for a line in the log; empty outside."""
    record = _current.get()
    return {} if record is None else position_of(record)


def position_of(record: Record) -> dict[str, str | int]:
    """Topic, partition and offset of a record, for a line in the log."""
    return {"topic": record.topic(), "partition": record.partition(), "offset": record.offset()}


def why(error: Exception) -> str:
    """Why a record cannot be used, as one printable line of at most ``WHY_CHARS_MAX`` characters.

    >>> why(KeyError("age"))
    "cannot be used (KeyError: 'age')"
    """
    if isinstance(error, MalformedError):
        return error.reason[:WHY_CHARS_MAX]
    return printable(f"cannot be used ({type(error).__name__}: {error})"[:WHY_CHARS_MAX])
