"""Columns that only identify rows, and are no features: the index that pandas writes, and row numbers."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pyarrow import types

from watchloop.recorded.cells.plain_columns import is_time_type

__all__ = ["is_written_index", "kept_index", "numbers_rows"]

UNNAMED: Final = re.compile(r"Unnamed: \d+$")
LEVEL: Final = "__index_level_"

NUMBERED_ROWS_MIN: Final = 100
"""With fewer rows, consecutive numbers may be a coincidence."""


def kept_index(rows: Any) -> list[str]:
    """The columns of a Parquet or Arrow table that hold an unnamed pandas index, one for each of its levels."""
    pandas = rows.schema.pandas_metadata or {}
    kept = [name for name in pandas.get("index_columns", []) if isinstance(name, str)]
    return [name for name in rows.column_names if name.startswith(LEVEL) and name in kept]


def is_written_index(rows: Any, name: str, *, untyped: bool) -> bool:
    """Whether a column is an unnamed pandas index that went through CSV, where pandas calls it ``Unnamed: 0``.

    ``untyped`` says that the file has no types, so that the type of the column proves nothing.
    """
    column_type = rows.schema.field(name).type
    return UNNAMED.match(name) is not None and (untyped or types.is_integer(column_type) or is_time_type(column_type))


def numbers_rows(column: Any, times_ms: npt.NDArray[np.int64]) -> bool:
    """Whether a plain feature counts the rows one by one, up or down, in order of time.

    The order of rows that have the same time does not matter.

    >>> import pyarrow as pa
    >>> times = np.arange(200) // 2
    >>> column = pa.chunked_array([[7 + (row ^ 1) for row in range(200)]])
    >>> numbers_rows(column, times), numbers_rows(column.take(list(range(199, -1, -1))), times[::-1])
    (True, True)
    """
    if not types.is_integer(column.type) or column.null_count or len(column) < NUMBERED_ROWS_MIN:
        return False
    numbers = column.to_numpy()
    upward = numbers[np.lexsort((numbers, times_ms))]
    downward = numbers[np.lexsort((numbers, -times_ms))]
    return any(bool((ordered[1:] - ordered[:-1] == 1).all()) for ordered in (upward, downward))
