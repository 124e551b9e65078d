"""SeenEvents: which events were judged lately, so that a producer's retry gets no second verdict."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["SeenEvents", "identities"]

Hashes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LEVELS_MAX: Final = (1_024, 32_768)
"""Hashes that are held apart before they are sorted into the next larger level, so that a few new ones do not move all
others (a log-structured merge: O'Neil and others 1996)."""


def identities(model: str, event_ids: Sequence[str]) -> Hashes:
    """64 bits for each event of a model; good within one process only.

    Two of a million remembered events are taken for one with a chance of 3 in a hundred million.
    """
    return np.fromiter(map(hash, event_ids), np.int64, len(event_ids)) ^ np.int64(hash((model,)))


class SortedHashes:
    """Hashes in order, in an array that is kept: growing and emptying it does not move what the process holds.

    It has room for ``expected`` hashes from the start, which costs no memory before they come; more is made as needed.
    """

    def __init__(self, expected: int = LEVELS_MAX[0]) -> None:
        self._room = np.empty(expected, np.int64)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def all(self) -> Hashes:
        """What is in it, until it changes."""
        return self._room[: self._size]

    def add(self, ordered: Hashes) -> None:
        """Sort in what is sorted; a stable sort of two sorted stretches is a merge."""
        end = self._size + len(ordered)
        if end > len(self._room):
            self._room = np.concatenate([self.all, np.empty(end, np.int64)])
        self._room[self._size : end] = ordered
        self._size = end
        self.all.sort(kind="stable")

    def remove(self, gone: Hashes) -> None:
        """Take out these hashes, as far as they are in it; the order stays."""
        kept = self.all[~np.isin(self.all, gone)]
        self._size = len(kept)
        self._room[: self._size] = kept

    def clear(self) -> None:
        """Take out all hashes; their room is kept."""
        self._size = 0

    def holds(self, events: Hashes) -> Flags:
        """Which of these are in it."""
        if not self._size:
            return np.zeros(len(events), np.bool_)
        places = np.searchsorted(self.all, events)
        places[places == self._size] = 0
        is_held: Flags = self.all[places] == events
        return is_held


class SeenEvents:
    """Remembers events for at least ``span_seconds`` of Kafka's time and at most twice that; 8 bytes an event.

    At ``events_max`` the older half is forgotten early, which ``shortened`` counts. What is added belongs to a batch:
    ``begin`` one, then ``committed`` keeps the oldest batch for good, and ``undo`` forgets all that are not committed.
    """

    def __init__(self, span_seconds: float, events_max: int) -> None:
        self._span_ms = span_seconds * 1000
        self._half_max = max(1, events_max // 2)
        self._young = [SortedHashes() for _ in LEVELS_MAX]
        room = self._half_max + sum(LEVELS_MAX)
        self._current, self._previous = SortedHashes(room), SortedHashes(room)
        self._current_since_ms = -1
        self._batches: deque[list[Hashes]] = deque()
        self.shortened = 0

    def clear(self) -> None:
        """Forget everything that was judged; batches that are not committed yet stay begun."""
        for held in self._held:
            held.clear()
        self._current_since_ms = -1
        self._batches = deque([] for _ in self._batches)

    def __len__(self) -> int:
        return sum(map(len, self._held))

    @property
    def _held(self) -> Iterable[SortedHashes]:
        return (*self._young, self._current, self._previous)

    def begin(self) -> None:
        """What is added from now on belongs to a new batch, behind those that are not committed yet."""
        self._batches.append([])

    def committed(self) -> None:
        """The oldest batch is judged for good."""
        self._batches.popleft()

    def undo(self) -> None:
        """Forget the batches that are not committed."""
        undone = [added for batch in self._batches for added in batch]
        self._batches.clear()
        if undone:
            gone = np.concatenate(undone)
            for held in self._held:
                held.remove(gone)

    def first_seen(self, events: Hashes, at_ms: int) -> Flags | None:
        """Which events are seen for the first time, and remember them with the batch; None where all are.

        ``at_ms`` is when Kafka took the newest of them, in epoch milliseconds.
        """
        fresh = self.recall(events, at_ms)
        if self._batches:
            self._batches[-1].append(events if fresh is None else events[fresh])
        return fresh

    def recall(self, events: Hashes, at_ms: int) -> Flags | None:
        """The same for events that were judged before, in a batch that is committed."""
        self._turn(at_ms)
        ordered = np.sort(events)
        if not (ordered[1:] == ordered[:-1]).any() and not any(held.holds(ordered).any() for held in self._held):
            self._add(ordered)
            return None
        fresh = self._fresh(events)
        self._add(np.sort(events[fresh]))
        return fresh

    def _fresh(self, events: Hashes) -> Flags:
        """Not remembered, and the first of its kind in the batch."""
        fresh = np.zeros(len(events), np.bool_)
        fresh[np.unique(events, return_index=True)[1]] = True
        for held in self._held:
            fresh &= ~held.holds(events)
        return fresh

    def _add(self, ordered: Hashes) -> None:
        """Remember what is sorted; a level that is full goes into the next."""
        self._young[0].add(ordered)
        if len(self._young[0]) >= min(LEVELS_MAX[0], self._half_max):
            self._sort_in()
            if len(self._current) >= self._half_max:
                self.shortened += 1
                self._turn_over()

    def _turn(self, at_ms: int) -> None:
        """Once the current half spans the time, the one before it is old enough to be forgotten."""
        if self._current_since_ms < 0:
            self._current_since_ms = at_ms
        if at_ms - self._current_since_ms >= self._span_ms:
            self._begin_half(at_ms)

    def _begin_half(self, at_ms: int) -> None:
        self._sort_in(whole=True)
        self._turn_over()
        self._current_since_ms = at_ms

    def _sort_in(self, *, whole: bool = False) -> None:
        """Move what is young into the current half, as far as levels are full, or the whole of it."""
        for held, held_max, older in zip(self._young, LEVELS_MAX, (*self._young[1:], self._current), strict=True):
            if not whole and len(held) < min(held_max, self._half_max):
                return
            older.add(held.all)
            held.clear()

    def _turn_over(self) -> None:
        self._previous, self._current = self._current, self._previous
        self._current.clear()
