"""Columns of values that repeat, as codes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Coded", "coded"]

T = TypeVar("T", bound=Hashable)


class Coded(NamedTuple, Generic[T]):
    """A column of values that repeat: ``codes``, integers of shape (n,), are indexes into ``values``."""

    codes: npt.NDArray[Any]
    values: Sequence[T]

    def listed(self) -> list[T]:
        """The value of each row.

        >>> Coded(np.array([1, 0, 1]), ("a", "b")).listed()
        ['b', 'a', 'b']
        """
        return list(map(self.values.__getitem__, self.codes.tolist()))


def coded(values: Sequence[T]) -> Coded[T]:
    """Values as codes, the values in order of first occurrence.

    >>> coded(["b", "a", "b"])
    Coded(codes=array([0, 1, 0], dtype=int32), values=['b', 'a'])
    """
    count = len(values)
    if count and values.count(values[0]) == count:
        return Coded(np.zeros(count, np.int32), [values[0]])
    code_of = {value: code for code, value in enumerate(dict.fromkeys(values))}
    return Coded(np.fromiter(map(code_of.__getitem__, values), np.int32, count), list(code_of))
