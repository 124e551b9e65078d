"""Cells of Arrow columns as Python values; what is null or NaN is None, and left out of what is made of structs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pyarrow import types

__all__ = ["dicts_of", "floats_of", "lists_of", "texts_of", "time_ms_of", "times_ms_of"]

PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
FAR_MS: Final = 2.0**62


def texts_of(column: Any) -> list[str | None]:
    """The texts of a column, in order; None where one is null."""
    found: list[str | None] = column.to_numpy(zero_copy_only=False).tolist()
    return found


def floats_of(column: Any) -> npt.NDArray[np.float64]:
    """A column of numbers as floats, NaN where null."""
    found: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return found


def lists_of(column: Any) -> list[Any]:
    """A column of numbers, texts or booleans."""
    if types.is_floating(column.type):
        numbers = column.to_numpy(zero_copy_only=False)
        values: list[Any] = numbers.tolist()
        return [None if value != value else value for value in values] if np.isnan(numbers).any() else values
    if types.is_integer(column.type) and column.null_count:
        return list(column.to_pylist())  # NumPy has no integer that is missing
    return list(column.to_numpy(zero_copy_only=False).tolist())


def dicts_of(column: Any, only: tuple[str, ...] = ()) -> list[dict[str, Any] | None]:
    """A column of structs or maps; None where the whole is null. Of entries with the same key the last counts.

    ``only`` names the fields of a struct that are taken, instead of all.
    """
    if types.is_map(column.type):
        return [
            None if row is None else {key: value for key, value in row if value is not None and value == value}
            for row in column.to_pylist()
        ]
    fields = {field.name: child for field, child in zip(column.type, column.flatten(), strict=True)}
    names = [name for name in fields if not only or name in only]
    cells = [lists_of(fields[name]) for name in names]
    rows: list[dict[str, Any] | None] = (
        [
            {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in zip(*cells, strict=True)
        ]
        if cells
        else [{} for _ in range(len(column))]
    )
    if column.null_count:
        return [row if is_there else None for row, is_there in zip(rows, column.is_valid().to_pylist(), strict=True)]
    return rows


def times_ms_of(column: Any) -> npt.NDArray[np.int64 | np.uint64]:
    """Epoch milliseconds of times without a null; integers as they are, timestamps rounded as those of JSON are.

    A timestamp beyond the year 9999 may come out as anything beyond it, or before 1970.
    """
    found: npt.NDArray[np.int64 | np.uint64]
    if not types.is_timestamp(column.type):
        found = column.to_numpy(zero_copy_only=False)
        return found
    counts, unit = column.cast("int64").to_numpy(zero_copy_only=False), column.type.unit
    found = np.rint(counts / PER_SECOND[unit] * 1_000).clip(-FAR_MS, FAR_MS).astype(np.int64)
    return counts if unit == "ms" else found


def time_ms_of(count: int, kind: Any) -> int:
    """One of these times in epoch milliseconds: ``count`` is its integer, ``kind`` the column's Arrow type."""
    unit = kind.unit if types.is_timestamp(kind) else "ms"
    return count if unit == "ms" else round(count / PER_SECOND[unit] * 1_000)
