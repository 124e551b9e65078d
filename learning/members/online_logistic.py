"""A small logistic regression that learns one example at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from learning.members.features import Matrix

__all__ = ["OnlineLogistic", "logit", "sigmoid"]

Vector = npt.NDArray[np.float64]

SCORE_MAX = 30.0
"""Scores are clipped to plus or minus this before the exponential."""


def sigmoid(score: Vector) -> Vector:
    """1 / (1 + exp(-score)), elementwise.

    >>> sigmoid(np.array([0.0, 1000.0])).round(3).tolist()
    [0.5, 1.0]
    """
    result: Vector = 1.0 / (1.0 + np.exp(-np.clip(score, -SCORE_MAX, SCORE_MAX)))
    return result


def logit(probability: Vector, margin: float = 1e-3) -> Vector:
    """log(p / (1 - p)), elementwise, with p kept ``margin`` away from 0 and 1.

    >>> logit(np.array([0.5, 1.0])).round(3).tolist()
    [0.0, 6.907]
    """
    clipped = np.clip(probability, margin, 1.0 - margin)
    result: Vector = np.log(clipped) - np.log1p(-clipped)
    return result


class OnlineLogistic:
    """Logistic regression by AdaGrad (Duchi, Hazan & Singer 2011) with an importance weight for each example.

    It begins at ``weights``, and a penalty of strength ``l2`` draws it back there, so that it stays close to them while
    examples are few.
    """

    def __init__(self, weights: Vector, rate: float = 0.1, l2: float = 1e-3) -> None:
        self.weights = np.array(weights, dtype=np.float64)
        self._prior = self.weights.copy()
        self._squares = np.ones_like(self.weights)
        self._rate = rate
        self._l2 = l2

    def learn_one(self, inputs: Vector, outcome: bool, weight: float) -> None:
        """One step along the gradient of the weighted log-loss."""
        error = float(self.predict(inputs[None, :])[0]) - float(outcome)
        gradient = weight * (error * inputs + self._l2 * (self.weights - self._prior))
        self._squares += gradient**2
        self.weights -= self._rate * gradient / np.sqrt(self._squares)

    def predict(self, inputs: Matrix) -> Vector:
        """The probability that the outcome is true, for inputs of shape (examples, weights); shape (examples,)."""
        return sigmoid(inputs @ self.weights)
