"""Steps: how many messages to ask the Kafka client for, so that a batch keeps its bounds.

The client counts messages, not bytes, so a batch is taken in steps, each as large as the messages before it let expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streams.records import Record

__all__ = ["STEP_MESSAGES_MAX", "STEP_SECONDS_MAX", "Steps"]

STEP_MESSAGES_MAX: Final = 10_000
STEP_SECONDS_MAX: Final = 0.05
"""Where messages suddenly are larger, one step may take more than the bound in bytes: at most so many messages, and no
more than what the client holds (``fetch_kbytes_max``) and what arrives in that time."""
MESSAGE_BYTES_FEARED: Final = 1024 * 1024
"""A message's size, before any was seen."""
AIM: Final = 0.9
"""Of the bytes; sizes vary, and a little beyond the bound would be a transaction of its own."""


class Steps:
    """Sizes of steps. How large messages are is remembered from batch to batch: growth at once, and a step that brings
    smaller ones is believed by half, for those of several topics come in turn.
    """

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_aimed = bytes_max * AIM
        self._message_bytes = float(MESSAGE_BYTES_FEARED)
        self._events = self._bytes = 0

    def begin(self) -> int:
        """The first step of a new batch, in messages; at least one, however large."""
        self._events = self._bytes = 0
        return max(1, self._step())

    def next(self, taken: Sequence[Record]) -> int:
        """The step after one that gave ``taken``, in messages; 0 where the batch is full."""
        if taken:
            taken_bytes = sum(map(len, taken))
            self._message_bytes = max(1.0, taken_bytes / len(taken), self._message_bytes / 2)
            self._events += len(taken)
            self._bytes += taken_bytes
        return self._step()

    def _step(self) -> int:
        fitting = int((self._bytes_aimed - self._bytes) / self._message_bytes)
        return max(0, min(STEP_MESSAGES_MAX, self._events_max - self._events, fitting))
