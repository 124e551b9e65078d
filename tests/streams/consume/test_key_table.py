"""KeyTable: a set, whatever is added and removed, also while it grows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.consume import key_table
from streams.consume.key_table import LOAD_MAX, KeyTable, slots_for


def keys_of(numbers: set[int] | list[int]) -> np.ndarray:
    """Numbers below 2**16 as keys, in order, whose homes are all over the table and often the same."""
    return np.sort(np.array([(number << 48) | 1 + number % 7 for number in numbers], np.uint64))


def add(table: KeyTable, keys: np.ndarray) -> None:
    table.make_room(len(keys))
    at, held = table.find(keys)
    assert not held.any()
    table.add(keys, at)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that begin small, and move little at once."""
    monkeypatch.setattr(key_table, "SLOTS_MIN", 32)
    monkeypatch.setattr(key_table, "MOVED_SLOTS_MIN", 8)


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "add", "remove"]), st.sets(st.integers(1, 65_535), max_size=40)),
    max_size=40,
)


@pytest.mark.usefixtures("small_steps")
def test_it_agrees_with_a_set() -> None:
    """After every step just the keys that were added and not removed are held, and they are counted."""

    @given(STEPS)
    @settings(max_examples=60, deadline=None)
    def agrees(steps: list[tuple[str, set[int]]]) -> None:
        table, known = KeyTable(4_096), set[int]()
        seen: set[int] = set()
        for step, numbers in steps:
            seen |= numbers
            if step == "add":
                add(table, keys_of(numbers - known))
                known |= numbers
            else:
                table.remove(keys_of(numbers))
                known -= numbers
            assert len(table) == len(known)
            ordered = sorted(seen)
            assert table.find(keys_of(ordered))[1].tolist() == [number in known for number in ordered]

    agrees()


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("at_once", [3, 41, 500])
def test_it_holds_all_while_it_grows(at_once: int) -> None:
    """Keys that were not moved yet are found, and those that were, until it is full; so are the removed ones not."""
    table = KeyTable(4_096)
    keys = np.sort(np.random.default_rng(5).integers(1, 2**64, table.keys_max, dtype=np.uint64))
    order = np.random.default_rng(6).permutation(len(keys))
    for begin in range(0, len(keys), at_once):
        some = np.sort(keys[order[begin : begin + at_once]])
        add(table, some)
        if begin % (29 * at_once) == 0:
            table.remove(some[::2])
            assert table.find(some)[1].tolist() == [index % 2 == 1 for index in range(len(some))]
            add(table, some[::2])
        held = table.find(keys[np.sort(order[: begin + at_once])])[1]
        assert held.all()
        assert table.find(keys)[1].sum() == len(held) == len(table)


def test_keys_with_one_home_are_told_apart() -> None:
    """Keys whose high bits are equal are one chain, which is still whole when some of them are removed."""
    table = KeyTable(1 << 15)
    crowd = np.arange(1, 301, dtype=np.uint64) + np.uint64(1 << 63)
    add(table, crowd[:200])
    assert table.find(crowd)[1].tolist() == [True] * 200 + [False] * 100
    table.remove(crowd[50:100])
    assert table.find(crowd[:200])[1].tolist() == [True] * 50 + [False] * 50 + [True] * 100


def test_a_chain_too_long_ends_and_harms_no_other_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that would be looked for too long is not held; all others are, and the count is of those held."""
    monkeypatch.setattr(key_table, "ROUNDS_MAX", 8)
    table = KeyTable(1 << 15)
    crowd = np.arange(1, 301, dtype=np.uint64) + np.uint64(1 << 63)
    for begin in range(0, 300, 5):
        table.add(crowd[begin : begin + 5], table.find(crowd[begin : begin + 5])[0])
    others = np.sort(np.random.default_rng(3).integers(1, 2**62, 1_000, dtype=np.uint64))
    for begin in range(0, 1_000, 50):
        add(table, others[begin : begin + 50])
    assert table.find(others)[1].all()
    assert table.find(crowd)[1].sum() == 1 + 8 * key_table.PROBED_AT_ONCE


def test_the_last_homes_have_room_behind_them() -> None:
    """Keys that point to the very end of the table are held, also in a table that may not grow."""
    table = KeyTable(1_000)
    last = np.uint64(2**64 - 1) - np.arange(150, dtype=np.uint64)[::-1]
    add(table, last)
    assert table.find(last)[1].all()
    table.remove(last[::3])
    assert table.find(last)[1].tolist() == [index % 3 != 0 for index in range(150)]


def test_a_table_for_many_keys_begins_large_and_no_larger_than_may_be() -> None:
    """A table begins with the slots that the expected keys need."""
    assert slots_for(0, 1_000) == 1_000
    for keys in (0, 10_000, 100_000, 10**9):
        slots = slots_for(keys, 10**6)
        assert slots <= 10**6
        assert slots == 10**6 or slots * LOAD_MAX >= keys
