from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from watchloop.errors import WrongTable
from watchloop.recorded.checks.wire_check import check_rows
from watchloop.recorded.columns import Columns
from watchloop.recorded.replayable import Replayable, recorded_answers
from watchloop.recorded.table import RecordedTable

NOW_MS = 1_795_000_000_000
FUTURE_MS_MAX = 86_400_000
BYTES_MAX = 1024 * 1024
USUAL = {"label": "truth", "prediction": "said", "confidence": "sure"}

Read = Callable[..., Replayable]
Refused = Callable[..., str]


def checked(path: pathlib.Path, **columns: Any) -> Replayable:
    """The rows of a file as they would be replayed, all checked."""
    source = recorded_answers(RecordedTable.load(path, Columns(**{**USUAL, **columns})), model="m")
    check_rows(source, now_ms=NOW_MS, future_ms_max=FUTURE_MS_MAX, bytes_max=BYTES_MAX)
    return source


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Write a file of text, of bytes, or of columns as Arrow or Parquet, to which usual columns are added."""

    def written(content: Any, name: str = "") -> pathlib.Path:
        if isinstance(content, dict):
            path = tmp_path / (name or "table.arrow")
            table = pa.table({**usual_columns(len(next(iter(content.values())))), **content})
            if path.suffix == ".parquet":
                pq.write_table(table, path)
            else:
                pyarrow.feather.write_feather(table, path)
            return path
        path = tmp_path / (name or "table.csv")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def usual_columns(rows: int) -> dict[str, Any]:
    """A feature, a label, and a model that is right in two of three rows."""
    truths = [row % 2 for row in range(rows)]
    return {
        "x": [0.5 * row + 0.25 for row in range(rows)],
        "truth": truths,
        "said": [truth if row % 3 else 1 - truth for row, truth in enumerate(truths)],
        "sure": [0.5 + 0.4 * (row % 2) for row in range(rows)],
    }


@pytest.fixture
def read(write: Callable[..., pathlib.Path]) -> Read:
    """The rows that are replayed from a file with this content."""

    def reading(content: Any, name: str = "", **columns: Any) -> Replayable:
        return checked(content if isinstance(content, pathlib.Path) else write(content, name), **columns)

    return reading


@pytest.fixture
def refused(read: Read) -> Refused:
    """The one line that refuses a file with this content."""

    def refusing(content: Any, name: str = "", **columns: Any) -> str:
        with pytest.raises(WrongTable) as caught:
            read(content, name, **columns)
        message = str(caught.value)
        assert message.isprintable(), message
        assert len(message) < 1_200
        return message

    return refusing
