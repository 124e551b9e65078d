"""What a role's lag means, in words: the same on the console and in ``watchloop check``."""

from __future__ import annotations

from typing import Final

from streams.lag import Lag

__all__ = ["KEEPING_UP_SECONDS", "LAG_WARNING_MESSAGES", "is_late", "lag_note", "lag_text"]

KEEPING_UP_SECONDS: Final = 5.0
"""A message may wait so long while its role takes the one before: RECORD gathers a second of them, and stores them."""

LAG_WARNING_MESSAGES: Final = 50_000


def is_late(lag: Lag, warning_seconds: float) -> bool:
    """Whether somebody should look: the oldest message waits too long, or nobody knows how long, or too many wait.

    >>> [is_late(Lag(3, seconds), 120.0) for seconds in (400.0, 4.0, None)]
    [True, False, True]
    """
    return lag.messages > LAG_WARNING_MESSAGES or lag.seconds is None or lag.seconds > warning_seconds


def lag_note(lag: Lag, warning_seconds: float) -> str:
    """In two words how a role is doing.

    >>> [lag_note(Lag(9, seconds), 120.0) for seconds in (0.5, 30.0, 400.0, None)]
    ['keeping up', 'catching up', 'falling behind', 'unknown for how long']
    """
    if lag.seconds is None:
        return "unknown for how long"
    if lag.seconds > warning_seconds:
        return "falling behind"
    return "keeping up" if lag.seconds <= KEEPING_UP_SECONDS else "catching up"


def lag_text(lag: Lag) -> str:
    """How many messages wait, and for how long.

    >>> lag_text(Lag(0, 0.0)), lag_text(Lag(1, 2.25)), lag_text(Lag(12_000, 7_300.0))
    ('0 messages', '1 message, waiting for 2 s', '12000 messages, the oldest waiting for 2 h 1 min')
    """
    if not lag.messages:
        return "0 messages"
    count = "1 message," if lag.messages == 1 else f"{lag.messages} messages, the oldest"
    return f"{count} waiting for {'an unknown time' if lag.seconds is None else _span(lag.seconds)}"


def _span(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"
