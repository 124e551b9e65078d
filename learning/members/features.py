"""From the features of the wire to the columns that members take: bounded, and the same one by one or in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from learning.settings import LearnSettings
from schemas.wire.base import Scalar

__all__ = ["Encoder", "FeatureValues", "Matrix", "one_row"]

Matrix = npt.NDArray[np.float64]
FeatureValues = Mapping[str, Sequence[Scalar]]
"""Of some events, each feature's values; None where one lacks it."""

VALUE_MAX = 1e12
"""Numbers are clipped to plus or minus this, so that their squares stay finite."""

VALUES_COUNTED_MAX = 10_000
"""After so many values the mean that stands in for a missing one moves like an exponential average."""


def one_row(features: Mapping[str, Scalar]) -> FeatureValues:
    """The features of one event as columns of one value."""
    return {name: (value,) for name, value in features.items()}


class Encoder:
    """Turns ``{name: number | string | bool | null}`` into a row of numbers.

    A number or a bool has one column; a missing or non-finite one takes the mean so far. A string has one column for
    each of the first ``categories_max`` categories of its name and one for all others. A feature may be both: its
    columns then live beside each other. Columns come into being in the order in which they are learned and never move;
    at ``features_max`` no new one does, and what would have needed it is left out (``left_out`` counts).
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
        """Number of columns so far."""
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
        """Rows of shape (events, columns); names and categories that were never learned have no effect of their own."""
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
