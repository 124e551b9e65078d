"""How many messages go into one transaction."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.pace import EVENTS_FIRST, Pace


def test_quick_batches_grow_to_the_bound() -> None:
    """Full and quick ones double, up to what is allowed; one that was not full says nothing."""
    pace = Pace(10_000, 2.0)
    assert pace.events == EVENTS_FIRST
    pace.took(EVENTS_FIRST - 1, 0.01)
    assert pace.events == EVENTS_FIRST
    for _ in range(10):
        pace.took(pace.events, 0.1)
    assert pace.events == 10_000


def test_a_slow_batch_halves_what_it_held() -> None:
    """Also where it held less than it might have, down to a single message."""
    pace = Pace(10_000, 2.0)
    pace.took(1_000, 3.0)
    assert pace.events == 500
    pace.took(100, 3.0)
    assert pace.events == 50
    for _ in range(10):
        pace.took(pace.events, 3.0)
    assert pace.events == 1


@given(cost=st.floats(1e-6, 1.0), events_max=st.integers(1, 100_000))
def test_whatever_a_message_costs_batches_come_to_fit(cost: float, events_max: int) -> None:
    """After a few batches each fits into the time, and none is smaller than an eighth of what would."""
    pace = Pace(events_max, 2.0)
    for _ in range(40):
        pace.took(pace.events, pace.events * cost)
    fitting = min(events_max, 2.0 / cost)
    assert fitting / 8 - 1 <= pace.events <= max(1, fitting)
