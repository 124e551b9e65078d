"""What the members see of some events: the columns of their features and the producer's probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from learning.members.features import Matrix
from learning.members.production import Production

__all__ = ["Batch", "production_matrix"]

P_MIN = 1e-3
"""Probabilities are kept this far from 0 and 1 before a logarithm is taken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """What members see of some events.

    ``features`` (events, columns); ``production`` (events, labels + 1), whose last column is "a label not known";
    ``recent`` (spans, labels), how frequent each label has been among the last corrections, the same for every event.
    """

    features: Matrix
    production: Matrix
    recent: Matrix

    def __len__(self) -> int:
        return len(self.features)

    @property
    def width(self) -> int:
        """Columns of every member's answer: one for each known label, and one for all others together."""
        return int(self.production.shape[1])

    def production_logits(self, labels: int) -> Matrix:
        """Logits of the producer's probabilities of the first ``labels`` labels."""
        clipped = np.clip(self.production[:, :labels], P_MIN, 1.0 - P_MIN)
        logits: Matrix = np.log(clipped) - np.log1p(-clipped)
        return logits

    def inputs(self, columns: int, labels: int) -> Matrix:
        """Features, the producer's logits and the recent labels side by side, as wide as columns and labels say."""
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
    """The producer's probabilities over the known labels, and one column for what lies elsewhere.

    Where only a confidence is given, the rest is spread evenly over the other known labels.
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
