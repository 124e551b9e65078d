"""Waiting for what must come, on a machine that may be however busy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["PATIENCE_SECONDS", "eventually"]

T = TypeVar("T")

PATIENCE_SECONDS: Final = 300.0
"""How long a test waits for anything that must come: so long that only what hangs exceeds it."""


def eventually(
    what: str,
    found: Callable[[], T],
    log: Callable[[], str] = lambda: "",
    *,
    every_seconds: float = 0.05,
) -> T:
    """The first true value of ``found``; fails with the last lines of ``log`` when none comes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS:g} s\n{log()}"
        time.sleep(every_seconds)
