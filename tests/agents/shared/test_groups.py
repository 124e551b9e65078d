"""A role keeps up only if its oldest waiting message is young."""

from __future__ import annotations

import pytest

from agents.shared.groups import KEEPING_UP_SECONDS, lag_state, lag_text
from streams.admin.lag import Lag

WARNING, MESSAGES = 120.0, 50_000


@pytest.mark.parametrize(
    ("lag", "note", "late"),
    [
        (Lag(0, 0.0), "keeping up", False),
        (Lag(40_000, 0.5), "keeping up", False),
        (Lag(1, KEEPING_UP_SECONDS + 1), "catching up", False),
        (Lag(1, WARNING + 1), "falling behind", True),
        (Lag(3, None), "unknown for how long", True),
        (Lag(MESSAGES, 30.0), "catching up", False),
        (Lag(MESSAGES + 1, 30.0), "falling behind", True),
        (Lag(MESSAGES + 1, 2.0), "falling behind", True),
    ],
)
def test_what_is_said_of_a_lag(lag: Lag, note: str, late: bool) -> None:
    """One message that has waited for long is trouble, and so are very many; word and state agree."""
    assert lag_state(lag, WARNING, MESSAGES) == (note, late)


@pytest.mark.parametrize(
    ("lag", "text"),
    [
        (Lag(0, 0.0), "0 messages"),
        (Lag(1, 2.25), "1 message, waiting for 2 s"),
        (Lag(12, 300.0), "12 messages, the oldest waiting for 5 min"),
        (Lag(12, 7_300.0), "12 messages, the oldest waiting for 2 h 1 min"),
        (Lag(12, 5 * 86_400.0), "12 messages, the oldest waiting for 5 days"),
        (Lag(2, None), "2 messages, the oldest waiting for an unknown time"),
        (Lag(1, None), "1 message, waiting for an unknown time"),
    ],
)
def test_a_lag_in_words(lag: Lag, text: str) -> None:
    """The words have both measures, and a unit that fits."""
    assert lag_text(lag) == text
