"""Attempts: how often a sign-in may fail before the next attempt has to wait, and for how long."""

from __future__ import annotations

import collections
import math
from typing import Final

__all__ = ["Attempts"]

DOUBLINGS_MAX: Final = 32
"""Failures beyond the allowed ones that are counted separately; the wait has reached its bound long before."""


class Attempts:
    """Counts attempts by key (a person, an address). An attempt counts as failed until it is known to be right.

    After ``failures_max`` failures the next attempt has to wait: ``wait_seconds`` at first, twice as long after every
    further failure, and ``wait_seconds_max`` at most. A key is forgotten ``forget_seconds`` after its latest attempt.

    Attempts are counted before the password is checked, so that a hundred attempts sent at once are not a hundred
    guesses. Beyond ``entries_max`` keys, one of those with the fewest failures is forgotten, the one that was unused
    for longest: inventing names does not reset the counter of a real one.

    >>> attempts = Attempts(failures_max=2, wait_seconds=60, entries_max=10)
    >>> [attempts.take("ada", now_seconds=0.0) for _ in range(3)]
    [0, 0, 60]
    """

    def __init__(
        self,
        *,
        failures_max: int,
        wait_seconds: float,
        entries_max: int,
        wait_seconds_max: float = 3_600.0,
        forget_seconds: float = 86_400.0,
    ) -> None:
        self._failures_max = failures_max
        self._wait_seconds = wait_seconds
        self._wait_seconds_max = max(wait_seconds, wait_seconds_max)
        self._forget_seconds = max(forget_seconds, self._wait_seconds_max)
        self._entries_max = entries_max
        # Not caches of cachetools: the limit holds for all levels together, and the lowest level is emptied first.
        self._levels: list[collections.OrderedDict[str, float]] = [
            collections.OrderedDict() for _ in range(failures_max + DOUBLINGS_MAX + 1)
        ]
        self._failures: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def wait(self, key: str, now_seconds: float) -> int:
        """0 if an attempt may be made, otherwise the seconds to wait, rounded up."""
        failures = self._failures.get(key, 0)
        if failures < self._failures_max:
            return 0
        latest = self._levels[failures][key]
        if now_seconds - latest >= self._forget_seconds:
            self.forget(key)
            return 0
        doubled = self._wait_seconds * 2.0 ** (failures - self._failures_max)
        return max(0, math.ceil(latest + min(doubled, self._wait_seconds_max) - now_seconds))

    def count(self, key: str, now_seconds: float) -> None:
        """Count an attempt as failed; ``give_back`` or ``forget`` corrects that."""
        failures = self._failures.get(key, 0)
        if failures and now_seconds - self._levels[failures][key] >= self._forget_seconds:
            failures = 0
        self._put(key, min(failures + 1, len(self._levels) - 1), now_seconds)
        while len(self._failures) > self._entries_max:
            level = next(level for level in self._levels if level)
            del self._failures[level.popitem(last=False)[0]]

    def take(self, key: str, now_seconds: float) -> int:
        """0 if an attempt may be made, which is counted; otherwise the seconds to wait, rounded up."""
        wait_seconds = self.wait(key, now_seconds)
        if not wait_seconds:
            self.count(key, now_seconds)
        return wait_seconds

    def exhaust(self, key: str, now_seconds: float) -> None:
        """Count as if all allowed attempts had failed."""
        self._put(key, max(self._failures.get(key, 0), self._failures_max), now_seconds)

    def give_back(self, key: str) -> None:
        """The latest attempt was right: it no longer counts."""
        failures = self._failures.get(key, 0)
        if failures > 1:
            self._put(key, failures - 1, self._levels[failures][key])
        else:
            self.forget(key)

    def forget(self, key: str) -> None:
        """Forget all failures of a key."""
        failures = self._failures.pop(key, 0)
        if failures:
            del self._levels[failures][key]

    def _put(self, key: str, failures: int, now_seconds: float) -> None:
        self.forget(key)
        self._failures[key] = failures
        self._levels[failures][key] = now_seconds
