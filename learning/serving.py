"""The learned model in charge: a frozen copy of the stack that answers whole batches."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.members.batch import Production, productions_of
from learning.members.features import one_row
from learning.stack import FrozenStack, probabilities_of
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.base import Scalar

__all__ = ["Scores", "ServingModel"]

Vector = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """The learned answers to a batch, one entry an event.

    ``error_probability`` is the probability that production is wrong, ``uncertainty`` is 1 − p(learned answer). Only
    the first ``scored`` events went through the model; the others have production's answer and confidence.
    """

    answers: list[str]
    error_probability: Vector
    uncertainty: Vector
    scored: int


@dataclasses.dataclass(frozen=True, slots=True)
class ServingModel:
    """A learned model that the gate put in charge. It never changes and its pickle is small."""

    model: str
    version: str
    stack: FrozenStack
    scored_events_max: int

    def predict_proba_one(
        self,
        features: dict[str, Scalar],
        prediction: str,
        confidence: float,
        probabilities: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """The probability of each label for one event; they sum to one."""
        production = Production(prediction, confidence, probabilities)
        row = self.stack.answer(one_row(features), [production]).probabilities[0]
        return probabilities_of(row, self._index(), production)

    def answer(
        self,
        features: dict[str, Scalar],
        prediction: str,
        confidence: float,
        probabilities: dict[str, float] | None = None,
    ) -> str:
        """The label to which ``predict_proba_one`` gives the highest probability."""
        probability_of = self.predict_proba_one(features, prediction, confidence, probabilities)
        return max(probability_of, key=probability_of.__getitem__)

    def many(self, events: PredictionColumns) -> Scores:
        """Score a batch at once; events after the first ``scored_events_max`` keep production's answer."""
        answers: list[Any] = events.labels.tolist()
        errors, uncertainty = 1.0 - events.confidence, 1.0 - events.confidence
        scored = min(len(events), self.scored_events_max)
        if scored:
            columns = {name: column.values[:scored] for name, column in events.features.items()}
            answer = self.stack.answer(columns, productions_of(events, scored))
            best = answer.probabilities.argmax(axis=1)
            labels = self.stack.labels
            for row, number in enumerate(best.tolist()):
                if number < len(labels):
                    answers[row] = labels[number]
            errors[:scored] = self.stack.error_probabilities(answer)
            uncertainty[:scored] = 1.0 - answer.probabilities.max(axis=1)
        return Scores(answers, errors, uncertainty, scored)

    def _index(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.stack.labels)}
