"""The counter of failed sign-ins."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from console.sessions.attempts import Attempts

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 40)), max_size=60)


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_never_more_failures_than_allowed_before_a_wait(steps):
    """Between two pauses of a whole wait, no key gets more attempts than allowed."""
    attempts = Attempts(failures_max=3, wait_seconds=30, entries_max=10)
    now, taken = 0.0, {}
    for key, pause in steps:
        now += pause
        history = taken.setdefault(key, [])
        if history and now - history[-1] >= 30:
            history.clear()
        if attempts.take(key, now) == 0:
            history.append(now)
        assert len(history) <= 3


def test_wait_shrinks_and_ends():
    """The seconds to wait count from the latest attempt that was made, not from the refused ones."""
    attempts = Attempts(failures_max=1, wait_seconds=30, entries_max=10)
    assert attempts.take("a", 100.0) == 0
    assert [attempts.take("a", now) for now in (100.0, 110.5, 129.9, 130.0)] == [30, 20, 1, 0]


def test_keys_are_bounded_and_the_longest_unused_goes():
    """At entries_max the key unused for longest is forgotten."""
    attempts = Attempts(failures_max=1, wait_seconds=30, entries_max=2)
    for key in ("a", "b", "c"):
        attempts.take(key, 1.0)
    assert len(attempts) == 2
    assert attempts.take("a", 1.0) == 0
    assert attempts.take("c", 1.0) > 0


def test_given_back_attempt_does_not_count():
    """A right password costs its address nothing, and does not forgive earlier failures."""
    attempts = Attempts(failures_max=2, wait_seconds=30, entries_max=10)
    attempts.take("a", 1.0)
    attempts.take("a", 1.0)
    attempts.give_back("a")
    assert attempts.take("a", 1.0) == 0
    assert attempts.take("a", 1.0) > 0


def test_waits_double_up_to_their_bound():
    """Whoever goes on guessing waits twice as long after every failure, and never longer than the bound."""
    attempts = Attempts(failures_max=2, wait_seconds=10, entries_max=10, wait_seconds_max=60)
    now, waits = 0.0, []
    for _ in range(8):
        while wait := attempts.take("a", now):
            waits.append(wait)
            now += wait
    assert waits == [10, 20, 40, 60, 60, 60]


def test_failures_are_forgotten_after_their_time():
    """Five typing errors a year do not add up."""
    attempts = Attempts(failures_max=1, wait_seconds=10, entries_max=10, wait_seconds_max=60, forget_seconds=1000)
    attempts.take("a", 0.0)
    attempts.take("a", 10.0)
    assert attempts.wait("a", 10.0) == 20
    assert attempts.take("a", 1010.0) == 0
    assert attempts.wait("a", 1010.0) == 10


def test_inventing_names_does_not_make_a_counter_be_forgotten():
    """Past entries_max those go that failed least often."""
    attempts = Attempts(failures_max=3, wait_seconds=30, entries_max=5)
    for _ in range(3):
        attempts.take("admin", 0.0)
    for number in range(100):
        attempts.take(f"invented {number}", 1.0)
    assert attempts.wait("admin", 1.0) == 29
    assert len(attempts) == 5
