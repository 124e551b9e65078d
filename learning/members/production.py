"""What the producer's own model said of an event, as a member of the stack sees it."""

from __future__ import annotations

from typing import NamedTuple

from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction, confidence_of, label_text

__all__ = ["Production", "production_of", "productions_of"]


class Production(NamedTuple):
    """The producer's answer, its confidence in [0, 1], and its probabilities where it gave them."""

    prediction: str
    confidence: float
    probabilities: dict[str, float] | None = None


def production_of(event: Correction | Prediction) -> Production:
    """The producer's answer to one event."""
    if isinstance(event, Correction):
        return Production(event.prediction, event.confidence, event.probabilities)
    return Production(label_text(event.prediction), confidence_of(event), event.probabilities)


def productions_of(events: PredictionColumns, first: int) -> list[Production]:
    """The producer's answers to the ``first`` events."""
    confidences = events.confidence[:first].tolist()
    probabilities = [None] * first if events.probabilities is None else events.probabilities[:first]
    return list(map(Production, events.labels[:first], confidences, probabilities))
