"""SeenEvents: events that were judged recently are recognised, also after growing, undoing and forgetting others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.identities import identities, model_salt
from streams.consume import key_table, seen_events
from streams.consume.seen_events import SeenEvents, events_held

MEMORY_MB = 1


def ids(*numbers: int, model: str = "m") -> np.ndarray:
    return identities([f"e-{number}" for number in numbers], model_salt(model))


def fresh(seen: SeenEvents, numbers: list[int], at_ms: int = 0) -> list[bool]:
    mask = seen.first_seen(ids(*numbers), at_ms)
    return [True] * len(numbers) if mask is None else mask.tolist()


def test_a_retry_is_known_and_its_neighbours_are_not() -> None:
    """The second copy of an event is found, in another batch or in the same."""
    seen = SeenEvents(60, MEMORY_MB)
    assert fresh(seen, [1, 2, 3]) == [True, True, True]
    assert fresh(seen, [3, 4, 4, 5, 1]) == [False, True, False, True, False]


def test_the_same_id_of_another_model_is_another_event() -> None:
    """An event_id is unique within its model only."""
    seen = SeenEvents(60, MEMORY_MB)
    assert seen.first_seen(ids(1, model="a"), 0) is None
    assert seen.first_seen(ids(1, model="b"), 0) is None
    assert seen.first_seen(ids(1, model="a"), 0) is not None


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that begin small and grow often, and events that are looked up a few at a time."""
    monkeypatch.setattr(key_table, "SLOTS_MIN", 16)
    monkeypatch.setattr(key_table, "MOVED_SLOTS_MIN", 8)
    monkeypatch.setattr(seen_events, "EVENTS_AT_ONCE", 13)


@pytest.mark.usefixtures("small_steps")
def test_it_agrees_with_sets() -> None:
    """Of any batches, committed or undone, it knows what sets know, as long as nothing is forgotten."""
    batches = st.lists(st.tuples(st.lists(st.integers(0, 300), max_size=60), st.sampled_from("nnncu")), max_size=30)

    @given(batches, st.booleans())
    @settings(max_examples=60, deadline=None)
    def agrees(batches: list[tuple[list[int], str]], turns: bool) -> None:
        seen, known, open_batches = SeenEvents(60, MEMORY_MB), set[int](), list[set[int]]()
        for number, (batch, then) in enumerate(batches):
            seen.begin()
            at_ms = 60_000 if turns and number >= 7 else 0
            expected = [event not in known and event not in batch[:index] for index, event in enumerate(batch)]
            assert fresh(seen, batch, at_ms) == expected
            open_batches.append(set(batch) - known)
            known.update(batch)
            if then == "c":
                seen.committed()
                open_batches.pop(0)
            elif then == "u":
                seen.undo()
                known -= set().union(*open_batches)
                open_batches.clear()
            assert len(seen) == len(known)

    agrees()


def test_what_is_older_than_the_span_is_forgotten_within_twice_the_span() -> None:
    """An event is remembered for the whole span after it came, but not for ever."""
    seen = SeenEvents(10, MEMORY_MB)
    fresh(seen, [1], at_ms=0)
    for second in range(1, 10):
        fresh(seen, [100 + second], at_ms=second * 1000)
    assert fresh(seen, [1], at_ms=9_999) == [False]
    fresh(seen, [2], at_ms=10_000)
    fresh(seen, [3], at_ms=20_000)
    assert fresh(seen, [1], at_ms=20_001) == [True]


def test_memory_is_bounded_and_the_newest_events_are_kept() -> None:
    """Where memory ends before the span, the older generation goes, which is counted; the newer is still known."""
    seen, held = SeenEvents(3_600, MEMORY_MB), events_held(MEMORY_MB)
    for begin in range(0, 4 * held, 5_000):
        seen.begin()
        assert seen.first_seen(ids(*range(begin, begin + 5_000)), at_ms=begin) is None
        seen.committed()
        assert len(seen) <= 2.25 * held
        assert seen.memory_bytes <= 1.1 * MEMORY_MB * 1_000_000
    assert seen.shortened == 3
    newest = begin + 5_000
    assert not any(fresh(seen, list(range(newest - held, newest))))


def test_the_span_that_is_held_is_known() -> None:
    """It is the promised one, until memory ends first; then what the last generation lasted; it recovers."""
    seen, held = SeenEvents(600, MEMORY_MB), events_held(MEMORY_MB)
    assert seen.held_seconds == 600
    for second, begin in enumerate(range(0, 2 * held, held // 100)):
        seen.first_seen(ids(*range(begin, begin + held // 100)), at_ms=second * 1000)
    assert seen.held_seconds == pytest.approx(100, abs=2)
    fresh(seen, [-1], at_ms=400_000)
    assert seen.held_seconds == pytest.approx(300, abs=5)
    fresh(seen, [-2], at_ms=900_000)
    assert seen.held_seconds == 600


def test_one_call_with_more_events_than_memory_holds_keeps_the_last_of_them() -> None:
    """Even one batch beyond the limit is answered event by event, and nothing is lost."""
    seen, held = SeenEvents(600, MEMORY_MB), events_held(MEMORY_MB)
    numbers = list(range(3 * held))
    assert seen.first_seen(ids(*numbers), at_ms=0) is None
    assert not any(fresh(seen, numbers[-held // 2 :]))
    assert seen.held_seconds == 0


def test_the_identity_that_marks_an_empty_slot_is_an_event_too() -> None:
    """Of all identities one is 0; its event is new once."""
    seen = SeenEvents(60, MEMORY_MB)
    zero = np.zeros(1, np.uint64)
    assert seen.first_seen(zero, 0) is None
    assert seen.first_seen(zero, 0).tolist() == [False]


def test_undo_forgets_what_is_not_committed_and_nothing_else() -> None:
    """After an aborted transaction its events, and those handled meanwhile, are judged as if for the first time."""
    seen = SeenEvents(60, MEMORY_MB)
    seen.begin()
    fresh(seen, [1, 2])
    seen.begin()
    fresh(seen, [3])
    seen.committed()
    seen.begin()
    fresh(seen, [4, 1])
    seen.undo()
    assert fresh(seen, [1, 2, 3, 4]) == [False, False, True, True]


@pytest.mark.usefixtures("small_steps")
def test_undo_reaches_what_was_moved_already() -> None:
    """A batch during which the table grew, and a generation ended, is forgotten whole."""
    seen = SeenEvents(60, MEMORY_MB)
    fresh(seen, list(range(200)))
    seen.begin()
    fresh(seen, list(range(1_000, 5_000)))
    fresh(seen, list(range(6_000, 7_000)), at_ms=60_000)
    seen.undo()
    assert all(fresh(seen, [*range(1_000, 5_000), *range(6_000, 7_000)], at_ms=60_001))
    assert not any(fresh(seen, list(range(200)), at_ms=60_001))


def test_a_recall_between_batches_keeps_them_begun() -> None:
    """Partitions may be reassigned before a commit is reported: the batch can still be committed."""
    seen = SeenEvents(60, MEMORY_MB)
    seen.begin()
    fresh(seen, [1])
    seen.clear()
    seen.recall(ids(1, 2), 0)
    seen.committed()
    assert fresh(seen, [1, 2, 3]) == [False, False, True]
