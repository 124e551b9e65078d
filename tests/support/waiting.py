"""Waiting for what must come, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

__all__ = ["PATIENCE_SECONDS", "eventually", "is_running"]

T = TypeVar("T")

PATIENCE_SECONDS: Final = 300.0
"""How long a test waits for anything that must come: longer than anything takes that does not hang."""


def eventually(
    what: str,
    result_of: Callable[[], T],
    log: Callable[[], str] = lambda: "",
    *,
    every_seconds: float = 0.05,
) -> T:
    """The first true result of ``result_of``; fails with the text of ``log`` if none comes in ``PATIENCE_SECONDS``."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        value = result_of()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS:g} s\n{log()}"
        time.sleep(every_seconds)


def is_running(pid: int) -> bool:
    """Whether the process is there and has not ended: a zombie has (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
