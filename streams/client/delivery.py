"""Delivery of a producer's messages: the report on each, and the count of events and bytes that are buffered."""

from __future__ import annotations

import dataclasses
import threading

__all__ = ["Counts", "DeliveryReport", "Ledger"]


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of events: each that was sent is delivered, failed, dropped at the bound, or still buffered."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    buffered: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Whether one message was delivered: one prediction or label, or an array of predictions.

    ``topic`` is ``predictions`` or ``labels``, ``event_ids`` names the events in the message, ``data`` is its JSON.
    ``reason`` is empty if it was delivered, at ``offset`` of ``partition``; otherwise it says why not, and both are -1.
    """

    topic: str
    event_ids: tuple[str, ...]
    data: bytes
    reason: str = ""
    partition: int = -1
    offset: int = -1

    @property
    def delivered(self) -> bool:
        """Whether Kafka took it, on as many brokers as must confirm it.

        >>> DeliveryReport("labels", ("call-1",), b"{}", reason="dropped: the buffer is full").delivered
        False
        """
        return not self.reason


class Ledger:
    """Counts buffered events and bytes within bounds, from ``reserve`` to the delivery report. Threads may share it.

    A message that exceeds a bound by itself is accepted while nothing else is buffered. After ``close`` none is.
    """

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._delivered = self._failed = self._dropped = 0
        self._buffered = self._bytes = 0
        self._open = True
        self._changed = threading.Condition()

    @property
    def counts(self) -> Counts:
        """All counts, taken at the same moment."""
        with self._changed:
            return Counts(self._delivered, self._failed, self._dropped, self._buffered)

    @property
    def buffered_bytes(self) -> int:
        """Bytes of the buffered messages."""
        return self._bytes

    def reserve(self, events: int, size: int) -> bool:
        """Count a message of ``size`` bytes as buffered; False if there is no room. Raises RuntimeError once closed."""
        with self._changed:
            if not self._open:
                raise RuntimeError("this producer is closed")
            if self._buffered and (self._buffered + events > self._events_max or self._bytes + size > self._bytes_max):
                return False
            self._buffered += events
            self._bytes += size
            return True

    def settle(self, events: int, size: int, *, delivered: bool) -> None:
        """Count a buffered message as delivered or failed."""
        with self._changed:
            if delivered:
                self._delivered += events
            else:
                self._failed += events
            self._give_back(events, size)

    def give_back(self, events: int, size: int) -> None:
        """Forget a buffered message that was not sent after all."""
        with self._changed:
            self._give_back(events, size)

    def drop(self, events: int) -> None:
        """Count events of a message that was dropped instead of buffered."""
        with self._changed:
            self._dropped += events

    def wait(self, seconds_max: float) -> None:
        """Return when the buffer has changed, or after ``seconds_max``."""
        with self._changed:
            self._changed.wait(seconds_max)

    def wait_until_empty(self, seconds_max: float) -> int:
        """Return when nothing is buffered, or after ``seconds_max``; returns how many events are still buffered."""
        with self._changed:
            self._changed.wait_for(lambda: self._buffered == 0, seconds_max)
            return self._buffered

    def close(self) -> bool:
        """Accept no more messages; False if it was closed before."""
        with self._changed:
            was_open, self._open = self._open, False
            self._changed.notify_all()
            return was_open

    def _give_back(self, events: int, size: int) -> None:
        self._buffered -= events
        self._bytes -= size
        self._changed.notify_all()
