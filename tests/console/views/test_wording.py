"""Times and numbers as people read them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.pages.forms import seconds_since
from console.views import wording
from console.views.evidence_words import evidence_lines
from schemas.wire.base import Scalar
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN
from tests.support.console.sample_data import alerts

NOW = 1_772_000_000_000


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "—"), (NOW + 59_999, "in 59 s"), (NOW + 7_200_000, "in 2 h"), (NOW - 61_000, "1 min overdue")],
)
def test_until(ms, text):
    """Due times say how long is left, or how late it is."""
    assert wording.until(ms, NOW) == text


def test_ago_and_clock_time():
    """A time is shown relative to now, and exactly in UTC."""
    assert wording.ago(NOW - 90_000, NOW) == "1 min ago"
    assert wording.ago(NOW + 5, NOW) == "just now"
    assert wording.clock_time(NOW) == "2026-02-25 06:13:20"
    assert wording.clock_time(0) == "—"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345, "12345"),
        (2019.0, "2019"),
        (12284.331, "12284.33"),
        (621.1234, "621.1"),
        (0.00031, "0.00031"),
        (2.0, "2"),
        (float("nan"), "—"),
        (None, "—"),
        (1e12, "1000000000000"),
        (0.123456, "0.1235"),
        (-1234.5678, "-1234.57"),
        (1.876e18, "1876000000000000000"),
        (1e-9, "1e-09"),
    ],
)
def test_number(value, text):
    """Four digits that matter, those before the point whole; nothing groups them, it may be a year."""
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("12284.33", "12284.33"),
        ("1875924584784080993", "1875924584784080993"),
        ("-1875924584784080993", "-1875924584784080993"),
        ("18446744073709551616", "18446744073709551616"),
        ("2019", "2019"),
        ("10115", "10115"),
        ("1234567.0", "1234567"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("0.1", "0.1"),
        ("-0.0", "-0"),
        ("1e-300", "1e-300"),
        ("0.000012", "0.000012"),
        ("1e16", "10000000000000000"),
        ("123456789012345680000", "123456789012345680000"),
        ("1e22", "1e+22"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ],
)
def test_a_number_is_shown_as_it_was_sent(sent, text):
    """An id, a year, a postal code, a price: the digits of the message, without separators."""
    value = msgspec.json.decode(sent, type=Scalar)
    assert wording.scalar(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**199), 10**199))
def test_a_shown_number_reads_as_the_one_that_was_sent(value):
    """Any number is shown as that number, and no digit is made up."""
    shown = wording.scalar(value)
    assert type(value)(shown) == value
    assert "," not in shown


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.62, "62.0 %"), (1.0, "100.0 %"), (0.99996, "> 99.9 %"), (0.0, "0.0 %"), (0.00002, "< 0.1 %"), (None, "—")],
)
def test_a_share_is_not_rounded_to_all_or_nothing(share, text):
    """A model that is nearly sure is not shown as certain."""
    assert wording.percent(share) == text


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


@given(
    low=st.floats(-1e18, 1e18),
    step=st.floats(1e-3, 1e6),
    before=st.floats(-1e18, 1e18),
)
def test_means_of_an_alert_are_shown_in_the_order_in_which_they_lie(low, step, before):
    """Means that differ by a thousandth, or far less, are shown with enough digits to tell which is larger."""
    means = {"reference_mean": low, "mean_before": before, "mean_after": low + step}
    alert = msgspec.structs.replace(alerts(NOW)[0], evidence=means)
    shown = [float(line.rpartition(": ")[2]) for line in evidence_lines(alert)]
    for first, first_shown in zip(means.values(), shown, strict=True):
        for second, second_shown in zip(means.values(), shown, strict=True):
            if first < second:
                assert first_shown < second_shown
