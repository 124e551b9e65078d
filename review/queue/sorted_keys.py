"""A sorted set of keys that stays quick with a hundred thousand of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

__all__ = ["Key", "SortedKeys"]

BUCKET_KEYS_MAX: Final = 1_000

Key = tuple[float, int, int, str]
"""Minus the priority, due time, creation time, task id: what comes first sorts first."""


class SortedKeys:
    """Keys in order, in buckets of at most BUCKET_KEYS_MAX, so that adding and removing move few of them."""

    def __init__(self) -> None:
        self._buckets: list[list[Key]] = []
        self._highest: list[Key] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Key]:
        for bucket in self._buckets:
            yield from bucket

    def __reversed__(self) -> Iterator[Key]:
        for bucket in reversed(self._buckets):
            yield from reversed(bucket)

    def add(self, key: Key) -> None:
        """Put a key in its place; the caller sees to it that it is not there yet."""
        self._size += 1
        if not self._buckets:
            self._buckets.append([key])
            self._highest.append(key)
            return
        place = min(bisect_left(self._highest, key), len(self._buckets) - 1)
        bucket = self._buckets[place]
        insort(bucket, key)
        self._highest[place] = bucket[-1]
        if len(bucket) > BUCKET_KEYS_MAX:
            half = len(bucket) // 2
            self._buckets[place : place + 1] = [bucket[:half], bucket[half:]]
            self._highest[place : place + 1] = [bucket[half - 1], bucket[-1]]

    def remove(self, key: Key) -> None:
        """Take a key out; KeyError where it is not there."""
        place = bisect_left(self._highest, key)
        bucket = self._buckets[place] if place < len(self._buckets) else []
        spot = bisect_left(bucket, key)
        if spot >= len(bucket) or bucket[spot] != key:
            raise KeyError(key)
        del bucket[spot]
        self._size -= 1
        if bucket:
            self._highest[place] = bucket[-1]
        else:
            del self._buckets[place]
            del self._highest[place]

    def count_below(self, key: Key) -> int:
        """How many keys sort before this one."""
        place = bisect_left(self._highest, key)
        below = sum(len(bucket) for bucket in self._buckets[:place])
        return below + (bisect_left(self._buckets[place], key) if place < len(self._buckets) else 0)

    def after(self, offset: int) -> Iterator[Key]:
        """Keys from a position on; whole buckets are stepped over."""
        for bucket in self._buckets:
            if offset < len(bucket):
                yield from bucket[offset:]
                offset = 0
            else:
                offset -= len(bucket)
