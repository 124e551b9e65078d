"""The value of a feature beside its normal range."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.desk.feature_ranges import (
    CATEGORIES_SHOWN_MAX,
    CategoryRange,
    NumericRange,
    Ranges,
    category_range_of,
    ranges_of,
)
from console.views.feature_rows import at, rows_of
from schemas.wire.block import CategoryCounts

USUAL = NumericRange(p01=0.0, p05=1.0, p25=4.0, p50=5.0, p75=6.0, p95=9.0, p99=10.0)
FINITE = st.floats(-1e12, 1e12)


def row(value, usual=USUAL):
    return rows_of({"x": value}, Ranges(reference_version="r", numeric={"x": usual}))[0]


@given(st.lists(FINITE, min_size=7, max_size=7).map(sorted), FINITE, FINITE)
@settings(max_examples=50, deadline=None)
def test_positions_stay_on_the_strip_and_in_order(quantiles, first, second):
    """Whatever the range, a larger value is never drawn to the left of a smaller one, and none leaves the strip."""
    usual = NumericRange(**dict(zip(NumericRange.__struct_fields__, quantiles, strict=True)))
    low, high = sorted((first, second))
    assert 4 <= at(low, usual) <= at(high, usual) <= 96


@pytest.mark.parametrize(
    ("value", "strangeness", "words"),
    [
        (-0.1, "outside", "lower than 99 % of the reference"),
        (0.5, "unusual", "lower than 95 % of the reference"),
        (1.0, "usual", "usual"),
        (5, "usual", "usual"),
        (9.5, "unusual", "higher than 95 % of the reference"),
        (11.0, "outside", "higher than 99 % of the reference"),
        (None, "unusual", "missing here"),
        ("five", "unusual", "another kind of value than in the reference"),
        (True, "unusual", "another kind of value than in the reference"),
    ],
)
def test_strangeness_and_words_of_a_number(value, strangeness, words):
    """What the strip shows by colour is also said in words."""
    assert (row(value).strangeness, row(value).words) == (strangeness, words)


@pytest.mark.parametrize(
    ("low", "high", "usual"),
    [
        (9007199254740000.0, 9007199254753460.0, "9007199254740000 – 9007199254753460"),
        (1e9 + 0.25, 1e9 + 0.75, "1000000000.25 – 1000000000.75"),
        (293.1491, 293.1542, "293.1491 – 293.1542"),
        (1e9 + 0.25, 1e9 + 0.25, "1000000000.25 – 1000000000.25"),
        (-1.7e308, 1.7e308, "-1.7e+308 – 1.7e+308"),
    ],
)
def test_the_ends_of_a_range_are_told_apart(low, high, usual):
    """A narrow range far from 0 has the digits in which its ends differ."""
    ends = NumericRange(p01=low, p05=low, p25=low, p50=low, p75=high, p95=high, p99=high)
    assert row(low, ends).usual == usual


def test_ids_and_prices_beside_their_range():
    """A value is what was sent, the range beside it is rounded, and neither groups digits."""
    years = NumericRange(p01=2000.0, p05=2001.0, p25=2005.0, p50=2010.0, p75=2015.0, p95=2024.0, p99=2025.0)
    assert (row(2019, years).value, row(2019, years).usual) == ("2019", "2001 – 2024")
    wide = NumericRange(p01=0.0, p05=12284.334, p25=4e18, p50=5e18, p75=6e18, p95=9e18, p99=1e19)
    assert (row(1875924584784080993, wide).value, row(1875924584784080993, wide).strangeness) == (
        "1875924584784080993",
        "usual",
    )
    assert row(12284.33, wide).usual == "12284.33 – 9000000000000000000"


def test_constant_feature_is_drawn_in_the_middle():
    """A reference without spread divides by nothing."""
    constant = NumericRange(p01=3.0, p05=3.0, p25=3.0, p50=3.0, p75=3.0, p95=3.0, p99=3.0)
    assert [row(value, constant).strip.value for value in (2.0, 3.0, 4.0)] == [4, 50, 96]
    assert [row(value, constant).strangeness for value in (2.0, 3.0, 4.0)] == ["outside", "usual", "outside"]


@pytest.mark.parametrize(
    ("value", "other_share", "strangeness", "words"),
    [
        ("spot", 0.0, "usual", "99.5 % of the reference"),
        ("block", 0.0, "unusual", "0.5 % of the reference"),
        ("new", 0.0, "outside", "never seen in the reference"),
        ("new", 0.1, "unusual", "rare in the reference"),
    ],
)
def test_strangeness_and_words_of_a_category(value, other_share, strangeness, words):
    """A category is as usual as it was frequent; with others unlisted, nothing can be called never seen."""
    ranges = Ranges(categorical={"x": CategoryRange(shares={"spot": 0.995, "block": 0.005}, other_share=other_share)})
    shown = rows_of({"x": value}, ranges)[0]
    assert (shown.strangeness, shown.words) == (strangeness, words)


def test_strangest_features_come_first():
    """Features out of range come first; the others keep the producer's order."""
    ranges = Ranges(numeric=dict.fromkeys("abcd", USUAL))
    assert [shown.name for shown in rows_of({"a": 5.0, "b": 9.5, "c": 5.0, "d": 99.0}, ranges)] == ["d", "b", "a", "c"]


def test_without_a_reference_values_are_shown_alone():
    """The first hour has no reference: no strip, no verdict on the value."""
    assert ranges_of(None, {"x": 1.0}) == Ranges()
    shown = rows_of({"x": 1.0}, Ranges())[0]
    assert (shown.value, shown.strip, shown.strangeness) == ("1", None, "unknown")


def test_listed_categories_are_bounded():
    """Past CATEGORIES_SHOWN_MAX the shares are summed, and all together are one."""
    counts = CategoryCounts(counts={f"c{n}": n + 1 for n in range(50)}, other=25)
    category_range = category_range_of(counts)
    assert len(category_range.shares) == CATEGORIES_SHOWN_MAX
    assert sum(category_range.shares.values()) + category_range.other_share == pytest.approx(1.0)
    assert category_range_of(CategoryCounts(counts={})) == CategoryRange(shares={})
