"""How many messages are taken into one transaction, so that they are handled long before it would time out."""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

EVENTS_FIRST: Final = 1_000
QUICK_SHARE: Final = 0.25


class Pace:
    """Begins with few messages, doubles them after a full batch that was quick, halves them after one that was slow.

    ``events_max`` is never exceeded; ``seconds_max`` is what a batch should take at most. A batch of one message may
    still take longer: there is nothing smaller.
    """

    def __init__(self, events_max: int, seconds_max: float) -> None:
        self.events = min(events_max, EVENTS_FIRST)
        """Messages to take next."""
        self._events_max = events_max
        self._seconds_max = seconds_max

    def took(self, events: int, seconds: float) -> None:
        """A batch of ``events`` messages was handled in ``seconds``."""
        if seconds > self._seconds_max:
            self.events = max(1, min(self.events, events) // 2)
        elif events >= self.events and seconds < self._seconds_max * QUICK_SHARE:
            self.events = min(self._events_max, self.events * 2)
