"""Probabilities: what n events give as the probabilities of labels, in the form in which it came."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["LabelMatrix", "Probabilities"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ByLabel = dict[str, float] | None


class LabelMatrix(NamedTuple):
    """The probability of each of L labels, shape (n, L), NaN where an event gives none."""

    labels: tuple[str, ...]
    values: Floats

    def rows(self) -> list[ByLabel]:
        """The probabilities of each event by label; None for an event that gives none."""
        labels = self.labels
        if not np.isnan(self.values).any():
            return [dict(zip(labels, row, strict=True)) for row in self.values.tolist()]
        return [
            {label: value for label, value in zip(labels, row, strict=True) if value == value} or None
            for row in self.values.tolist()
        ]


class Probabilities:
    """The probabilities of n events. ``data`` is a dictionary or None for each event, or a LabelMatrix.

    >>> given = Probabilities(LabelMatrix(("stay", "go"), np.array([[0.25, 0.75], [np.nan, np.nan]])))
    >>> given.at(np.array([1, 0])), sorted(given.labels)
    ([None, {'stay': 0.25, 'go': 0.75}], ['go', 'stay'])
    """

    def __init__(self, data: Sequence[ByLabel] | LabelMatrix) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data.values if isinstance(self.data, LabelMatrix) else self.data)

    @property
    def labels(self) -> set[str]:
        """The labels to which some event gives a probability."""
        if isinstance(self.data, LabelMatrix):
            counts = np.count_nonzero(~np.isnan(self.data.values), axis=0).tolist()
            return {label for label, count in zip(self.data.labels, counts, strict=True) if count}
        return set(chain.from_iterable(filter(None, self.data)))

    def at(self, indexes: Ints) -> list[ByLabel]:
        """The probabilities of the events at these indexes, by label."""
        if isinstance(self.data, LabelMatrix):
            return LabelMatrix(self.data.labels, self.data.values[indexes]).rows()
        return list(map(self.data.__getitem__, indexes.tolist()))

    def tolist(self) -> list[ByLabel]:
        """The probabilities of every event, by label."""
        return self.data.rows() if isinstance(self.data, LabelMatrix) else list(self.data)

    def take(self, indexes: Ints) -> Probabilities:
        """Those of the events at these indexes, in this order."""
        if isinstance(self.data, LabelMatrix):
            return Probabilities(LabelMatrix(self.data.labels, self.data.values[indexes]))
        return Probabilities(self.at(indexes))

    def slice(self, start: int, stop: int) -> Probabilities:
        """Those of the events from ``start`` to before ``stop``."""
        if isinstance(self.data, LabelMatrix):
            return Probabilities(LabelMatrix(self.data.labels, self.data.values[start:stop]))
        return Probabilities(self.data[start:stop])

    @classmethod
    def joined(cls, pieces: Sequence[Probabilities | None], sizes: Sequence[int]) -> Probabilities | None:
        """Those of all pieces, piece after piece; None for a piece of so many events that give none."""
        if not any(piece is not None for piece in pieces):
            return None
        rows: list[ByLabel] = []
        for piece, size in zip(pieces, sizes, strict=True):
            rows += [None] * size if piece is None else piece.tolist()
        return cls(rows)
