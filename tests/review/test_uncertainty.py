from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.uncertainty import margin_uncertainty, prediction_uncertainty
from schemas.prediction_columns import PredictionColumns


def test_it_is_one_minus_the_probability_of_the_answer(prediction: Any) -> None:
    """Confidence and probabilities mean the same, also where the answer is not the likeliest label."""
    events = [
        prediction(confidence=0.8),
        prediction(confidence=None, probabilities={"a": 0.8, "b": 0.2}),
        prediction(confidence=None, probabilities={"a": 0.2, "b": 0.8}),
    ]
    assert prediction_uncertainty(PredictionColumns.of(events)).tolist() == pytest.approx([0.2, 0.2, 0.8])


@settings(max_examples=50, deadline=None)
@given(first=st.floats(0, 1))
def test_with_two_labels_the_margin_says_the_same(first: float) -> None:
    """Both measures agree for two labels, so they share one scale."""
    found = margin_uncertainty(np.array([[first, 1 - first]]))
    assert found[0] == pytest.approx(1 - max(first, 1 - first))


def test_the_margin_looks_at_the_two_best_labels() -> None:
    """A tie between two labels is full doubt, whatever the others hold; a single label is none."""
    found = margin_uncertainty(np.array([[0.4, 0.4, 0.2], [0.4, 0.3, 0.3]]))
    assert found.tolist() == pytest.approx([0.5, 0.45])
    assert margin_uncertainty(np.ones((2, 1))).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match=r"expected \(events, labels\)"):
        margin_uncertainty(np.ones(3))
