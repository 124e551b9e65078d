"""When each row happened: real times as they are, numbers by a unit, and nothing taken for a time that is none."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from schemas.wire.base import EPOCH_MS_MAX
from watchloop.errors import WrongTable
from watchloop.recorded.cells.calendar_numbers import calendar_form
from watchloop.recorded.cells.coarse_times import rounded_step_ms
from watchloop.recorded.cells.digits import first_coarse
from watchloop.recorded.cells.plain_columns import is_time_type, without_dictionary
from watchloop.recorded.cells.texts import is_text, numbers_of, trimmed
from watchloop.recorded.columns import Columns, CountedTimes
from watchloop.recorded.files.pandas_index import is_written_index, kept_index
from watchloop.recorded.words import quoted

__all__ = ["MADE_UP", "UNITS", "Times", "times_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TIME_NAMES: Final = ("time", "timestamp")
"""A column of such a name is taken for the time where its values are times."""

UNITS: Final = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3, "min": 60e3, "h": 3.6e6, "d": 86.4e6}
"""Milliseconds of a unit."""

YEARS_FIRST: Final = "2026-10-01 or 2026-10-01T08:30:00"
UTC_WORDS: Final = re.compile(r"(?<=\d)\s*(?:utc|gmt|z)$", re.IGNORECASE)
GUESSED: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
GUESS_BEGIN_MS, GUESS_END_MS = 1e11, 4.102e12
"""1973 to 2099: numbers outside are no epoch time unless their unit is given; within, no two units are alike."""

COUNTS_END: Final = 1e8
MADE_UP: Final = CountedTimes(first_ms=831_427_200_000, step_ms=1_800_000)
"""Where nothing says when a row happened: half an hour after the one before, from a day of 1996 on."""

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND: Final = dt.timedelta(milliseconds=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """Epoch milliseconds of every row of the file. ``column`` is where they come from; ``made_up`` where from nowhere.

    A column that only counts gives the order of the rows and times that are made up.
    """

    column: str | None
    times_ms: Ints
    made_up: bool
    order: Ints | None
    """The rows in order of time; None where they are."""


def times_of(rows: Any, columns: Columns, notes: list[str]) -> Times:
    """The times of a table's rows. Raises WrongTable where the column that is named, or is one by its name, is none."""
    name = columns.time
    if name is None and not columns.no_time:
        name = _by_name(rows, columns, notes)
    if name is None:
        if columns.time_unit is not None:
            raise WrongTable("--time-unit needs --time: no column is taken for the time")
        return Times(None, _counted(np.arange(rows.num_rows), MADE_UP), made_up=True, order=None)
    try:
        return _ordered(_read(rows.column(name), name, columns, notes), name, notes)
    except WrongTable as error:
        if columns.time is not None:
            raise
        raise WrongTable(f"{error}; --no-time takes no column for the time") from error


def _by_name(rows: Any, columns: Columns, notes: list[str]) -> str | None:
    """The column that is the time by its name and its values, told either way."""
    for plain in TIME_NAMES:
        for name in rows.column_names:
            if name.strip().casefold() != plain or name in _taken(columns):
                continue
            if _looks_like_times(rows.column(name), columns.time_unit):
                return str(name)
            notes.append(f"column {quoted(name)} holds no times and is not taken for one (--time would)")
    return _by_index(rows, columns)


def _by_index(rows: Any, columns: Columns) -> str | None:
    """The index of pandas that has no name, where it holds dates or times; numbers may be anything there."""
    nameless = kept_index(rows)
    for name in rows.column_names:
        if name.strip() and name not in nameless and not is_written_index(rows, name, untyped=True):
            continue
        kind = without_dictionary(rows.column(name)).type
        says_when = is_time_type(kind) or (is_text(kind) and numbers_of(without_dictionary(rows.column(name))) is None)
        if name not in _taken(columns) and says_when and _looks_like_times(rows.column(name), None):
            return str(name)
    return None


def _taken(columns: Columns) -> set[str | None]:
    return {
        *(columns.label, columns.prediction, columns.confidence),
        *(*columns.probabilities, *columns.drop, *(columns.features or ()), *columns.slices),
    }


