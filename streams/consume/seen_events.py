"""SeenEvents: which events were judged recently, so that a producer's retry gets no second verdict."""

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
"""Sizes at which a small level is merged into the next larger one. Levels keep a few new hashes from moving all others
(a log-structured merge: O'Neil and others 1996)."""


def identities(model: str, event_ids: Sequence[str]) -> Hashes:
    """A 64-bit hash of each event of a model, shape (n,); it differs from process to process.

    Among a million remembered events, the chance that any two have the same hash is 3 in a hundred million.
    """
    return np.fromiter(map(hash, event_ids), np.int64, len(event_ids)) ^ np.int64(hash((model,)))


class SortedHashes:
    """Hashes in ascending order, in an array that is reused, so that the process' memory does not fragment.

    The array has room for ``expected`` hashes from the start (pages of memory are used only once written) and grows as
    needed.
    """

    def __init__(self, expected: int = LEVELS_MAX[0]) -> None:
        self._room = np.empty(expected, np.int64)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def all(self) -> Hashes:
        """The hashes, as a view that is valid until the next change."""
        return self._room[: self._size]

    def add(self, ordered: Hashes) -> None:
        """Add hashes that are in ascending order. A stable sort of two sorted runs merges them in linear time."""
        end = self._size + len(ordered)
        if end > len(self._room):
            self._room = np.concatenate([self.all, np.empty(end, np.int64)])
        self._room[self._size : end] = ordered
        self._size = end
        self.all.sort(kind="stable")

    def remove(self, gone: Hashes) -> None:
        """Remove those of these hashes that are held."""
        kept = self.all[~np.isin(self.all, gone)]
        self._size = len(kept)
        self._room[: self._size] = kept

    def clear(self) -> None:
        """Remove all hashes; the array keeps its size."""
        self._size = 0

    def holds(self, events: Hashes) -> Flags:
        """Which of these hashes are held, shape (n,)."""
        if not self._size:
            return np.zeros(len(events), np.bool_)
        indexes = np.searchsorted(self.all, events)
        indexes[indexes == self._size] = 0
        is_held: Flags = self.all[indexes] == events
        return is_held


class SeenEvents:
    """Remembers events for ``span_seconds`` of Kafka's time at least and twice that at most; 8 bytes an event.

    With ``events_max`` events the older half is forgotten early, which ``shortened`` counts. Events belong to batches:
    ``begin`` starts a batch, ``committed`` keeps the oldest one for good, and ``undo`` forgets those not yet committed.

    >>> seen = SeenEvents(span_seconds=60.0, events_max=1_000)
    >>> seen.begin()
    >>> seen.first_seen(identities("churn", ["a", "b"]), at_ms=0) is None
    True
    >>> seen.first_seen(identities("churn", ["b", "c"]), at_ms=1).tolist()
    [False, True]
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
        """Forget all events. The batches that are not committed yet stay open, and empty."""
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
        """Begin a new batch: events that are added from now on belong to it."""
        self._batches.append([])

    def committed(self) -> None:
        """The oldest batch is committed: its events stay remembered."""
        self._batches.popleft()

    def undo(self) -> None:
        """Forget the events of all batches that are not committed."""
        undone = [added for batch in self._batches for added in batch]
        self._batches.clear()
        if undone:
            gone = np.concatenate(undone)
            for held in self._held:
                held.remove(gone)

    def first_seen(self, events: Hashes, at_ms: int) -> Flags | None:
        """Remember events with the current batch; returns which are seen for the first time, None if all are.

        ``at_ms`` is when Kafka received the newest of them, in epoch milliseconds.
        """
        fresh = self.recall(events, at_ms)
        if self._batches:
            self._batches[-1].append(events if fresh is None else events[fresh])
        return fresh

    def recall(self, events: Hashes, at_ms: int) -> Flags | None:
        """The same for events of a batch that is committed already, such as those read back after a restart."""
        self._turn(at_ms)
        ordered = np.sort(events)
        if not (ordered[1:] == ordered[:-1]).any() and not any(held.holds(ordered).any() for held in self._held):
            self._add(ordered)
            return None
        fresh = self._fresh(events)
        self._add(np.sort(events[fresh]))
        return fresh

    def _fresh(self, events: Hashes) -> Flags:
        """Which events are not remembered and not a repetition within ``events``."""
        fresh = np.zeros(len(events), np.bool_)
        fresh[np.unique(events, return_index=True)[1]] = True
        for held in self._held:
            fresh &= ~held.holds(events)
        return fresh

    def _add(self, ordered: Hashes) -> None:
        """Remember hashes in ascending order; a level that is full is merged into the next."""
        self._young[0].add(ordered)
        if len(self._young[0]) >= min(LEVELS_MAX[0], self._half_max):
            self._sort_in()
            if len(self._current) >= self._half_max:
                self.shortened += 1
                self._turn_over()

    def _turn(self, at_ms: int) -> None:
        """Begin a new half once the current one spans the time: the half before it is old enough to be forgotten."""
        if self._current_since_ms < 0:
            self._current_since_ms = at_ms
        if at_ms - self._current_since_ms >= self._span_ms:
            self._begin_half(at_ms)

    def _begin_half(self, at_ms: int) -> None:
        self._sort_in(whole=True)
        self._turn_over()
        self._current_since_ms = at_ms

    def _sort_in(self, *, whole: bool = False) -> None:
        """Merge the levels that are full into the next larger one; with ``whole``, all levels into the current half."""
        for held, held_max, older in zip(self._young, LEVELS_MAX, (*self._young[1:], self._current), strict=True):
            if not whole and len(held) < min(held_max, self._half_max):
                return
            older.add(held.all)
            held.clear()

    def _turn_over(self) -> None:
        self._previous, self._current = self._current, self._previous
        self._current.clear()
