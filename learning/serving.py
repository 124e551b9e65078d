"""The serving model: a frozen copy of the stack that answers whole batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from learning.production import Production, production_of
from learning.stack import FrozenStack, probabilities_of
from schemas.prediction import Prediction
from schemas.wire import Scalar

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
        row = self.stack.answer([features], [production]).probabilities[0]
        return probabilities_of(row, self._index(), production)

    def answer(
        self,
        features: dict[str, Scalar],
        prediction: str,
        confidence: float,
        probabilities: dict[str, float] | None = None,
    ) -> str:
        """The most likely label."""
        found = self.predict_proba_one(features, prediction, confidence, probabilities)
        return max(found, key=found.__getitem__)

    def error_probability(
        self,
        features: dict[str, Scalar],
        prediction: str,
        confidence: float,
        probabilities: dict[str, float] | None = None,
    ) -> float:
        """The chance that the producer's answer is wrong."""
        answer = self.stack.answer([features], [Production(prediction, confidence, probabilities)])
        return float(self.stack.error_probabilities(answer)[0])

    def many(self, events: Sequence[Prediction]) -> Scores:
        """Score a batch at once, the first ``scored_events_max`` events of it."""
        productions = [production_of(event) for event in events]
        confidences = np.array([production.confidence for production in productions], dtype=np.float64)
        answers = [production.prediction for production in productions]
        errors, uncertainty = 1.0 - confidences, 1.0 - confidences
        scored = min(len(events), self.scored_events_max)
        if scored:
            found = self.stack.answer([event.features for event in events[:scored]], productions[:scored])
            best = found.probabilities.argmax(axis=1)
            labels = self.stack.labels
            for row, number in enumerate(best.tolist()):
                if number < len(labels):
                    answers[row] = labels[number]
            errors[:scored] = self.stack.error_probabilities(found)
            uncertainty[:scored] = 1.0 - found.probabilities.max(axis=1)
        return Scores(answers, errors, uncertainty, scored)

    def _index(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.stack.labels)}
