"""SeenEvents: events that were judged recently are recognised, also after merging, undoing and forgetting others."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.consume import seen_events as duplicates
from streams.consume.seen_events import SeenEvents, identities


def ids(*numbers: int, model: str = "m") -> np.ndarray:
    return identities(model, [f"e-{number}" for number in numbers])


def fresh(seen: SeenEvents, numbers: list[int], at_ms: int = 0) -> list[bool]:
    mask = seen.first_seen(ids(*numbers), at_ms)
    return [True] * len(numbers) if mask is None else mask.tolist()


def test_a_retry_is_known_and_its_neighbours_are_not() -> None:
    """The second copy of an event is found, in another batch or in the same."""
    seen = SeenEvents(60, 1_000)
    assert fresh(seen, [1, 2, 3]) == [True, True, True]
    assert fresh(seen, [3, 4, 4, 5, 1]) == [False, True, False, True, False]


def test_the_same_id_of_another_model_is_another_event() -> None:
    """An event_id is unique within its model only."""
    seen = SeenEvents(60, 1_000)
    assert seen.first_seen(ids(1, model="a"), 0) is None
    assert seen.first_seen(ids(1, model="b"), 0) is None
    assert seen.first_seen(ids(1, model="a"), 0) is not None


@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=30), max_size=40), st.integers(2, 40))
@settings(max_examples=100, deadline=None)
def test_it_agrees_with_a_set(batches: list[list[int]], young_max: int) -> None:
    """As long as nothing is forgotten, merging levels changes no result."""
    seen, known = SeenEvents(60, 1_000), set[int]()
    before, duplicates.LEVELS_MAX = duplicates.LEVELS_MAX, (young_max, 4 * young_max)  # type: ignore[misc]
    try:
        for batch in batches:
            expected = [number not in known and number not in batch[:index] for index, number in enumerate(batch)]
            assert fresh(seen, batch) == expected
            known.update(batch)
            assert len(seen) == len(known)
    finally:
        duplicates.LEVELS_MAX = before  # type: ignore[misc]


def test_what_is_older_than_the_span_is_forgotten_within_twice_the_span() -> None:
    """An event is remembered for the whole span after it came, but not for ever."""
    seen = SeenEvents(10, 1_000_000)
    fresh(seen, [1], at_ms=0)
    for second in range(1, 10):
        fresh(seen, [100 + second], at_ms=second * 1000)
    assert fresh(seen, [1], at_ms=9_999) == [False]
    fresh(seen, [2], at_ms=10_000)
    fresh(seen, [3], at_ms=20_000)
    assert fresh(seen, [1], at_ms=20_001) == [True]


def test_memory_is_bounded_and_the_newest_half_is_kept() -> None:
    """At ``events_max`` the older half goes, which is counted; the newer half is still known."""
    seen = SeenEvents(3_600, 1_000)
    for begin in range(0, 10_000, 100):
        fresh(seen, list(range(begin, begin + 100)))
        assert len(seen) <= 1_100
    assert seen.shortened > 0
    assert fresh(seen, list(range(9_500, 10_000))) == [False] * 500


def test_undo_forgets_what_is_not_committed_and_nothing_else() -> None:
    """After an aborted transaction its events, and those handled meanwhile, are judged as if for the first time."""
    seen = SeenEvents(60, 1_000)
    seen.begin()
    fresh(seen, [1, 2])
    seen.begin()
    fresh(seen, [3])
    seen.committed()
    seen.begin()
    fresh(seen, [4, 1])
    seen.undo()
    assert fresh(seen, [1, 2, 3, 4]) == [False, False, True, True]


def test_undo_reaches_what_was_sorted_in_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch larger than the young levels is forgotten whole."""
    monkeypatch.setattr(duplicates, "LEVELS_MAX", (4, 8))
    seen = SeenEvents(60, 1_000)
    fresh(seen, list(range(20)))
    seen.begin()
    fresh(seen, list(range(100, 150)))
    seen.undo()
    assert fresh(seen, list(range(100, 150))) == [True] * 50
    assert fresh(seen, list(range(20))) == [False] * 20


def test_a_recall_between_batches_keeps_them_begun() -> None:
    """Partitions may be reassigned before a commit is reported: the batch can still be committed."""
    seen = SeenEvents(60, 1_000)
    seen.begin()
    fresh(seen, [1])
    seen.clear()
    seen.recall(ids(1, 2), 0)
    seen.committed()
    assert fresh(seen, [1, 2, 3]) == [False, False, True]


def test_ids_that_look_alike_are_told_apart() -> None:
    """A million ids that differ in a digit have a million identities."""
    numbers = random.Random(3).sample(range(10**9), 200_000)
    assert len(np.unique(identities("m", [f"{number:012}" for number in numbers]))) == len(numbers)
