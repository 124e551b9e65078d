"""The index of a pandas frame that has no name: what pandas calls it in a file, and whether it may be the time."""

from __future__ import annotations

import re
from typing import Any, Final

from pyarrow import types

from watchloop.recorded.cells.plain_columns import is_time_type

__all__ = ["is_written_index", "kept_index"]

UNNAMED: Final = re.compile(r"Unnamed: \d+$")
LEVEL: Final = "__index_level_"


def kept_index(rows: Any) -> list[str]:
    """The columns of a table of Parquet or Arrow that are the levels of an index without a name."""
    pandas = rows.schema.pandas_metadata or {}
    kept = [name for name in pandas.get("index_columns", []) if isinstance(name, str)]
    return [name for name in rows.column_names if name.startswith(LEVEL) and name in kept]


def is_written_index(rows: Any, name: str, *, untyped: bool) -> bool:
    """Whether a column is an index that was read from CSV without being taken for one: ``Unnamed: 0``."""
    kind = rows.schema.field(name).type
    return UNNAMED.match(name) is not None and (untyped or types.is_integer(kind) or is_time_type(kind))
