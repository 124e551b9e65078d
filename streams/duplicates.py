"""SeenEvents: which events were judged lately, so that a producer's retry gets no second verdict."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["SeenEvents", "identities"]

Hashes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

YOUNG_MAX: Final = 32_768
"""Hashes kept in a set before they are sorted into the rest."""

NOTHING: Final[Hashes] = np.empty(0, np.int64)


def identities(model: str, event_ids: Sequence[str]) -> Hashes:
    """64 bits for each event of a model; good within one process only.

    Two of a million remembered events are taken for one with a chance of 3 in a hundred million.
    """
    return np.fromiter(map(hash, event_ids), np.int64, len(event_ids)) ^ np.int64(hash((model,)))


class SeenEvents:
    """Remembers events for at least ``span_seconds`` of Kafka's time and at most twice that; 8 bytes an event.

    At ``events_max`` the older half is forgotten early, which ``shortened`` counts. What is added belongs to a batch:
    ``begin`` one, then ``committed`` keeps the oldest batch for good, and ``undo`` forgets all that are not committed.
    """

    def __init__(self, span_seconds: float, events_max: int) -> None:
        self._span_ms = span_seconds * 1000
        self._half_max = max(1, events_max // 2)
        self._young: set[int] = set()
        self._current = self._previous = NOTHING
        self._current_since_ms = -1
        self._batches: deque[list[Hashes]] = deque()
        self.shortened = 0

    def clear(self) -> None:
        """Forget everything that was judged; batches that are not committed yet stay begun."""
        self._young = set()
        self._current = self._previous = NOTHING
        self._current_since_ms = -1
        self._batches = deque([] for _ in self._batches)

    def __len__(self) -> int:
        return len(self._young) + len(self._current) + len(self._previous)

    def begin(self) -> None:
        """A batch begins."""
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
            self._young.difference_update(gone.tolist())
            self._current, self._previous = (old[~np.isin(old, gone)] for old in (self._current, self._previous))

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
        known = bool((ordered[1:] == ordered[:-1]).any()) or self._has_any(events, ordered)
        fresh = self._fresh(events) if known else None
        self._young.update((events if fresh is None else events[fresh]).tolist())
        if len(self._young) >= min(YOUNG_MAX, self._half_max):
            self._fold()
        return fresh

    def _has_any(self, events: Hashes, ordered: Hashes) -> bool:
        if not self._young.isdisjoint(events.tolist()):
            return True
        return any(bool(_holds(old, ordered).any()) for old in (self._current, self._previous))

    def _fresh(self, events: Hashes) -> Flags:
        """Not remembered, and the first of its kind in the batch."""
        fresh = np.zeros(len(events), np.bool_)
        fresh[np.unique(events, return_index=True)[1]] = True
        for old in (self._current, self._previous):
            fresh &= ~_holds(old, events)
        fresh &= np.fromiter((event not in self._young for event in events.tolist()), np.bool_, len(events))
        return fresh

    def _turn(self, at_ms: int) -> None:
        """Once the current half spans the time, the one before it is old enough to be forgotten."""
        if self._current_since_ms < 0:
            self._current_since_ms = at_ms
        if at_ms - self._current_since_ms >= self._span_ms:
            self._begin_half(at_ms)

    def _begin_half(self, at_ms: int) -> None:
        self._current = _merged(self._current, self._young)
        self._young = set()
        self._previous, self._current, self._current_since_ms = self._current, NOTHING, at_ms

    def _fold(self) -> None:
        self._current = _merged(self._current, self._young)
        self._young = set()
        if len(self._current) >= self._half_max:
            self.shortened += 1
            self._previous, self._current = self._current, NOTHING


def _holds(old: Hashes, events: Hashes) -> Flags:
    if not len(old):
        return np.zeros(len(events), np.bool_)
    places = np.searchsorted(old, events)
    places[places == len(old)] = 0
    found: Flags = old[places] == events
    return found


def _merged(old: Hashes, young: set[int]) -> Hashes:
    """Both, sorted; a stable sort of two sorted runs is a merge."""
    more = np.sort(np.fromiter(young, np.int64, len(young)))
    return np.sort(np.concatenate([old, more]), kind="stable")
