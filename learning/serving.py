"""The serving model: a frozen copy of the stack that answers whole batches."""

from __future__ import annotations

import dataclasses

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
    """Of each event of a batch: the learned answer, the chance that production is wrong, and 1 − p(learned answer).

    Only the first ``scored`` events went through the model; the rest kept production's answer and confidence.
    """

    answers: list[str]
    error_probability: Vector
    uncertainty: Vector
    scored: int


@dataclasses.dataclass(frozen=True, slots=True)
class ServingModel:
    """What the gate put in charge: it never changes, pickles small, and needs no clock and no network."""

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
        """Probability of each label for one event; they sum to one."""
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
        """Score a batch at once, the first ``scored_events_max`` events of it."""
        answers = list(events.labels)
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
