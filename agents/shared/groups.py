"""Consumer groups: the topics that each reads, and its lag in words, as the console and ``watchloop check`` show it."""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.topics import BLOCKS, CORRECTIONS, LABELS, PREDICTIONS, Topic
from streams.admin.access import RECORDED
from streams.admin.lag import Lag

__all__ = ["GROUPS", "KEEPING_UP_SECONDS", "LagState", "lag_state", "lag_text"]

GROUPS: Final[dict[str, tuple[Topic, ...]]] = {
    "intake": (PREDICTIONS,),
    "drift": (BLOCKS, CORRECTIONS),
    "learn": (CORRECTIONS,),
    "labels": (LABELS,),
    "record": RECORDED,
}
"""The topics of each group by the group's name. LEARN has two: ``labels`` joins labels with their predictions."""

KEEPING_UP_SECONDS: Final = 5.0
"""A message may wait for so long while its role is busy with those before it: RECORD gathers messages for a second."""


class LagState(NamedTuple):
    """How a role is doing, in a few words, and whether somebody should look."""

    note: str
    is_late: bool


def lag_state(lag: Lag, seconds_max: float, messages_max: int) -> LagState:
    """The state of a role: late if too many messages wait, or the oldest waits for too long or for an unknown time.

    >>> [tuple(lag_state(Lag(9, seconds), 120.0, 50_000)) for seconds in (0.5, 30.0)]
    [('keeping up', False), ('catching up', False)]
    >>> [tuple(lag_state(lag, 120.0, 50_000)) for lag in (Lag(9, 400.0), Lag(60_000, 2.0), Lag(9, None))]
    [('falling behind', True), ('falling behind', True), ('unknown for how long', True)]
    """
    if lag.seconds is None:
        return LagState("unknown for how long", is_late=True)
    if lag.seconds > seconds_max or lag.messages > messages_max:
        return LagState("falling behind", is_late=True)
    return LagState("keeping up" if lag.seconds <= KEEPING_UP_SECONDS else "catching up", is_late=False)


def lag_text(lag: Lag) -> str:
    """How many messages wait, and how long the oldest has waited.

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