def _looks_like_times(column: Any, unit: str | None) -> bool:
    found = without_dictionary(column)
    if is_time_type(found.type):
        return True
    if is_text(found.type):
        numbers = numbers_of(found)
        if numbers is None:
            first = trimmed(found).drop_null().slice(0, 1).to_pylist()
            return bool(first) and _parsed(first[0]) is not None
        found = numbers
    if not _is_number(found.type):
        return False
    if unit is not None:
        return True
    values = _floats(found)
    values = values[np.isfinite(values)]
    guessed = _guess(values)
    return guessed is not None and bool(np.mean(_is_plausible(values, guessed)) > 0.5)


def _ordered(found: tuple[Ints, bool], name: str, notes: list[str]) -> Times:
    times_ms, made_up = found
    late = int(np.count_nonzero(np.diff(times_ms) < 0))
    if not late:
        return Times(name, times_ms, made_up=made_up, order=None)
    notes.append(f"rows are put into the order of column {quoted(name)}: {late} came before an earlier one")
    return Times(name, times_ms, made_up=made_up, order=np.argsort(times_ms, kind="stable"))


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
        raise _none(name, f"holds {str(column.type)[:60]}")
    return _numbers(column, name, columns, notes)


def _is_number(kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _timestamps(column: Any, name: str, unit: str | None, notes: list[str]) -> Ints:
    if unit is not None:
        raise WrongTable(f"column {quoted(name)} (--time) holds {column.type}, which need no --time-unit")
    kind = column.type
    naive = types.is_timestamp(kind) and kind.tz is None
    words = (
        "dates, midnight in UTC" if types.is_date(kind) else "times without a zone, read as UTC" if naive else "times"
    )
    notes.append(f"column {quoted(name)} is the time: {words}")
    if types.is_date(kind):
        column = column.cast(pa.timestamp("ms" if types.is_date64(kind) else "s"))
    unit_ms = UNITS[column.type.unit]
    far = np.flatnonzero(np.abs(_floats(column.cast(pa.int64()))) > EPOCH_MS_MAX / unit_ms)
    if len(far):
        raise _none(name, "holds a time beyond the year 9999", row=int(far[0]))
    found: Ints = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy()
    return found


def _texts(column: Any, name: str, unit: str | None, notes: list[str]) -> Ints:
    if unit is not None:
        raise _none(name, f"holds {quoted(column[0].as_py())}, no number", "; --time-unit is for numbers")
    found = np.empty(len(column), np.int64)
    naive = 0
    for row, text in enumerate(column.to_pylist()):
        when = _parsed(text)
        if when is None:
            raise _none(name, f"holds {quoted(text)}", row=row)
        if when.tzinfo is None:
            naive, when = naive + 1, when.replace(tzinfo=dt.UTC)
        found[row] = (when - EPOCH) // MILLISECOND
    zones = ""
    if naive == len(found):
        zones = ", without a zone read as UTC"
    elif naive:
        zones = f" with a zone in {len(found) - naive} of {len(found)} rows; the other {naive} are read as UTC"
    notes.append(f"column {quoted(name)} is the time: texts{zones}")
    return found


def _parsed(text: str) -> dt.datetime | None:
    """ISO 8601, and the zone as databases and logs write it: ``UTC``, ``GMT`` or a small ``z``."""
    try:
        return dt.datetime.fromisoformat(UTC_WORDS.sub("+00:00", text))
    except (ValueError, OverflowError):
        return None


def _numbers(column: Any, name: str, columns: Columns, notes: list[str]) -> tuple[Ints, bool]:
    values = _floats(column)
    unit = columns.time_unit
    if unit is None:
        unit = _guess(values)
        if unit is None:
            form = calendar_form(values)
            if form is not None:
                what = f"holds {_shown(column, 0)}, neither an epoch time nor a running number, but {form}"
                raise _none(name, what, f"; write it as {YEARS_FIRST}", row=0)
            return _running(column, values, name, columns.counted_times, notes), columns.counted_times is None
        wrong = np.flatnonzero(~_is_plausible(values, unit))
        if len(wrong):
            row = int(wrong[0])
            middle = _date(float(np.median(values)) * UNITS[unit])
            raise WrongTable(
                f"row {row}: column {quoted(name)} (--time) holds {_shown(column, row)}, and most of it are epoch"
                f" {GUESSED[unit]} around {middle}; expected one unit in all rows, or give --time-unit"
            )
        notes.append(
            f"column {quoted(name)} is the time: numbers, taken as epoch {GUESSED[unit]} from"
            f" {_date(float(values.min()) * UNITS[unit])} to {_date(float(values.max()) * UNITS[unit])}"
        )
    else:
        notes.append(f"column {quoted(name)} is the time: numbers, in {unit} since 1970")
    last = EPOCH_MS_MAX / UNITS[unit]
    wrong = np.flatnonzero(~((values >= 0) & (values <= last)))
    if len(wrong):
        row = int(wrong[0])
        raise _none(name, f"holds {_shown(column, row)}, in {unit} no time from 1970 to 9999", row=row)
    _check_steps(column, values, name, UNITS[unit], notes)
    return _milliseconds(column, values, unit), False


def _check_steps(column: Any, values: Floats, name: str, unit_ms: float, notes: list[str]) -> None:
    """Raise WrongTable where the column's floats have too few bits for its times; tell where others once had."""
    bits = column.type.bit_width if types.is_floating(column.type) else 64
    step_ms = rounded_step_ms(values, unit_ms, bits=bits)
    if step_ms is None:
        return
    step = f"steps of {step_ms / 1000:.0f} seconds"
    if bits < 64:
        hint = "; write whole numbers, or floats of 64 bits"
        raise WrongTable(f"column {quoted(name)} (--time) holds floats of {bits} bits, which have {step} here{hint}")
    notes.append(
        f"warning: the times of column {quoted(name)} are in {step}, as if they had been in floats of 32 bits: what"
        " happened within a step is in no order"
    )


def _milliseconds(column: Any, values: Floats, unit: str) -> Ints:
    if types.is_integer(column.type) and UNITS[unit] <= 1.0:
        whole: Ints = column.to_numpy() // np.asarray(round(1 / UNITS[unit]), column.to_numpy().dtype)
        return whole.astype(np.int64)
    return np.rint(values * UNITS[unit]).astype(np.int64)


def _guess(values: Floats) -> str | None:
    """The unit in which the middle one lies between 1973 and 2099."""
    if not len(values):
        return None
    middle = float(np.median(values))
    return next((unit for unit in GUESSED if GUESS_BEGIN_MS <= middle * UNITS[unit] <= GUESS_END_MS), None)


def _is_plausible(values: Floats, unit: str) -> npt.NDArray[np.bool_]:
    begin, end = GUESS_BEGIN_MS / UNITS[unit], GUESS_END_MS / UNITS[unit]
    found: npt.NDArray[np.bool_] = (values >= begin) & (values <= end)
    return found


def _running(column: Any, values: Floats, name: str, counted: CountedTimes | None, notes: list[str]) -> Ints:
    """A number that only counts: it says which row comes first, not when."""
    if first_coarse(column) is not None:
        raise _none(name, "holds floats that do not hold whole numbers of that size apart")
    counts = np.floor(values) == values
    is_running = counts.all() and values.min() >= 0 and values.max() < COUNTS_END
    if not is_running or (np.any(np.diff(values) < 0) and len(np.unique(values)) < len(values)):
        row = int(np.argmin(counts & (values >= 0) & (values < COUNTS_END)))
        raise _none(name, f"holds {_shown(column, row)}, neither an epoch time nor a running number", row=row)
    whole = values.astype(np.int64)
    if counted is not None:
        return _counted(whole, counted)
    notes.append(f"column {quoted(name)} only counts, which is no time: it gives the order of the rows")
    return _counted(whole, MADE_UP)


def _counted(counts: Ints, clock: CountedTimes) -> Ints:
    return clock.first_ms + clock.step_ms * counts


def _floats(column: Any) -> Floats:
    found: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return found


def _shown(column: Any, row: int) -> str:
    return quoted(column[row].as_py())


def _date(time_ms: float) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).strftime("%Y-%m-%d")


def _none(name: str, what: str, hint: str = "", *, row: int | None = None) -> WrongTable:
    at = "" if row is None else f"row {row}: "
    return WrongTable(
        f"{at}column {quoted(name)} (--time) {what}; expected dates, RFC 3339, epoch seconds, milliseconds,"
        f" microseconds or nanoseconds (--time-unit says which), or a running number{hint}"
    )
