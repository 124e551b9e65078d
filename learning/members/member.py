"""What a member of the stack is, and the members that look at the producer's answer only."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from learning.members.batch import Batch
from learning.members.features import Matrix
from learning.members.online_logistic import OnlineLogistic, logit

__all__ = ["FrozenMember", "Member", "ProductionMember", "RecalibratedMember", "even"]

Vector = npt.NDArray[np.float64]


class FrozenMember(Protocol):
    """A copy of what a member had learned at one moment; it never changes and its pickle is small."""

    def predict(self, batch: Batch) -> Matrix:
        """Probabilities of shape (events, labels + 1); rows sum to one."""
        ...


class Member(Protocol):
    """Learns one correction at a time. Labels are numbers, in the order in which the stack met them."""

    def learn_one(self, batch: Batch, label: int, weight: float) -> None:
        """Learn the label of the one event of the batch."""
        ...

    def predict_one(self, batch: Batch) -> Vector:
        """Probabilities of shape (labels + 1,) of the one event of the batch; the same as the frozen member gives."""
        ...

    def freeze(self) -> FrozenMember:
        """A copy that serves while this one goes on learning."""
        ...


def even(batch: Batch) -> Matrix:
    """The same probability for every known label: the answer of a member that has learned nothing."""
    matrix = np.full((len(batch), batch.width), 1.0 / max(1, batch.width - 1))
    matrix[:, -1] = 0.0 if batch.width > 1 else 1.0
    return matrix


class ProductionMember:
    """Answers with the producer's own probabilities; it is its own frozen form."""

    def learn_one(self, batch: Batch, label: int, weight: float) -> None:
        """Do nothing: there is nothing to learn."""

    def predict_one(self, batch: Batch) -> Vector:
        """The producer's probabilities of the one event, of shape (labels + 1,)."""
        row: Vector = batch.production[0]
        return row

    def predict(self, batch: Batch) -> Matrix:
        """The producer's probabilities, of shape (events, labels + 1)."""
        return batch.production

    def freeze(self) -> ProductionMember:
        """Itself, since nothing in it can change."""
        return self


class FrozenRecalibrated:
    """How likely the producer is right given its confidence, and which label is right when it is wrong."""

    def __init__(self, weights: Vector, confusion: Matrix) -> None:
        self.weights = weights
        self.confusion = confusion

    def predict(self, batch: Batch) -> Matrix:
        """Probabilities of shape (events, labels + 1)."""
        right, answers = self.right(batch)
        rows = np.arange(len(batch))
        spread = batch.production.copy()
        size = min(batch.width, len(self.confusion))
        spread[:, :size] += self.confusion[np.minimum(answers, size - 1), :size] * (answers < size)[:, None]
        spread[rows, answers] = 0.0
        total = spread.sum(axis=1, keepdims=True)
        matrix: Matrix = spread / np.where(total > 0.0, total, 1.0) * (1.0 - right)[:, None]
        matrix[rows, answers] = np.where(total[:, 0] > 0.0, right, 1.0)
        return matrix

    def right(self, batch: Batch) -> tuple[Vector, npt.NDArray[np.intp]]:
        """The probability that the producer is right, and the column of its answer."""
        answers = batch.production.argmax(axis=1)
        model = OnlineLogistic(self.weights)
        return model.predict(self.inputs(batch)), answers

    @staticmethod
    def inputs(batch: Batch) -> Matrix:
        """A constant and the logit of the producer's confidence."""
        confidence = batch.production.max(axis=1)
        return np.column_stack((np.ones(len(batch)), logit(confidence)))


class RecalibratedMember:
    """Platt scaling (Platt 1999) of the producer's confidence, online, with a decayed confusion table."""

    DECAY = 0.995

    def __init__(self) -> None:
        self._model = OnlineLogistic(np.array([0.0, 1.0]), rate=0.1)
        self._confusion = np.zeros((1, 1))

    def learn_one(self, batch: Batch, label: int, weight: float) -> None:
        """Learn whether the producer was right, and which label was right instead."""
        answer = int(batch.production[0].argmax())
        self._model.learn_one(FrozenRecalibrated.inputs(batch)[0], answer == label, weight)
        size = max(answer, label) + 1
        if size > len(self._confusion):
            grown = np.zeros((size, size))
            grown[: len(self._confusion), : len(self._confusion)] = self._confusion
            self._confusion = grown
        self._confusion[answer] *= self.DECAY
        self._confusion[answer, label] += weight

    def predict_one(self, batch: Batch) -> Vector:
        """Probabilities of shape (labels + 1,)."""
        row: Vector = FrozenRecalibrated(self._model.weights, self._confusion).predict(batch)[0]
        return row

    def freeze(self) -> FrozenRecalibrated:
        """A copy of the weights and of the confusion table."""
        return FrozenRecalibrated(self._model.weights.copy(), self._confusion.copy())
