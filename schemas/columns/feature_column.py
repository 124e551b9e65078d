"""FeatureColumn: one feature of n events, in the form in which it came, and in those that it is read in."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from schemas.columns.texts import Texts
from schemas.wire.base import Scalar

__all__ = ["FeatureColumn", "features_of_rows"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Data = Sequence[Scalar] | Floats | Ints | Texts

NONE: Final = type(None)
DOUBLE_MAX: Final = float(np.finfo(np.float64).max)


class FeatureColumn:
    """One feature of n events; None where it is null or absent.

    ``data`` is a list of values, or where all of them are of one type an array of doubles (NaN for None), an array of
    64-bit integers, or Texts. ``types`` are the types that may be among the values; it may name more than occur, never
    fewer, which saves a look at every value.

    >>> column = FeatureColumn.of([1, None, "x"])
    >>> column.numbers, column.texts.tolist()
    (array([ 1., nan, nan]), [None, None, 'x'])
    >>> FeatureColumn.of_numbers(np.array([2.5, np.nan])).values
    [2.5, None]
    """

    __slots__ = ("_numbers", "_texts", "_values", "data", "types")

    def __init__(self, data: Data, types: frozenset[type]) -> None:
        self.data = data
        self.types = types
        self._values: Sequence[Scalar] | None = None
        self._numbers: Floats | None = None
        self._texts: Texts | None = None

    def __len__(self) -> int:
        return len(self.data)

    @classmethod
    def of(cls, values: Sequence[Scalar]) -> FeatureColumn:
        """The column of these values."""
        return cls(values, frozenset(map(type, values)))

    @classmethod
    def of_numbers(cls, numbers: Floats | Ints) -> FeatureColumn:
        """The column of finite doubles, NaN for None, or of 64-bit integers, shape (n,)."""
        if numbers.dtype == np.int64:
            return cls(numbers, frozenset((int,)))
        return cls(numbers, frozenset((float, NONE)) if np.isnan(numbers).any() else frozenset((float,)))

    @classmethod
    def of_texts(cls, texts: Texts) -> FeatureColumn:
        """The column of these texts."""
        return cls(texts, frozenset((str, NONE)) if None in texts.names else frozenset((str,)))

    @classmethod
    def placed(cls, pieces: Mapping[int, FeatureColumn], size: int) -> FeatureColumn:
        """The column of ``size`` events with the values of each piece from an index on; None where no piece is.

        >>> FeatureColumn.placed({1: FeatureColumn.of(["x"])}, 3).values
        [None, 'x', None]
        """
        values: list[Scalar] = [None] * size
        for start, piece in pieces.items():
            values[start : start + len(piece)] = piece.values
        return cls(values, frozenset((NONE,)).union(*(piece.types for piece in pieces.values())))

    @classmethod
    def joined(cls, pieces: Sequence[FeatureColumn]) -> FeatureColumn:
        """The values of one feature, piece after piece."""
        types = frozenset[type]().union(*(piece.types for piece in pieces))
        data = [piece.data for piece in pieces]
        if all(isinstance(some, np.ndarray) for some in data) and len({some.dtype for some in data}) == 1:  # type: ignore[union-attr]
            return cls(np.concatenate(data), types)  # type: ignore[arg-type]
        if all(isinstance(some, Texts) for some in data):
            return cls(Texts.joined(data), types)  # type: ignore[arg-type]
        return cls(list(chain.from_iterable(piece.values for piece in pieces)), types)

    def take(self, indexes: Ints) -> FeatureColumn:
        """The values at these indexes, in this order."""
        if isinstance(self.data, Texts):
            return FeatureColumn(self.data.take(indexes), self.types)
        if isinstance(self.data, np.ndarray):
            return FeatureColumn(self.data[indexes], self.types)
        return FeatureColumn(list(map(self.data.__getitem__, indexes.tolist())), self.types)

    def slice(self, start: int, stop: int) -> FeatureColumn:
        """The values from ``start`` to before ``stop``."""
        some = slice(start, stop)
        return FeatureColumn(self.data.take(some) if isinstance(self.data, Texts) else self.data[some], self.types)

    def at(self, indexes: Ints) -> list[Scalar]:
        """The values at these indexes."""
        if isinstance(self.data, Texts):
            return list(self.data.at(indexes))
        if isinstance(self.data, np.ndarray):
            return _scalars(self.data[indexes])
        return list(map(self.data.__getitem__, indexes.tolist()))

    @property
    def values(self) -> Sequence[Scalar]:
        """The values as Python objects."""
        if isinstance(self.data, np.ndarray | Texts):
            if self._values is None:
                self._values = self.data.tolist() if isinstance(self.data, Texts) else _scalars(self.data)
            return self._values
        return self.data

    @property
    def numbers(self) -> Floats | None:
        """The values as doubles, shape (n,), NaN where one is None or a text; None if none is a number.

        True is 1. A whole number beyond the doubles becomes the largest of them.
        """
        if isinstance(self.data, np.ndarray):
            return self.data.astype(np.float64, copy=False)
        if isinstance(self.data, Texts) or not self.types - {str, NONE}:
            return None
        if self._numbers is None:
            self._numbers = doubles(self.data)
        return self._numbers

    @property
    def texts(self) -> Texts | None:
        """The values as Texts, None where one is no text; None if none is a text."""
        if isinstance(self.data, Texts):
            return self.data
        if str not in self.types:
            return None
        if self._texts is None:
            values: Any = self.data
            if self.types - {str, NONE}:
                values = [value if isinstance(value, str) else None for value in values]
            self._texts = Texts.of(values)
        return self._texts

    @property
    def present(self) -> int:
        """How many events have a value."""
        if isinstance(self.data, Texts):
            missing = [code for code, name in enumerate(self.data.names) if name is None]
            return len(self.data) - sum(int(np.count_nonzero(self.data.codes == code)) for code in missing)
        if isinstance(self.data, np.ndarray):
            return len(self.data) - int(np.count_nonzero(np.isnan(self.data)))
        return len(self.data) - self.data.count(None)


def features_of_rows(rows: Sequence[Mapping[str, Scalar]]) -> dict[str, FeatureColumn]:
    """The column of each feature that some row has, in order of first occurrence.

    >>> features_of_rows([{"age": 41}, {"age": None, "plan": "basic"}])["plan"].values
    [None, 'basic']
    """
    columns: dict[str, list[Scalar]] = {}
    for index, row in enumerate(rows):
        for name, value in row.items():
            # Not a look at every row for every name: whoever gives each row other names would make it long.
            column = columns.get(name) or columns.setdefault(name, [None] * len(rows))
            column[index] = value
    return {name: FeatureColumn.of(values) for name, values in columns.items()}


def doubles(values: Sequence[Scalar]) -> Floats:
    """Numbers as doubles, NaN for None and texts, in a quarter of the time of ``np.array``.

    >>> doubles([True, None, "x", 10**400]).tolist()
    [1.0, nan, nan, 1.7976931348623157e+308]
    """
    packed = _packed(values)
    if packed is None:  # there is None, a text, or an integer beyond a double
        packed = _packed([np.nan if value is None else value for value in values])
    return np.array(list(map(_double, values)), np.float64) if packed is None else packed


def _packed(values: Sequence[Any]) -> Floats | None:
    """Numbers as doubles; None if one of the values is none."""
    try:
        return np.frombuffer(struct.pack(f"{len(values)}d", *values))
    except struct.error:
        return None


def _double(value: Scalar) -> float:
    if value is None or isinstance(value, str):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return DOUBLE_MAX if value > 0 else -DOUBLE_MAX


def _scalars(numbers: Floats | Ints) -> list[Scalar]:
    values: list[Scalar] = numbers.tolist()
    if numbers.dtype == np.int64 or not np.isnan(numbers).any():
        return values
    return [None if value != value else value for value in values]
