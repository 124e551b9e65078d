"""How frequent each label has been among the last corrections."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from learning.members.features import Matrix

__all__ = ["SPANS", "RecentLabels"]

SPANS = (3.0, 30.0)
"""Corrections over which the exponential averages look back, on average."""


class RecentLabels:
    """Exponential averages of one-hot labels over several spans, of shape (spans, labels).

    A model that serves knows the averages of the moment it was frozen, on average half a refresh old. So that members
    learn what averages of that age are worth, they too see them only as they were every ``every`` corrections.
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
        """The averages as old as a serving model would know them."""
        return _widened(self._published, labels)

    def newest(self, labels: int) -> Matrix:
        """The averages now, for a model that is frozen now."""
        return _widened(self._averages, labels)


def _widened(averages: Matrix, labels: int) -> Matrix:
    missing = max(0, labels - averages.shape[1])
    return np.hstack((averages, np.zeros((len(averages), missing))))
