"""When each row of a table happened: which column holds the times, and its values as epoch milliseconds."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from schemas.wire.base import EPOCH_MS_MAX
from watchloop.errors import WrongTable
from watchloop.recorded.cells.index_columns import is_written_index, kept_index
from watchloop.recorded.cells.plain_columns import is_time_type, without_dictionary
from watchloop.recorded.cells.texts import is_text, numbers_of, trimmed
from watchloop.recorded.cells.time_numbers import (
    MADE_UP,
    UNITS,
    Ints,
    as_floats,
    counted_ms,
    guessed_unit,
    is_plausible,
    no_time,
    times_of_numbers,
)
from watchloop.recorded.columns import Columns
from watchloop.recorded.words import quoted

__all__ = ["Times", "times_of"]

TIME_NAMES: Final = ("time", "timestamp")
"""A column of such a name is taken for the time where its values are times."""

UTC_WORDS: Final = re.compile(r"(?<=\d)\s*(?:utc|gmt|z)$", re.IGNORECASE)
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND: Final = dt.timedelta(milliseconds=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """Epoch milliseconds of every row of the file, shape (rows,), and the column that they were read from.

    ``column`` is None where no column holds times. ``made_up`` times give the order of the rows alone: that of a
    running number, or that of the file.
    """

    column: str | None
    times_ms: Ints
    made_up: bool
    order: Ints | None
    """Row numbers in order of time; None where the file has that order already."""


def times_of(rows: Any, columns: Columns, notes: list[str]) -> Times:
    """The times of a table's rows; ``notes`` gets a line on what was taken for the time.

    Raises WrongTable where the column that was named, or that is the time by its name, does not hold times.
    """
    name = columns.time
    if name is None and not columns.no_time:
        name = _by_name(rows, columns, notes)
    if name is None:
        if columns.time_unit is not None:
            raise WrongTable("--time-unit needs --time: no column is taken for the time")
        return Times(None, counted_ms(np.arange(rows.num_rows), MADE_UP), made_up=True, order=None)
    try:
        times_ms, made_up = _read(rows.column(name), name, columns, notes)
    except WrongTable as error:
        if columns.time is not None:
            raise
        raise WrongTable(f"{error}; --no-time takes no column for the time") from error
    return Times(name, times_ms, made_up=made_up, order=_order(times_ms, name, notes))


def _by_name(rows: Any, columns: Columns, notes: list[str]) -> str | None:
    """The column that is the time by its name and its values; a note names one that has the name alone."""
    for plain in TIME_NAMES:
        for name in rows.column_names:
            if name.strip().casefold() != plain or name in _taken(columns):
                continue
            if _looks_like_times(rows.column(name), columns.time_unit):
                return str(name)
            notes.append(f"column {quoted(name)} holds no times and is not taken for the time (--time would take it)")
    return _by_index(rows, columns)


def _by_index(rows: Any, columns: Columns) -> str | None:
    """An unnamed pandas index that holds dates or times; one of numbers is never taken for the time."""
    nameless = kept_index(rows)
    for name in rows.column_names:
        if name.strip() and name not in nameless and not is_written_index(rows, name, untyped=True):
            continue
        column = without_dictionary(rows.column(name))
        says_when = is_time_type(column.type) or (is_text(column.type) and numbers_of(column) is None)
        if name not in _taken(columns) and says_when and _looks_like_times(rows.column(name), None):
            return str(name)
    return None


def _taken(columns: Columns) -> set[str | None]:
    """The columns that have another role."""
    return {
        *(columns.label, columns.prediction, columns.confidence),
        *(*columns.probabilities, *columns.drop, *(columns.features or ()), *columns.slices),
    }


def _looks_like_times(column: Any, unit: str | None) -> bool:
    plain = without_dictionary(column)
    if is_time_type(plain.type):
        return True
    if is_text(plain.type):
        numbers = numbers_of(plain)
        if numbers is None:
            first = trimmed(plain).drop_null().slice(0, 1).to_pylist()
            return bool(first) and _parsed(first[0]) is not None
        plain = numbers
    if not _is_number(plain.type):
        return False
    if unit is not None:
        return True
    values = as_floats(plain)
    values = values[np.isfinite(values)]
    guessed = guessed_unit(values)
    return guessed is not None and bool(np.mean(is_plausible(values, guessed)) > 0.5)


def _order(times_ms: Ints, name: str, notes: list[str]) -> Ints | None:
    late = int(np.count_nonzero(np.diff(times_ms) < 0))
    if not late:
        return None
    notes.append(f"rows are sorted by column {quoted(name)}: {late} of them are earlier than the row before")
    return np.argsort(times_ms, kind="stable")


def _read(column: Any, name: str, columns: Columns, notes: list[str]) -> tuple[Ints, bool]:
    """Epoch milliseconds, and whether they are made up."""
    column = without_dictionary(column)
    if is_text(column.type):
        numbers = numbers_of(column)
        column = trimmed(column) if numbers is None else numbers
    if types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    if column.null_count:
        row = pc.index(column.is_null(), pa.scalar(True)).as_py()
        raise WrongTable(f"row {row}: column {quoted(name)} (--time) is empty; every row needs a time")
    if is_time_type(column.type):
        return _timestamps(column, name, columns.time_unit, notes), False
    if is_text(column.type):
        return _texts(column, name, columns.time_unit, notes), False
    if not _is_number(column.type):
        raise no_time(name, f"holds {str(column.type)[:60]}")
    return times_of_numbers(column, name, columns, notes)


def _is_number(column_type: Any) -> bool:
    return bool(types.is_integer(column_type) or types.is_floating(column_type) or types.is_decimal(column_type))


def _timestamps(column: Any, name: str, unit: str | None, notes: list[str]) -> Ints:
    if unit is not None:
        raise WrongTable(f"column {quoted(name)} (--time) holds {column.type}, which need no --time-unit")
    is_date = types.is_date(column.type)
    is_naive = types.is_timestamp(column.type) and column.type.tz is None
    words = "dates, midnight in UTC" if is_date else "times without a zone, read as UTC" if is_naive else "times"
    notes.append(f"column {quoted(name)} is the time: {words}")
    if is_date:
        column = column.cast(pa.timestamp("ms" if types.is_date64(column.type) else "s"))
    unit_ms = UNITS[column.type.unit]
    far = np.flatnonzero(np.abs(as_floats(column.cast(pa.int64()))) > EPOCH_MS_MAX / unit_ms)
    if len(far):
        raise no_time(name, "holds a time beyond the year 9999", row=int(far[0]))
    times_ms: Ints = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy()
    return times_ms


def _texts(column: Any, name: str, unit: str | None, notes: list[str]) -> Ints:
    if unit is not None:
        raise no_time(name, f"holds {quoted(column[0].as_py())}, no number", "; --time-unit is for numbers")
    times_ms = np.empty(len(column), np.int64)
    naive = 0
    for row, text in enumerate(column.to_pylist()):
        when = _parsed(text)
        if when is None:
            raise no_time(name, f"holds {quoted(text)}", row=row)
        if when.tzinfo is None:
            naive, when = naive + 1, when.replace(tzinfo=dt.UTC)
        times_ms[row] = (when - EPOCH) // MILLISECOND
    zones = ""
    if naive == len(times_ms):
        zones = ", without a zone read as UTC"
    elif naive:
        zones = f" with a zone in {len(times_ms) - naive} of {len(times_ms)} rows; the other {naive} are read as UTC"
    notes.append(f"column {quoted(name)} is the time: texts{zones}")
    return times_ms


def _parsed(text: str) -> dt.datetime | None:
    """An ISO 8601 text, also with the zone as databases and logs write it: ``UTC``, ``GMT`` or a small ``z``."""
    try:
        return dt.datetime.fromisoformat(UTC_WORDS.sub("+00:00", text))
    except (ValueError, OverflowError):
        return None
