"""Times and numbers as people read them."""

from __future__ import annotations

import pytest

from review.console import wording
from review.console.forms import seconds_since
from schemas.opinion import CANNOT_TELL, WITHDRAWN

NOW = 1_772_000_000_000


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "—"), (NOW + 59_999, "in 59 s"), (NOW + 7_200_000, "in 2 h"), (NOW - 61_000, "1 min overdue")],
)
def test_until(ms, text):
    """Due times say how long is left, or how late it is."""
    assert wording.until(ms, NOW) == text


def test_ago_and_clock_time():
    """A moment is told from now, and exactly in UTC."""
    assert wording.ago(NOW - 90_000, NOW) == "1 min ago"
    assert wording.ago(NOW + 5, NOW) == "just now"
    assert wording.clock_time(NOW) == "2026-02-25 06:13:20"
    assert wording.clock_time(0) == "—"


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345, "12,345"), (0.00031, "0.00031"), (2.0, "2"), (float("nan"), "—"), (1e12, "1e+12"), (0.123456, "0.1235")],
)
def test_number(value, text):
    """Four digits that matter."""
    assert wording.number(value) == text


def test_scalar_keeps_kinds_apart():
    """A missing value, a truth value and a text are not numbers."""
    assert [wording.scalar(value) for value in (None, True, "007", 7)] == ["missing", "true", "007", "7"]


def test_special_answers_have_words():
    """No marker of the wire format reaches a person."""
    words = [wording.answer_text(answer) for answer in (CANNOT_TELL, WITHDRAWN, "UP")]
    assert words == ["cannot tell", "taken back", "UP"]


@pytest.mark.parametrize(
    ("shown_at", "seconds"),
    [
        (str(NOW - 2500), 2.5),
        ("", 0.0),
        ("soon", 0.0),
        (str(NOW + 1000), 0.0),
        ("1", 86_400.0),
        ("9" * 40, 0.0),
        ("²", 0.0),
    ],
)
def test_seconds_since_is_bounded(shown_at, seconds):
    """A field that anybody can change cannot claim more than a day, or less than nothing."""
    assert seconds_since(shown_at, NOW) == seconds
