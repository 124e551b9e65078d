"""Numbers as times: epoch numbers of a unit that is given or guessed, dates written as digits, and running numbers."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from schemas.wire.base import EPOCH_MS_MAX
from watchloop.errors import WrongTable
from watchloop.recorded.cells.digits import first_coarse
from watchloop.recorded.columns import Columns, CountedTimes
from watchloop.recorded.words import quoted

__all__ = [
    "MADE_UP",
    "UNITS",
    "Floats",
    "Ints",
    "as_floats",
    "calendar_form",
    "counted_ms",
    "guessed_unit",
    "is_plausible",
    "no_time",
    "rounded_step_ms",
    "times_of_numbers",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

UNITS: Final = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3, "min": 60e3, "h": 3.6e6, "d": 86.4e6}
"""Milliseconds of a unit."""

GUESSED: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
GUESS_BEGIN_MS, GUESS_END_MS = 1e11, 4.102e12
"""From 1973 to 2099. A number in this range fits one unit only; a number outside is an epoch time only where its unit
is given."""

YEARS_FIRST: Final = "2026-10-01 or 2026-10-01T08:30:00"
COUNTS_END: Final = 1e8
MADE_UP: Final = CountedTimes(first_ms=831_427_200_000, step_ms=1_800_000)
"""Times for rows that have none: from a day of 1996 on, half an hour apart."""

CALENDAR_FORMS: Final = ((10**4, "%Y%m%d", "YYYYMMDD"), (10**10, "%Y%m%d%H%M%S", "YYYYMMDDHHMMSS"))
"""The power of ten that the year is multiplied by, the form for ``strptime``, and the form in messages."""
YEAR_MIN, YEAR_END = 1970, 2100
CALENDAR_SHARE_MIN: Final = 0.5
"""With a smaller share, some numbers look like dates by chance."""

WHOLE_MAX: Final = {16: 2.0**11, 32: 2.0**24}
"""Bits of a float to the first whole number whose successor such a float does not hold."""
DISTINCT_MIN: Final = 20
"""With fewer different times, all may be floats of 32 bits by chance."""
LEAST_STEP_MS: Final = 1_000.0
MINUTE_MS, FIVE_MINUTES_MS = 60_000.0, 300_000.0


def times_of_numbers(column: Any, name: str, columns: Columns, notes: list[str]) -> tuple[Ints, bool]:
    """Epoch milliseconds of a column of numbers without nulls, and whether they are made up. Raises WrongTable.

    They are made up where the column is a running number and ``columns`` does not say what it counts.
    """
    values = as_floats(column)
    unit = columns.time_unit
    if unit is None:
        unit = guessed_unit(values)
        if unit is None:
            form = calendar_form(values)
            if form is not None:
                what = f"holds {_shown(column, 0)}, neither an epoch time nor a running number, but {form}"
                raise no_time(name, what, f"; write it as {YEARS_FIRST}", row=0)
            return _running(column, values, name, columns.counted_times, notes), columns.counted_times is None
        wrong = np.flatnonzero(~is_plausible(values, unit))
        if len(wrong):
            row = int(wrong[0])
            middle = _date(float(np.median(values)) * UNITS[unit])
            raise WrongTable(
                f"row {row}: column {quoted(name)} (--time) holds {_shown(column, row)}, where most rows hold epoch"
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
        raise no_time(name, f"holds {_shown(column, row)}, which in {unit} is no time from 1970 to 9999", row=row)
    _check_steps(column, values, name, UNITS[unit], notes)
    return _milliseconds(column, values, unit), False


def guessed_unit(values: Floats) -> str | None:
    """The unit by which the median lies between 1973 and 2099; None where no unit does that.

    >>> guessed_unit(np.array([1.7e9])), guessed_unit(np.array([1.7e12])), guessed_unit(np.array([17.0]))
    ('s', 'ms', None)
    """
    if not len(values):
        return None
    middle = float(np.median(values))
    return next((unit for unit in GUESSED if GUESS_BEGIN_MS <= middle * UNITS[unit] <= GUESS_END_MS), None)


def is_plausible(values: Floats, unit: str) -> npt.NDArray[np.bool_]:
    """For each number of a unit, whether it is a time between 1973 and 2099."""
    begin, end = GUESS_BEGIN_MS / UNITS[unit], GUESS_END_MS / UNITS[unit]
    plausible: npt.NDArray[np.bool_] = (values >= begin) & (values <= end)
    return plausible


def calendar_form(values: Floats) -> str | None:
    """The form of dates written as digits, such as 20261001, where most of the numbers are such dates; else None.

    >>> calendar_form(np.array([20261001.0, 20261301.0, 20261002.0])), calendar_form(np.array([1.0, 2.0]))
    ('YYYYMMDD', None)
    """
    for rest, form, words in CALENDAR_FORMS:
        whole = values[(values >= YEAR_MIN * rest) & (values < YEAR_END * rest) & (values == np.floor(values))]
        texts = pa.array(whole.astype(np.int64)).cast(pa.string())
        dates = pc.strptime(texts, format=form, unit="s", error_is_null=True)
        if len(dates) - dates.null_count > CALENDAR_SHARE_MIN * len(values):
            return words
    return None


def rounded_step_ms(values: Floats, unit_ms: float, *, bits: int) -> float | None:
    """The step in milliseconds to which a float type of few bits has rounded times; None where nothing was rounded.

    ``unit_ms`` are the milliseconds of the times' unit, ``bits`` those of the column's float type. Epoch seconds in
    floats of 32 bits are 128 seconds apart. Times in 64 bits are rounded too if all of them are floats of 32 bits.
    Whole minutes or days that so few bits hold exactly are not rounded.

    >>> seconds = 1_709_251_200.0 + 60.0 * np.arange(500)
    >>> rounded = seconds.astype(np.float32).astype(np.float64)
    >>> days = seconds[0] + 86_400.0 * np.arange(500)
    >>> [rounded_step_ms(values, 1_000.0, bits=64) for values in (seconds, rounded, days)]
    [None, 128000.0, None]
    """
    narrow = np.float16 if bits == 16 else np.float32
    largest = float(np.abs(values).max())
    if largest >= float(np.finfo(narrow).max):
        return None
    step_ms = float(np.spacing(narrow(largest))) * unit_ms
    if step_ms <= LEAST_STEP_MS or (values.astype(narrow) != values).any():
        return None
    if largest < WHOLE_MAX[16 if bits == 16 else 32]:
        return step_ms if bits < 64 and (values != np.floor(values)).any() else None
    if bits == 64 and len(np.unique(values)) < DISTINCT_MIN:
        return None
    grid = round((MINUTE_MS if unit_ms < MINUTE_MS else FIVE_MINUTES_MS) / unit_ms)
    is_exact = bits > 16 and grid > 0 and not np.fmod(values, grid).any()
    return None if is_exact else step_ms


def counted_ms(counts: Ints, clock: CountedTimes) -> Ints:
    """Epoch milliseconds of running numbers.

    >>> counted_ms(np.array([0, 2]), CountedTimes(first_ms=1_000, step_ms=60_000)).tolist()
    [1000, 121000]
    """
    return clock.first_ms + clock.step_ms * counts


def as_floats(column: Any) -> Floats:
    """A column of numbers without nulls as float64, shape (rows,)."""
    values: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return values


def no_time(name: str, what: str, hint: str = "", *, row: int | None = None) -> WrongTable:
    """The error that column ``name`` is no time, because it ``what``, with what is expected instead."""
    at = "" if row is None else f"row {row}: "
    return WrongTable(
        f"{at}column {quoted(name)} (--time) {what}; expected dates, RFC 3339, epoch seconds, milliseconds,"
        f" microseconds or nanoseconds (--time-unit says which), or a running number{hint}"
    )


def _check_steps(column: Any, values: Floats, name: str, unit_ms: float, notes: list[str]) -> None:
    """Raise WrongTable where the column's float type has too few bits; note it where an earlier type had."""
    bits = column.type.bit_width if types.is_floating(column.type) else 64
    step_ms = rounded_step_ms(values, unit_ms, bits=bits)
    if step_ms is None:
        return
    step = f"steps of {step_ms / 1000:.0f} seconds"
    if bits < 64:
        hint = "; write whole numbers, or floats of 64 bits"
        raise WrongTable(f"column {quoted(name)} (--time) holds floats of {bits} bits, which have {step} here{hint}")
    notes.append(
        f"warning: the times of column {quoted(name)} are in {step}, as if they had been in floats of 32 bits:"
        " events within a step have no order"
    )


