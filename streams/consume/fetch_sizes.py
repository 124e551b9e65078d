"""How many messages to ask the Kafka client for at a time, so that a batch keeps its bounds.

The client counts messages, not bytes. A batch is therefore fetched in several calls, and the size of each call follows
from how large the messages before it were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streams.records import Record

__all__ = ["FETCH_MESSAGES_MAX", "FETCH_SECONDS_MAX", "FetchSizes"]

FETCH_MESSAGES_MAX: Final = 10_000
FETCH_SECONDS_MAX: Final = 0.05
"""Bounds of one call. Where messages suddenly become larger, the call that returns them may exceed the bound in bytes:
by at most so many messages, and by no more than what the client holds (``fetch_kbytes_max``) and what arrives in that
time."""
MESSAGE_BYTES_FIRST: Final = 1024 * 1024
"""The size that messages are taken to have before the first ones arrive: large, so that the first call is small."""
BYTES_SHARE: Final = 0.9
"""The share of the bound in bytes that is aimed at. Sizes vary, and the little beyond the bound would need a
transaction of its own."""


class FetchSizes:
    """The size of each call, in messages, within ``events_max`` messages and ``bytes_max`` bytes of a batch.

    The size of messages is remembered from batch to batch. It grows at once and shrinks to half at most with each call,
    because messages of several topics, large and small ones, arrive in turn.

    >>> sizes = FetchSizes(events_max=100, bytes_max=1024 * 1024)
    >>> sizes.first(), sizes.next([])
    (1, 0)
    """

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_aimed = bytes_max * BYTES_SHARE
        self._message_bytes = float(MESSAGE_BYTES_FIRST)
        self._events = self._bytes = 0

    def first(self) -> int:
        """The size of the first call for a new batch; at least 1, however large messages are."""
        self._events = self._bytes = 0
        return max(1, self._fitting())

    def next(self, taken: Sequence[Record]) -> int:
        """The size of the call after the one that returned ``taken``; 0 once the batch is full."""
        if taken:
            taken_bytes = sum(map(len, taken))
            self._message_bytes = max(1.0, taken_bytes / len(taken), self._message_bytes / 2)
            self._events += len(taken)
            self._bytes += taken_bytes
        return self._fitting()

    def _fitting(self) -> int:
        """How many more messages the batch has room for."""
        by_bytes = int((self._bytes_aimed - self._bytes) / self._message_bytes)
        return max(0, min(FETCH_MESSAGES_MAX, self._events_max - self._events, by_bytes))
