"""How often a sign-in may fail before the next attempt has to wait."""

from __future__ import annotations

import collections
import math

__all__ = ["Attempts"]


class Attempts:
    """Counts attempts by key (a person, an address); an attempt counts as failed until it is known to be right.

    Counting first and forgiving later means that a hundred attempts sent at once are not a hundred guesses. A key is
    forgotten ``wait_seconds`` after its latest attempt; past ``entries_max`` keys the one unused for longest goes.
    """

    def __init__(self, *, failures_max: int, wait_seconds: float, entries_max: int) -> None:
        self._failures_max = failures_max
        self._wait_seconds = wait_seconds
        self._entries_max = entries_max
        self._entries: collections.OrderedDict[str, tuple[int, float]] = collections.OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def take(self, key: str, now_seconds: float) -> int:
        """0 if an attempt may be made, which is then counted; otherwise the whole seconds to wait."""
        failures, latest = self._entries.get(key, (0, now_seconds))
        wait_seconds = latest + self._wait_seconds - now_seconds
        if wait_seconds <= 0:
            failures = 0
        if failures >= self._failures_max:
            return math.ceil(wait_seconds)
        self._entries[key] = (failures + 1, now_seconds)
        self._entries.move_to_end(key)
        while len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)
        return 0

    def give_back(self, key: str) -> None:
        """The latest attempt was right and does not count."""
        failures, latest = self._entries.get(key, (0, 0.0))
        if failures > 1:
            self._entries[key] = (failures - 1, latest)
        else:
            self._entries.pop(key, None)

    def forget(self, key: str) -> None:
        """The person is who they say: none of the failures count any more."""
        self._entries.pop(key, None)
