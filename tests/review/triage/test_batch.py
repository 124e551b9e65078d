from __future__ import annotations

from typing import Any

import pytest

from review.triage.batch import prediction_uncertainty
from schemas.columns.prediction_columns import PredictionColumns


def test_it_is_one_minus_the_probability_of_the_answer(prediction: Any) -> None:
    """Confidence and probabilities mean the same, also where the answer is not the likeliest label."""
    events = [
        prediction(confidence=0.8),
        prediction(confidence=None, probabilities={"a": 0.8, "b": 0.2}),
        prediction(confidence=None, probabilities={"a": 0.2, "b": 0.8}),
    ]
    assert prediction_uncertainty(PredictionColumns.of(events).confidence).tolist() == pytest.approx([0.2, 0.2, 0.8])
