"""Columns that only number the rows: the next number says nothing of the next event."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pyarrow import types

__all__ = ["numbers_rows"]

ROWS_MIN: Final = 100
"""With fewer rows, consecutive numbers may be a chance."""


def numbers_rows(column: Any, times_ms: npt.NDArray[np.int64]) -> bool:
    """Whether a plain feature counts the rows one by one, up or down, in order of time.

    Rows of the same time may stand in any order: that of the file must not matter.

    >>> import pyarrow as pa
    >>> times = np.arange(200) // 2
    >>> column = pa.chunked_array([[7 + (row ^ 1) for row in range(200)]])
    >>> numbers_rows(column, times), numbers_rows(column.take(list(range(199, -1, -1))), times[::-1])
    (True, True)
    """
    if not types.is_integer(column.type) or column.null_count or len(column) < ROWS_MIN:
        return False
    numbers = column.to_numpy()
    upward = numbers[np.lexsort((numbers, times_ms))]
    downward = numbers[np.lexsort((numbers, -times_ms))]
    return any(bool((found[1:] - found[:-1] == 1).all()) for found in (upward, downward))
