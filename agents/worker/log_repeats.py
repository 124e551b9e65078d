"""LogRepeats: a message that comes again and again is written a few times, then counted."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Final

__all__ = ["LogRepeats"]

REPEATS_MAX: Final = 5
"""Times that one message is written in a window; a broker that is away is otherwise told of ten times a second."""
WINDOW_SECONDS: Final = 60.0
MESSAGES_MAX: Final = 1_000
"""Different messages remembered; beyond, that which has been known for longest is forgotten."""


@dataclasses.dataclass(slots=True)
class Repeats:
    """How often a message came in its window, and when that began."""

    since: float
    count: int = 0


class LogRepeats(logging.Filter):
    """Of each message, by logger, level and wording without its values, the first ``REPEATS_MAX`` of a window pass.

    The first of the next window says how many were left out. Errors of the programs' own count as one by what was
    going on, not by their traceback.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int, str], Repeats] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message is written; it may be given the count of those left out before."""
        event = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        key = (record.name, record.levelno, str(event))
        now = self._clock()
        repeats = self._seen.get(key)
        if repeats is None or now - repeats.since >= WINDOW_SECONDS:
            left_out = 0 if repeats is None else max(0, repeats.count - REPEATS_MAX)
            repeats = self._remember(key, now)
            if left_out:
                _tell(record, left_out)
        repeats.count += 1
        return repeats.count <= REPEATS_MAX

    def _remember(self, key: tuple[str, int, str], now: float) -> Repeats:
        self._seen.pop(key, None)
        if len(self._seen) >= MESSAGES_MAX:
            del self._seen[next(iter(self._seen))]
        repeats = self._seen[key] = Repeats(now)
        return repeats


def _tell(record: logging.LogRecord, left_out: int) -> None:
    """Write into a message how many like it were left out before."""
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "left_out": left_out}
    else:
        record.msg = f"{record.msg} (after {left_out} more that were left out)"