def _milliseconds(column: Any, values: Floats, unit: str) -> Ints:
    if types.is_integer(column.type) and UNITS[unit] <= 1.0:
        whole: Ints = column.to_numpy() // np.asarray(round(1 / UNITS[unit]), column.to_numpy().dtype)
        return whole.astype(np.int64)
    return np.rint(values * UNITS[unit]).astype(np.int64)


def _running(column: Any, values: Floats, name: str, counted: CountedTimes | None, notes: list[str]) -> Ints:
    """Times of a running number, which gives the order of the rows and, without ``counted``, nothing else."""
    if first_coarse(column) is not None:
        raise no_time(name, "holds floats that do not hold whole numbers of that size apart")
    counts = np.floor(values) == values
    is_running = counts.all() and values.min() >= 0 and values.max() < COUNTS_END
    if not is_running or (np.any(np.diff(values) < 0) and len(np.unique(values)) < len(values)):
        row = int(np.argmin(counts & (values >= 0) & (values < COUNTS_END)))
        raise no_time(name, f"holds {_shown(column, row)}, neither an epoch time nor a running number", row=row)
    whole = values.astype(np.int64)
    if counted is not None:
        return counted_ms(whole, counted)
    notes.append(f"column {quoted(name)} only counts and holds no times: it gives the order of the rows")
    return counted_ms(whole, MADE_UP)


def _shown(column: Any, row: int) -> str:
    return quoted(column[row].as_py())


def _date(time_ms: float) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).strftime("%Y-%m-%d")
