"""From the features of an event to the columns that members take, bounded; one event or many give the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from learning.settings import LearnSettings
from schemas.wire.base import Scalar

__all__ = ["Encoder", "FeatureValues", "Matrix", "one_row"]

Matrix = npt.NDArray[np.float64]
FeatureValues = Mapping[str, Sequence[Scalar]]
"""The values of each feature, one an event; None where an event lacks the feature."""

VALUE_MAX = 1e12
"""Numbers are clipped to plus or minus this, so that their squares stay finite."""

VALUES_COUNTED_MAX = 10_000
"""A missing value takes the mean so far; after so many values the mean moves like an exponential average."""


def one_row(features: Mapping[str, Scalar]) -> FeatureValues:
    """The features of one event as columns of one value.

    >>> one_row({"x": 1.0})
    {'x': (1.0,)}
    """
    return {name: (value,) for name, value in features.items()}


class Encoder:
    """Turns ``{name: number | string | bool | null}`` into a row of numbers.

    A number or a bool has one column; a missing or non-finite one takes the mean so far. A string has one column for
    each of the first ``categories_max`` categories of its name and one for all others. A feature that is sometimes a
    number and sometimes a string has columns of both sorts. New columns are appended as they are learned, and no column
    ever moves. At ``features_max`` no column is added: what would need one is left out and counted in ``left_out``.

    >>> encoder = Encoder(LearnSettings())
    >>> encoder.learn_one({"x": 2.0, "colour": "red"})
    >>> encoder.encode(one_row({"x": 1.0, "colour": "blue"}), events=1).tolist()
    [[1.0, 1.0, 0.0]]
    """

    def __init__(self, settings: LearnSettings) -> None:
        self._features_max = settings.features_max
        self._categories_max = settings.categories_max
        self._numbers: dict[str, int] = {}
        self._categories: dict[str, dict[str, int]] = {}
        self._others: dict[str, int] = {}
        self._means: list[float] = []
        self._counts: list[int] = []
        self.left_out = 0

    @property
    def columns(self) -> int:
        """How many columns there are so far."""
        return len(self._means)

    def learn_one(self, features: Mapping[str, Scalar]) -> None:
        """Take in the names, categories and values of one event."""
        for name, value in features.items():
            if value is None:
                continue
            if isinstance(value, str):
                self._learn_category(name, value)
            else:
                self._learn_number(name, float(value))

    def _new_column(self) -> int | None:
        if self.columns >= self._features_max:
            self.left_out += 1
            return None
        self._means.append(0.0)
        self._counts.append(0)
        return self.columns - 1

    def _learn_number(self, name: str, value: float) -> None:
        column = self._numbers.get(name)
        if column is None:
            column = self._new_column()
            if column is None:
                return
            self._numbers[name] = column
        if not np.isfinite(value):
            return
        self._counts[column] = min(self._counts[column] + 1, VALUES_COUNTED_MAX)
        self._means[column] += (min(max(value, -VALUE_MAX), VALUE_MAX) - self._means[column]) / self._counts[column]

    def _learn_category(self, name: str, value: str) -> None:
        known = self._categories.get(name)
        if known is None:
            other = self._new_column()
            if other is None:
                return
            self._others[name] = other
            known = self._categories[name] = {}
        if value in known or len(known) >= self._categories_max:
            return
        column = self._new_column()
        if column is not None:
            known[value] = column

    def encode(self, features: FeatureValues, events: int) -> Matrix:
        """The features of ``events`` events, of shape (events, columns); names that were never learned are ignored."""
        matrix = np.zeros((events, self.columns))
        nowhere: Sequence[Scalar] = [None] * events
        for name, column in self._numbers.items():
            matrix[:, column] = self._numbers_of(features.get(name, nowhere), column)
        for name, known in self._categories.items():
            other = self._others[name]
            for index, value in enumerate(features.get(name, nowhere)):
                if isinstance(value, str):
                    matrix[index, known.get(value, other)] = 1.0
        return matrix

    def _numbers_of(self, given: Sequence[Scalar], column: int) -> Matrix:
        # A string among numbers counts as missing here, even one that numpy could read as a number.
        values = np.array([None if isinstance(value, str) else value for value in given], dtype=np.float64)
        values[~np.isfinite(values)] = self._means[column]
        clipped: Matrix = np.clip(values, -VALUE_MAX, VALUE_MAX)
        return clipped
