"""Structured logs: one JSON object a line to a file or a pipe, readable lines to a terminal."""

from __future__ import annotations

import dataclasses
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from cachetools import FIFOCache

from schemas.texts.visible import visible

__all__ = ["LogRepeats", "set_up_logs"]

NOISY = ("aiokafka", "faust", "mode", "uvicorn", "httpx", "httpcore", "litestar")
TRACES = ("exception", "stack")
VALUE_CHARS_MAX = 2_000
"""A longer value of a line is cut after so many characters: a record's key may have megabytes."""
RAISED_TOO = ("clickhouse_connect", "urllib3")
"""Loggers whose warnings are left out: what they warn of is raised as well, and logged with what to do about it."""

REPEATS_MAX: Final = 5
"""Times that one message is written in a window: an unreachable broker is otherwise reported ten times a second."""
WINDOW_SECONDS: Final = 60.0
MESSAGES_MAX: Final = 1_000
"""Different messages remembered; beyond it the one known for longest is forgotten."""


@dataclasses.dataclass(slots=True)
class Repeats:
    """When a message's window began (seconds of the filter's clock), and how often the message came in it."""

    since: float
    count: int = 0


class LogRepeats(logging.Filter):
    """Lets the first ``REPEATS_MAX`` of equal messages in each window of ``WINDOW_SECONDS`` pass.

    Messages are equal if their logger, level and wording are, whatever values they carry; a traceback does not count.
    Several threads may log at once.
    The first message of a window says how many were left out of the window before.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: FIFOCache[tuple[str, int, str], Repeats] = FIFOCache(MESSAGES_MAX)
        self._lock = threading.RLock()  # a handler asks its filters before it takes its own lock

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message is written. The count of messages left out before may be added to it."""
        event = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        key = (record.name, record.levelno, str(event))
        now = self._clock()
        with self._lock:
            repeats = self._seen.get(key)
            if repeats is None or now - repeats.since >= WINDOW_SECONDS:
                left_out = 0 if repeats is None else max(0, repeats.count - REPEATS_MAX)
                repeats = self._remember(key, now)
                if left_out:
                    _add_left_out(record, left_out)
            repeats.count += 1
            return repeats.count <= REPEATS_MAX

    def _remember(self, key: tuple[str, int, str], now: float) -> Repeats:
        repeats = self._seen[key] = Repeats(now)
        return repeats


def _add_left_out(record: logging.LogRecord, left_out: int) -> None:
    """Add to a message how many equal ones were left out before."""
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "left_out": left_out}
    else:
        record.msg = f"{record.msg} (after {left_out} more that were left out)"


def bounded(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A structlog processor that cuts long values after ``VALUE_CHARS_MAX``: data may have brought them into the line.

    >>> bounded(None, "info", {"event": "left out", "key": "x" * 2_001})["key"].lstrip("x")
    '... (2001 characters)'
    """
    return {
        name: f"{value[:VALUE_CHARS_MAX]}... ({len(value)} characters)"
        if name not in TRACES and isinstance(value, str) and len(value) > VALUE_CHARS_MAX
        else value
        for name, value in event.items()
    }


def seen_as_written(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A structlog processor that escapes what would move, colour or hide text on a terminal.

    >>> seen_as_written(None, "info", {"event": "left out", "key": "\\x1b[31mred"})
    {'event': 'left out', 'key': '\\\\x1b[31mred'}
    """
    return {
        visible(name): visible(value if isinstance(value, str) else repr(value), "\n" if name in TRACES else "")
        for name, value in event.items()
    }


def set_up_logs(role: str, *, level: int = logging.INFO) -> logging.Handler:
    """Send all logs, those of the standard library's logging too, to stderr; returns the one handler that does it."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    if sys.stderr.isatty():
        last: list[structlog.typing.Processor] = [
            seen_as_written,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    else:
        last = [structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                bounded,
                *last,
            ],
        )
    )
    handler.addFilter(LogRepeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in RAISED_TOO:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.contextvars.bind_contextvars(roles=role)
    return handler
