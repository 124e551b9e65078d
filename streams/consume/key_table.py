"""KeyTable: a set of 64-bit keys as one array, which is walked through in order, and grows a part at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["KeyTable", "slots_for"]

Keys = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

EMPTY: Final = np.uint64(0)

LOAD_MAX: Final = 0.5
"""Keys for each slot at most: then a key is looked for at two and a half ahead on average (Knuth 1963)."""

SLOTS_MIN: Final = 16_384
"""Slots of the smallest table, 128 KiB."""

SLOTS_MAX: Final = 1 << 32
"""Slots of the largest table, 32 GiB: a slot is found from 32 bits of the key."""

PROBED_AT_ONCE: Final = 8
"""Slots that are looked at together for a key that is not at home: a line of the processor's cache."""

AHEAD: Final = np.arange(1, 1 + PROBED_AT_ONCE)

ROUNDS_MAX: Final = 512
"""How often it is looked on for a key that found its slots taken. At this load one key of 10**8 needs as many as 25;
one that would need more than this is not held."""

PROBES_MAX: Final = 1 + ROUNDS_MAX * PROBED_AT_ONCE
"""Slots that one key is looked for in."""

MOVED_SLOTS_MIN: Final = 8_192
"""Slots that are moved at once at least while the table grows: fewer would be more calls than work."""

MOVED_SLOTS_PER_KEY: Final = 4
"""Slots that are moved for each key that is added while the table grows."""

OLD_HOMES_LOAD_MAX: Final = LOAD_MAX + 2 / MOVED_SLOTS_PER_KEY / 2
"""Keys for each slot of before at most while the table grows; it has grown when there are half as many more."""

HIGH_BITS: Final = np.uint64(32)


def slots_for(keys: int, slots_max: int) -> int:
    """The slots that a table of so many keys begins with: ``slots_max``, halved as often as there is still room.

    >>> slots_for(0, 100_000), slots_for(20_000, 100_000), slots_for(10**9, 100_000)
    (25000, 50000, 100000)
    """
    slots = slots_max
    while slots // 2 >= max(SLOTS_MIN, keys / LOAD_MAX):
        slots //= 2
    return slots


class KeyTable:
    """A set of uniformly distributed 64-bit keys other than 0, by linear probing, in at most ``slots_max`` slots.

    A key's home is where its high bits point, so that keys in ascending order are looked for from the beginning of the
    array to its end, and each piece of memory is fetched once. The array has room for ``slots_max`` from the start, of
    which the system gives memory to the pages that are written to alone.

    When half of the slots are taken, their number doubles, and homes are twice as far from the beginning. Keys move to
    their new homes from the last to the first, some with each ``add``, so that no caller waits long: homes below
    ``_unmoved`` are still the old ones. (Linear hashing, Litwin 1980, does so too, from the first to the last.)
    """

    def __init__(self, slots_max: int, keys: int = 0) -> None:
        self._slots_max = slots_max
        self._array = np.zeros(slots_max + PROBES_MAX + 1, np.uint64)
        self._slots = slots_for(keys, slots_max)
        self._unmoved = 0
        self._owed = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def keys_max(self) -> int:
        """Keys that it holds when it has grown as far as it may."""
        return int(self._slots_max * LOAD_MAX)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the slots in use."""
        return (self._slots + PROBES_MAX) * self._array.itemsize

    def find(self, ordered: Keys) -> tuple[Ints, Flags]:
        """Where keys in ascending order are, or the empty slots where they would be put; and which are held."""
        at = self._homes(ordered)
        there = self._array.take(at)
        held = there == ordered
        left = np.flatnonzero(~held & (there != EMPTY))
        for _ in range(ROUNDS_MAX):
            if not len(left):
                return at, held
            ahead = at[left, None] + AHEAD
            there, keys = self._array.take(ahead), ordered[left, None]
            is_end = (there == EMPTY) | (there == keys)
            steps = is_end.argmax(axis=1)
            rows = np.arange(len(left))
            at[left] = ahead[rows, steps]
            held[left] = there[rows, steps] == keys[:, 0]
            left = left[~is_end[rows, steps]]
            at[left] += PROBED_AT_ONCE - 1  # where no end is, the first step was taken
        at[left] = len(self._array) - 1  # nothing is looked for in the last slot
        return at, held

    def make_room(self, keys: int) -> None:
        """Grow, as far as it may, if so many more keys would not leave half of the slots empty."""
        wanted = self._count + keys
        while wanted > self._slots * LOAD_MAX and 2 * self._slots <= self._slots_max:
            self._move(self._unmoved)
            self._unmoved = self._slots
            self._slots *= 2
        if self._unmoved and wanted > self._slots / 2 * OLD_HOMES_LOAD_MAX:
            self._move(self._unmoved)

    def add(self, ordered: Keys, at: Ints) -> None:
        """Add keys in ascending order, no two of them equal and none held, from the empty slots that ``find`` gave."""
        self._count += self._put(ordered, at)
        if self._unmoved:
            self._owed += MOVED_SLOTS_PER_KEY * len(ordered)
            if self._owed >= MOVED_SLOTS_MIN:
                self._move(self._owed)
                self._owed = 0

    def remove(self, keys: Keys) -> None:
        """Remove those of these keys that are held. What stands behind a removed key is put anew."""
        ordered = np.unique(keys)
        at, held = self.find(ordered)
        at = at[held]
        self._array[at] = EMPTY
        self._count -= len(at)
        self._put_anew(np.unique(at + 1))

    def _homes(self, ordered: Keys) -> Ints:
        homes = ((ordered >> HIGH_BITS) * np.uint64(self._slots) >> HIGH_BITS).view(np.int64)
        if self._unmoved:
            homes[: np.searchsorted(homes, 2 * self._unmoved)] >>= 1
        return homes

    def _put(self, keys: Keys, at: Ints) -> int:
        """Put keys in ascending order into the slots that ``find`` gave; returns how many were put.

        Of several keys for one slot one is put, and the others are looked for again.
        """
        count = len(keys)
        for _ in range(ROUNDS_MAX):
            self._array[at] = keys
            left = np.flatnonzero(self._array.take(at) != keys)
            if not len(left):
                return count
            keys = keys[left]
            at, _held = self.find(keys)
        return count - len(keys)

    def _put_anew(self, at: Ints) -> None:
        """Put the keys from these slots up to the next empty one where they are found now."""
        taken = []
        while len(at):
            keys = self._array.take(at)
            at, keys = at[keys != EMPTY], keys[keys != EMPTY]
            self._array[at] = EMPTY
            taken.append(keys)
            at = at + 1
        if taken:
            keys = np.sort(np.concatenate(taken))
            self._count -= len(keys) - self._put(keys, self.find(keys)[0])

    def _move(self, slots: int) -> None:
        """Give the keys in the last so many slots that are not moved yet their new homes."""
        if not self._unmoved:
            return
        begin = self._unmoved - slots
        if begin < MOVED_SLOTS_MIN:
            begin = 0
        while begin and self._array[begin - 1] != EMPTY:
            begin -= 1  # keys whose homes lie before ``begin`` stay
        end = self._unmoved
        while self._array[end] != EMPTY:
            end += 1  # keys whose homes lie before ``_unmoved`` go
        part = self._array[begin:end]
        keys = part[part != EMPTY]
        part[:] = EMPTY
        self._unmoved = begin
        keys.sort()
        self._count -= len(keys) - self._put(keys, self.find(keys)[0])
