"""Structured logs: one JSON object a line to a file or a pipe, readable lines to a terminal."""

from __future__ import annotations

import logging
import sys

import structlog

from agents.worker.log_repeats import LogRepeats
from schemas.texts.visible import visible

__all__ = ["set_up_logs"]

NOISY = ("aiokafka", "faust", "mode", "uvicorn", "httpx", "httpcore", "litestar")
TRACES = ("exception", "stack")
VALUE_CHARS_MAX = 2_000
"""Of a longer value of a line its beginning is written: a record's key may have megabytes."""
TOLD_BY_US = ("clickhouse_connect", "urllib3")
"""What these warn of is raised as well, and told in a line that says what to do."""


def bounded(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A processor: no line is longer than a few of its values may be, whatever data brought into it."""
    return {
        name: f"{value[:VALUE_CHARS_MAX]}... ({len(value)} characters)"
        if name not in TRACES and isinstance(value, str) and len(value) > VALUE_CHARS_MAX
        else value
        for name, value in event.items()
    }


def seen_as_written(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A processor: what data brought into a line moves, colours and hides nothing on a terminal."""
    return {
        visible(name): visible(value if isinstance(value, str) else repr(value), "\n" if name in TRACES else "")
        for name, value in event.items()
    }


def set_up_logs(role: str, *, level: int = logging.INFO) -> logging.Handler:
    """Send everything, of the standard library's logging too, to stderr by the one handler that is returned."""
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
    for name in TOLD_BY_US:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.contextvars.bind_contextvars(roles=role)
    return handler
