"""A recorded table as a stream: which columns are what, and the rows in order of time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from schemas.prediction import label_text
from schemas.wire import Scalar
from watchloop.errors import WrongTable

__all__ = ["Columns", "RecordedTable", "label_of", "names_of", "scalar_of"]

TIME_NAMES = ("time", "timestamp", "t")
EPOCH_MS_MIN = 10**11
EPOCH_SECONDS_MIN = 10**8
STEP_MS = 1_800_000
"""Where the time column only counts, events lie this far apart, beginning with 1996-05-07 (Elec2's first half-hour)."""
FIRST_MS = 831_427_200_000
READERS = {".parquet": "Parquet", ".csv": "CSV", ".json": "JSON lines", ".jsonl": "JSON lines", ".arrow": "Arrow"}


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table are what. ``features`` None takes all that are nothing else and not in ``drop``."""

    label: str | None = None
    time: str | None = None
    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    prediction: str | None = None
    confidence: str | None = None
    probabilities: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class RecordedTable:
    """Rows in order of time. ``labels`` and ``times_ms`` have one entry a row; ``labels`` is empty without a column."""

    name: str
    columns: Columns
    feature_names: tuple[str, ...]
    rows: pa.Table
    labels: list[str]
    times_ms: list[int]

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def features(self, start: int, stop: int) -> list[dict[str, Scalar]]:
        """The features of rows ``start`` to ``stop``; NaN becomes None."""
        found: list[dict[str, Scalar]] = self.rows.slice(start, stop - start).select(self.feature_names).to_pylist()
        return [{name: scalar_of(value) for name, value in row.items()} for row in found]

    def column(self, name: str) -> list[Any]:
        """One column as Python values."""
        values: list[Any] = self.rows.column(name).to_pylist()
        return values

    @classmethod
    def load(cls, path: pathlib.Path, columns: Columns) -> RecordedTable:
        """Read and check a table. Raises WrongTable with what is there instead."""
        rows = _read(path)
        if rows.num_rows == 0:
            raise WrongTable(f"{path}: has no rows")
        time_name = columns.time or next((n for n in TIME_NAMES if n in rows.column_names), None)
        columns = dataclasses.replace(columns, time=time_name)
        for option, names in names_of(columns).items():
            _check(path, rows.column_names, option, names)
        if columns.label is not None and columns.label in (columns.features or ()):
            raise WrongTable(
                f"{path}: column {columns.label!r} is both --label and one of --features; a model must not see it"
            )
        times_ms, order = _times(path, rows, time_name)
        if order is not None:
            rows = rows.take(pa.array(order))
        taken = {
            columns.label,
            time_name,
            columns.prediction,
            columns.confidence,
            *columns.probabilities,
            *columns.drop,
        }
        features = columns.features or tuple(name for name in rows.column_names if name not in taken)
        if not features:
            raise WrongTable(f"{path}: no column is left as a feature; drop fewer of {', '.join(rows.column_names)}")
        labels = [] if columns.label is None else _labels(path, rows, columns.label)
        return cls(path.stem, columns, features, rows, labels, times_ms)


def names_of(columns: Columns) -> dict[str, tuple[str, ...]]:
    """Option to the columns it names."""
    return {
        "--label": (columns.label,) if columns.label else (),
        "--time": (columns.time,) if columns.time else (),
        "--features": columns.features or (),
        "--drop": columns.drop,
        "--prediction": (columns.prediction,) if columns.prediction else (),
        "--confidence": (columns.confidence,) if columns.confidence else (),
        "--probabilities": columns.probabilities,
        "--slices": columns.slices,
    }


def _check(path: pathlib.Path, there: Sequence[str], option: str, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in there:
            raise WrongTable(f"{path}: has no column {name!r} ({option}); its columns are {', '.join(there)}")


def _read(path: pathlib.Path) -> pa.Table:
    kind = READERS.get(path.suffix.lower())
    if kind is None:
        raise WrongTable(f"{path}: unknown kind of file; expected one of {', '.join(READERS)}")
    try:
        if kind == "Parquet":
            return pa.parquet.read_table(path)
        if kind == "CSV":
            return pa.csv.read_csv(path)
        if kind == "Arrow":
            with pa.memory_map(str(path)) as source:
                return pa.ipc.open_file(source).read_all()
        return pa.json.read_json(path)
    except FileNotFoundError as error:
        raise WrongTable(f"{path}: there is no such file") from error
    except (pa.ArrowException, OSError) as error:
        raise WrongTable(f"{path}: not readable as {kind}: {str(error).splitlines()[0]}") from error


def _times(path: pathlib.Path, rows: pa.Table, name: str | None) -> tuple[list[int], list[int] | None]:
    """Epoch milliseconds of every row in order of time, and that order where the rows were in another."""
    if name is None:
        return [FIRST_MS + STEP_MS * place for place in range(rows.num_rows)], None
    values = rows.column(name).to_pylist()
    if any(value is None for value in values):
        raise WrongTable(f"{path}: column {name!r} (--time) has empty cells; every row needs a time")
    times = [_time_ms(path, name, value) for value in values]
    if times[0] < EPOCH_SECONDS_MIN or max(times) < EPOCH_SECONDS_MIN:
        times = [FIRST_MS + STEP_MS * value for value in times]
    elif max(times) < EPOCH_MS_MIN:
        times = [value * 1000 for value in times]
    if all(a <= b for a, b in itertools.pairwise(times)):
        return times, None
    order = np.argsort(np.asarray(times), kind="stable").tolist()
    return [times[place] for place in order], order


def _time_ms(path: pathlib.Path, name: str, value: Any) -> int:
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return round(aware.timestamp() * 1000)
    if isinstance(value, dt.date):
        return round(dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC).timestamp() * 1000)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return int(value)
    if isinstance(value, str):
        try:
            return _time_ms(path, name, dt.datetime.fromisoformat(value))
        except ValueError as error:
            raise _no_time(path, name, value) from error
    raise _no_time(path, name, value)


def _no_time(path: pathlib.Path, name: str, value: Any) -> WrongTable:
    return WrongTable(
        f"{path}: column {name!r} (--time) holds {value!r}; expected a date, RFC 3339, epoch seconds or milliseconds,"
        " or a running number"
    )


def _labels(path: pathlib.Path, rows: pa.Table, name: str) -> list[str]:
    values = rows.column(name).to_pylist()
    if any(value is None for value in values):
        raise WrongTable(f"{path}: column {name!r} (--label) has empty cells; every row needs its true label")
    return [label_of(value) for value in values]


def label_of(value: Any) -> str:
    """A cell as a label; 1.0 is the label 1."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return label_text(value) if isinstance(value, str | int | bool) else str(value)


def scalar_of(value: Any) -> Scalar:
    """A cell as a feature: NaN and infinity become None, what is no number, text or truth value becomes text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
