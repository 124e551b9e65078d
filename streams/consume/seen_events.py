"""SeenEvents: which events were judged recently, so that a producer's retry gets no second verdict."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from streams.consume.key_table import LOAD_MAX, SLOTS_MAX, KeyTable

__all__ = ["SeenEvents", "events_held"]

Identities = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

GENERATIONS: Final = 2
SLOT_BYTES: Final = 8
MB_BYTES: Final = 1_000_000

EVENTS_AT_ONCE: Final = 65_536
PARTS_MIN: Final = 8
"""More events, or more than an eighth of what a generation holds, are looked up in parts: a generation exceeds its
limit by one part at most."""

LOWEST: Final = np.uint64(1)
"""Stands for the identity 0 too, which in a table is an empty slot."""


def events_held(memory_mb: int) -> int:
    """Events of one span that so many megabytes hold at least; as many again are held of the span before it.

    >>> events_held(256)
    8000000
    """
    return int(_slots_max(memory_mb) * LOAD_MAX)


def _slots_max(memory_mb: int) -> int:
    return min(SLOTS_MAX, memory_mb * MB_BYTES // (GENERATIONS * SLOT_BYTES))


class SeenEvents:
    """Remembers events for ``span_seconds`` of Kafka's time at least, and for twice that at most.

    An event is remembered by its identity (``schemas.identities``) in one of two tables: that of the current
    generation, or that of the one before it. When the current one has lasted for the span, the older is forgotten and a
    new one begins. An event takes 16 to 32 bytes. Where ``memory_mb_max`` megabytes do not hold the events of two
    spans, generations end early; ``shortened`` counts those, and ``held_seconds`` is the time that is really held.

    Events belong to batches: ``begin`` starts a batch, ``committed`` keeps the oldest one for good, and ``undo``
    forgets those not yet committed. Raises MemoryError if the system has never so much memory.

    >>> from schemas.identities import identities
    >>> seen = SeenEvents(span_seconds=60.0, memory_mb_max=1)
    >>> seen.begin()
    >>> seen.first_seen(identities(["a", "b"], 7), at_ms=0) is None
    True
    >>> seen.first_seen(identities(["b", "c"], 7), at_ms=1).tolist()
    [False, True]
    """

    def __init__(self, span_seconds: float, memory_mb_max: int) -> None:
        self._span_ms = span_seconds * 1000
        self._slots_max = _slots_max(memory_mb_max)
        self._current, self._previous = KeyTable(self._slots_max), KeyTable(self._slots_max)
        self._current_since_ms = self._newest_ms = -1
        self._lasted_ms = self._span_ms
        self._batches: deque[list[Identities]] = deque()
        self.shortened = 0

    def __len__(self) -> int:
        return len(self._current) + len(self._previous)

    @property
    def held_seconds(self) -> float:
        """For how long events are remembered at least: ``span_seconds``, or less where memory ends first.

        It is the time that the last generation lasted, or the current one has lasted if that is longer.
        """
        return min(self._span_ms, max(self._lasted_ms, self._newest_ms - self._current_since_ms)) / 1000

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory in use."""
        return self._current.memory_bytes + self._previous.memory_bytes

    def clear(self) -> None:
        """Forget all events. The batches that are not committed yet stay open, and empty."""
        self._current, self._previous = KeyTable(self._slots_max), KeyTable(self._slots_max)
        self._current_since_ms = self._newest_ms = -1
        self._lasted_ms = self._span_ms
        self._batches = deque([] for _ in self._batches)

    def begin(self) -> None:
        """Begin a new batch: events that are added from now on belong to it."""
        self._batches.append([])

    def committed(self) -> None:
        """The oldest batch is committed: its events stay remembered."""
        self._batches.popleft()

    def undo(self) -> None:
        """Forget the events of all batches that are not committed."""
        undone = [added for batch in self._batches for added in batch]
        self._batches.clear()
        for added in undone:
            self._current.remove(added)
            self._previous.remove(added)

    def first_seen(self, events: Identities, at_ms: int) -> Flags | None:
        """Remember events with the current batch; returns which are seen for the first time, None if all are.

        ``at_ms`` is when Kafka received the newest of them, in epoch milliseconds.
        """
        events = np.maximum(events, LOWEST)
        fresh = self._remember_all(events, at_ms)
        if self._batches:
            self._batches[-1].append(events if fresh is None else events[fresh])
        return fresh

    def recall(self, events: Identities, at_ms: int) -> Flags | None:
        """The same for events of a batch that is committed already, such as those read back after a restart."""
        return self._remember_all(np.maximum(events, LOWEST), at_ms)

    def _remember_all(self, events: Identities, at_ms: int) -> Flags | None:
        self._turn(at_ms)
        parts = [self._remember(part, at_ms) for part in self._parts(events)]
        if all(fresh is None for fresh in parts):
            return None
        sizes = map(len, self._parts(events))
        return np.concatenate(
            [np.ones(size, np.bool_) if fresh is None else fresh for fresh, size in zip(parts, sizes, strict=True)]
        )

    def _parts(self, events: Identities) -> Iterator[Identities]:
        at_once = max(1, min(EVENTS_AT_ONCE, self._current.keys_max // PARTS_MIN))
        return (events[begin : begin + at_once] for begin in range(0, len(events), at_once))

    def _remember(self, events: Identities, at_ms: int) -> Flags | None:
        """Remember events; returns which are new, and no repetition within ``events``, None if all are."""
        if len(self._current) >= self._current.keys_max:
            self.shortened += 1
            self._turn_over(at_ms)
        ordered = np.sort(events)
        self._current.make_room(len(ordered))
        at, held = self._current.find(ordered)
        if len(self._previous):
            held |= self._previous.find(ordered)[1]
        repeated = np.zeros(len(ordered), np.bool_)
        np.equal(ordered[1:], ordered[:-1], out=repeated[1:])
        known = held | repeated
        if not known.any():
            self._current.add(ordered, at)
            return None
        self._current.add(ordered[~known], at[~known])
        return _fresh(events, ordered[held], ordered[repeated])

    def _turn(self, at_ms: int) -> None:
        """Begin a new generation once the current one has lasted for the span."""
        if self._current_since_ms < 0:
            self._current_since_ms = at_ms
        self._newest_ms = max(self._newest_ms, at_ms)
        if at_ms - self._current_since_ms >= self._span_ms:
            self._turn_over(at_ms)

    def _turn_over(self, at_ms: int) -> None:
        self._lasted_ms = max(0, at_ms - self._current_since_ms)
        self._previous = self._current
        # As many events are to be expected as there were.
        self._current = KeyTable(self._slots_max, len(self._previous))
        self._current_since_ms = self._newest_ms = at_ms


def _fresh(events: Identities, held: Identities, repeated: Identities) -> Flags:
    """Which events are neither held nor a repetition of an earlier one; ``held`` and ``repeated`` are in order."""
    fresh = ~_among(events, held)
    again = np.flatnonzero(_among(events, repeated) & fresh)
    fresh[again] = False
    fresh[again[np.unique(events[again], return_index=True)[1]]] = True
    return fresh


def _among(events: Identities, ordered: Identities) -> Flags:
    """Which events are among the few in ``ordered``."""
    if not len(ordered):
        return np.zeros(len(events), np.bool_)
    indices = np.minimum(ordered.searchsorted(events), len(ordered) - 1)
    among: Flags = ordered[indices] == events
    return among
