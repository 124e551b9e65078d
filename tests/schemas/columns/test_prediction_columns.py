"""Columns of predictions: pieces put together are what the whole would have been."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.prediction import Consent, Prediction
from tests.support.plain_columns import plain

events_of = st.lists(
    st.builds(
        Prediction,
        event_id=st.text(min_size=1, max_size=5),
        model=st.just("m"),
        time=st.integers(0, 10**12),
        features=st.dictionaries(st.sampled_from("abcd"), st.sampled_from([1, 2.5, "x", None, True])),
        prediction=st.sampled_from(["stay", 3, True]),
        confidence=st.floats(0, 1),
        probabilities=st.none() | st.just({"stay": 1.0}),
        slices=st.dictionaries(st.sampled_from("rs"), st.just("EU")),
        risk=st.none() | st.floats(0, 1),
        consent=st.builds(Consent, review=st.booleans(), learn=st.booleans()),
        content=st.none() | st.just("a text"),
    ),
    min_size=1,
    max_size=12,
)


@given(st.lists(events_of, min_size=1, max_size=5))
def test_joined_pieces_are_the_whole(pieces: list[list[Prediction]]) -> None:
    """Whatever features and fields each piece has, and none of the others."""
    whole = PredictionColumns.of([event for piece in pieces for event in piece])
    joined = PredictionColumns.joined([PredictionColumns.of(piece) for piece in pieces])
    assert plain(joined) == plain(whole)
    assert all(set(map(type, column.values)) <= column.types for column in joined.features.values())
