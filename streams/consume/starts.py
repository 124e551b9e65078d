"""Where a partition is read from, by what its consumer group has committed."""

from __future__ import annotations

from confluent_kafka import OFFSET_BEGINNING

__all__ = ["start_of"]


def start_of(offset: int, begin: int = OFFSET_BEGINNING) -> int:
    """The offset to begin at, for the client; ``begin`` where the group has committed nothing, which is below zero.

    Offset 0 is the oldest message that is left, which need not be the first that there ever was.

    >>> start_of(7), start_of(0) == start_of(-1001) == OFFSET_BEGINNING
    (7, True)
    """
    if offset < 0:
        return begin
    return offset or OFFSET_BEGINNING
