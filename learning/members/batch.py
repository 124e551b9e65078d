"""What the members see of some events: features, the producer's answers, and how frequent labels have been lately."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from learning.members.features import Matrix
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction, confidence_of, label_text

__all__ = ["SPANS", "Batch", "Production", "RecentLabels", "production_matrix", "production_of", "productions_of"]

P_MIN = 1e-3
"""Probabilities are kept this far from 0 and 1 before a logarithm is taken."""


SPANS = (3.0, 30.0)
"""Spans of the exponential averages of RecentLabels, in corrections."""


class Production(NamedTuple):
    """What the producer's own model said of an event; ``confidence`` in [0, 1], ``probabilities`` if it gave them."""

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
    probabilities = [None] * first if events.probabilities is None else events.probabilities.slice(0, first).tolist()
    labels: list[Any] = events.labels.take(slice(first)).tolist()
    return list(map(Production, labels, confidences, probabilities))


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """What members see of some events.

    ``features`` has shape (events, columns). ``production`` has shape (events, labels + 1) and holds the producer's
    probabilities, in the last column that of "a label not known". ``recent`` has shape (spans, labels) and says how
    frequent each label has been among the last corrections; it is the same for every event.
    """

    features: Matrix
    production: Matrix
    recent: Matrix

    def __len__(self) -> int:
        return len(self.features)

    @property
    def width(self) -> int:
        """Columns of every member's answer: one for each known label, one for all others together."""
        return int(self.production.shape[1])

    def production_logits(self, labels: int) -> Matrix:
        """Logits of the producer's probabilities of the first ``labels`` labels; shape (events, labels)."""
        clipped = np.clip(self.production[:, :labels], P_MIN, 1.0 - P_MIN)
        logits: Matrix = np.log(clipped) - np.log1p(-clipped)
        return logits

    def inputs(self, columns: int, labels: int) -> Matrix:
        """Features, the producer's logits and the recent labels side by side.

        The shape is (events, columns + (1 + spans) * labels).
        """
        recent = np.zeros((len(self.recent), labels))
        recent[:, : self.recent.shape[1]] = self.recent[:, :labels]
        return np.hstack(
            (
                self.features[:, :columns],
                self.production_logits(labels),
                np.broadcast_to(recent.ravel(), (len(self), recent.size)),
            )
        )


def production_matrix(productions: Sequence[Production], labels: Mapping[str, int]) -> Matrix:
    """The producer's probabilities of the known labels, and in the last column of all others together.

    If only a confidence is given, the rest is spread evenly over the other known labels. Rows sum to one.

    >>> production_matrix([Production("a", 0.8), Production("c", 0.6)], {"a": 0, "b": 1}).round(3).tolist()
    [[0.8, 0.2, 0.0], [0.2, 0.2, 0.6]]
    """
    known = len(labels)
    matrix = np.zeros((len(productions), known + 1))
    for row, production in enumerate(productions):
        column = labels.get(production.prediction, known)
        if production.probabilities is None:
            others = known - 1 if column < known else known
            if others:
                matrix[row, :known] = (1.0 - production.confidence) / others
            else:
                matrix[row, known] = 1.0 - production.confidence
            matrix[row, column] = production.confidence
        else:
            for label, probability in production.probabilities.items():
                matrix[row, labels.get(label, known)] += probability
    total = matrix.sum(axis=1, keepdims=True)
    matrix /= np.where(total > 0.0, total, 1.0)
    matrix[total[:, 0] <= 0.0] = 1.0 / (known + 1)
    return matrix


class RecentLabels:
    """How frequent each label has been lately: exponential averages over SPANS, of shape (spans, labels).

    A model in charge knows the averages of the moment when it was frozen; they are half a refresh old on average. The
    members must learn what averages of that age are worth, so they see averages that are renewed only once in
    ``every`` corrections.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._averages = np.zeros((len(SPANS), 0))
        self._published = self._averages
        self._since = 0
        self._steps: npt.NDArray[np.float64] = 1.0 / np.array(SPANS)

    def learn_one(self, label: int) -> None:
        """Take in the label of a correction."""
        averages = _widened(self._averages, label + 1)
        averages -= averages * self._steps[:, None]
        averages[:, label] += self._steps
        self._averages = averages
        self._since += 1
        if self._since >= self._every:
            self._since = 0
            self._published = averages.copy()

    def as_served(self, labels: int) -> Matrix:
        """The averages as old as a model in charge would know them."""
        return _widened(self._published, labels)

    def newest(self, labels: int) -> Matrix:
        """The present averages, for a model that is frozen now."""
        return _widened(self._averages, labels)


def _widened(averages: Matrix, labels: int) -> Matrix:
    missing = max(0, labels - averages.shape[1])
    return np.hstack((averages, np.zeros((len(averages), missing))))
