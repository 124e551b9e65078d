"""Features become columns: bounded, in a fixed order, the same alone and in company."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from learning.members.features import VALUE_MAX, Encoder, one_row
from learning.settings import LearnSettings
from schemas.columns.prediction_columns import features_of_rows

values = st.one_of(st.none(), st.booleans(), st.integers(-(10**15), 10**15), st.floats(), st.text(max_size=3))
rows = st.lists(st.dictionaries(st.sampled_from("abcdef"), values), max_size=20)


def columns(rows):
    return {name: column.values for name, column in features_of_rows(rows).items()}


@given(rows, rows)
@effort(max_examples=50, deadline=None)
def test_one_by_one_is_the_same_as_in_bulk_and_finite(learned, asked) -> None:
    """Whatever the features, a row does not depend on its neighbours, and every number is finite."""
    encoder = Encoder(LearnSettings(features_max=12, categories_max=3))
    for features in learned:
        encoder.learn_one(features)
    bulk = encoder.encode(columns(asked), len(asked))
    assert np.isfinite(bulk).all()
    assert encoder.columns <= 12
    for row, features in zip(bulk, asked, strict=True):
        np.testing.assert_array_equal(encoder.encode(one_row(features), 1)[0], row)


def test_categories_numbers_and_what_is_missing() -> None:
    """Strings are one-hot with a column for others, a missing number is the mean, columns never move."""
    encoder = Encoder(LearnSettings(categories_max=1))
    encoder.learn_one({"size": 2, "colour": "red", "new": True})
    encoder.learn_one({"size": 4.0, "colour": "blue"})
    matrix = encoder.encode(columns([{"size": 1, "colour": "red"}, {"colour": "blue", "new": False}, {"size": "1"}]), 3)
    # Columns: size, colour (others), colour = red, new.
    np.testing.assert_array_equal(matrix, [[1, 0, 1, 1], [3, 1, 0, 0], [3, 0, 0, 1]])


def test_columns_are_bounded_and_what_is_left_out_is_counted() -> None:
    """At the limit no new column comes into being."""
    encoder = Encoder(LearnSettings(features_max=3))
    encoder.learn_one({f"f{number}": number for number in range(10)})
    assert encoder.columns == 3
    assert encoder.left_out == 7


def test_absurd_numbers_are_clipped() -> None:
    """Infinity counts as missing, and a huge number stays finite when squared."""
    encoder = Encoder(LearnSettings())
    encoder.learn_one({"x": 1e300})
    encoder.learn_one({"x": math.inf})
    assert encoder.encode({"x": [-1e300, math.inf]}, 2).tolist() == [[-VALUE_MAX], [VALUE_MAX]]
