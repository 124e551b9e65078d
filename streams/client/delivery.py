"""Delivery as a producer sees it: what became of each message, and how much is under way."""

from __future__ import annotations

import dataclasses
import threading

__all__ = ["Counts", "DeliveryReport", "Ledger"]


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """Events so far: each that was handed in is delivered, failed, dropped at the bound, or still buffered."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    buffered: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of one message: of the prediction or label in it, or of all predictions of an array.

    ``topic`` is ``predictions`` or ``labels``, ``event_ids`` says of which events, ``data`` is the JSON as it was sent.
    ``reason`` is empty where it was delivered, to ``partition`` at ``offset``; otherwise it says why not, and those are
    -1.
    """

    topic: str
    event_ids: tuple[str, ...]
    data: bytes
    reason: str = ""
    partition: int = -1
    offset: int = -1

    @property
    def delivered(self) -> bool:
        """Whether Kafka has taken it, on as many brokers as it is told to wait for."""
        return not self.reason


class Ledger:
    """Counts events and bytes from the moment there is room for them to their report, for several threads.

    What alone exceeds a bound is let in while nothing else is buffered. ``close`` lets nothing in any more.
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
        """All counts at one moment."""
        with self._changed:
            return Counts(self._delivered, self._failed, self._dropped, self._buffered)

    @property
    def buffered_bytes(self) -> int:
        """Bytes of what is under way."""
        return self._bytes

    def reserve(self, events: int, size: int) -> bool:
        """Let a message in; False while there is no room. RuntimeError once closed."""
        with self._changed:
            if not self._open:
                raise RuntimeError("this producer is closed")
            if self._buffered and (self._buffered + events > self._events_max or self._bytes + size > self._bytes_max):
                return False
            self._buffered += events
            self._bytes += size
            return True

    def settle(self, events: int, size: int, *, delivered: bool) -> None:
        """A message that was let in has its report."""
        with self._changed:
            if delivered:
                self._delivered += events
            else:
                self._failed += events
            self._give_back(events, size)

    def give_back(self, events: int, size: int) -> None:
        """A message that was let in was not sent after all."""
        with self._changed:
            self._give_back(events, size)

    def drop(self, events: int) -> None:
        """A message was not let in and is gone."""
        with self._changed:
            self._dropped += events

    def wait(self, seconds_max: float) -> None:
        """Return when there is more room, or after so long."""
        with self._changed:
            self._changed.wait(seconds_max)

    def wait_until_empty(self, seconds_max: float) -> int:
        """Return when nothing is under way, or after so long; how many events still are."""
        with self._changed:
            self._changed.wait_for(lambda: self._buffered == 0, seconds_max)
            return self._buffered

    def close(self) -> bool:
        """Let nothing in any more; False where it was closed before."""
        with self._changed:
            was_open, self._open = self._open, False
            self._changed.notify_all()
            return was_open

    def _give_back(self, events: int, size: int) -> None:
        self._buffered -= events
        self._bytes -= size
        self._changed.notify_all()
