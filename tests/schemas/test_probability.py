"""A number slightly outside 0 to 1 is taken as the bound, one further away is refused, by one rule everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.probability import probabilities_of, sums_to_one


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (0.0, 0.0),
        (0.25, 0.25),
        (1.0, 1.0),
        (1.0000001, 1.0),
        (1.00001, 1.0),
        (1.02, 1.0),
        (1 - 1.00001, 0.0),
        (-1e-4, 0.0),
        (1.0200001, None),
        (1.03, None),
        (-0.001, None),
        (math.inf, None),
        (-math.inf, None),
    ],
)
def test_what_a_number_is_taken_as(given: float, taken: float | None) -> None:
    """Up to 1.02 it is 1, down to -0.0001 it is 0; beyond, it is no probability."""
    result = probabilities_of(np.array([given]))
    assert (None if result is None else float(result[0])) == taken


@given(st.lists(st.floats(-0.5, 1.5) | st.floats() | st.sampled_from([1.02, -1e-4, 1.0000001]), max_size=8))
def test_a_column_is_taken_as_each_of_its_numbers(values: list[float]) -> None:
    """Many numbers follow the rule for one; NaN, which is absent, stays, and one that is no probability spoils all."""
    result = probabilities_of(np.array(values, np.float64))
    alone = [probabilities_of(np.array([value])) for value in values]
    taken = [float(value[0]) for value in alone if value is not None]
    if len(taken) < len(values):
        assert result is None
    else:
        assert result is not None
        assert np.array_equal(result, np.array(taken, np.float64), equal_nan=True)


def test_sums_have_the_same_slack_to_both_sides() -> None:
    """Shares rounded to two digits need not sum to one."""
    assert [sums_to_one(total) for total in (0.97, 0.98, 1.0, 1.02, 1.03, math.nan)] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
