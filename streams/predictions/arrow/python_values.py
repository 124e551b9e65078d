"""Values of Arrow columns as arrays and Python values. Null and NaN become None; dictionaries leave them out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pyarrow import types

from schemas.columns.texts import Texts

__all__ = ["coded_texts_of", "dicts_of", "floats_of", "lists_of", "texts_of", "time_ms_of", "times_ms_of"]

PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
FAR_MS: Final = 2.0**62


def texts_of(column: Any) -> list[str | None]:
    """The texts of a column, in order; None for null."""
    texts: list[str | None] = column.to_numpy(zero_copy_only=False).tolist()
    return texts


def coded_texts_of(column: Any) -> Texts:
    """The texts of a column as codes, None for null."""
    coded = column.dictionary_encode()
    names, codes = coded.dictionary.to_pylist(), coded.indices
    if column.null_count:
        codes = codes.fill_null(len(names))
        names.append(None)
    return Texts(codes.to_numpy(zero_copy_only=False), tuple(names))


def floats_of(column: Any) -> npt.NDArray[np.float64]:
    """The numbers of a column as floats, shape (n,); NaN for null."""
    floats: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return floats


def lists_of(column: Any) -> list[Any]:
    """The values of a column of numbers, texts or booleans, in order; None for null and NaN."""
    if types.is_floating(column.type):
        numbers = column.to_numpy(zero_copy_only=False)
        values: list[Any] = numbers.tolist()
        return [None if value != value else value for value in values] if np.isnan(numbers).any() else values
    if types.is_integer(column.type) and column.null_count:
        return list(column.to_pylist())  # NumPy has no integer that is missing
    return list(column.to_numpy(zero_copy_only=False).tolist())


def dicts_of(column: Any, only: tuple[str, ...] = ()) -> list[dict[str, Any] | None]:
    """The rows of a column of structs or maps, as dictionaries without null and NaN; None for a row that is null.

    Of several entries of a map with the same key the last counts. ``only`` names the fields of a struct to take, if not
    all.
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
    """The times of a column without null, in epoch milliseconds, shape (n,).

    Integers stay as they are; timestamps are rounded as those of JSON are. A timestamp beyond the year 9999 becomes
    some time beyond it, or before 1970.
    """
    times_ms: npt.NDArray[np.int64 | np.uint64]
    if not types.is_timestamp(column.type):
        times_ms = column.to_numpy(zero_copy_only=False)
        return times_ms
    counts, unit = column.cast("int64").to_numpy(zero_copy_only=False), column.type.unit
    times_ms = np.rint(counts / PER_SECOND[unit] * 1_000).clip(-FAR_MS, FAR_MS).astype(np.int64)
    return counts if unit == "ms" else times_ms


def time_ms_of(count: int, arrow_type: Any) -> int:
    """One such time in epoch milliseconds; ``count`` is its integer in a column of ``arrow_type``."""
    unit = arrow_type.unit if types.is_timestamp(arrow_type) else "ms"
    return count if unit == "ms" else round(count / PER_SECOND[unit] * 1_000)
