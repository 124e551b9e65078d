"""Columns as plain features: numbers, texts and truth values, null where a value is missing."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from watchloop.errors import WrongTable
from watchloop.recorded.cells.digits import decimal_numbers, first_lost_whole, note_lost_digits
from watchloop.recorded.cells.texts import NUMBER, NUMBER_ELSEWHERE, flags_of, has_mixed_flags, is_text, numbers_of
from watchloop.recorded.words import listed, quoted

__all__ = ["is_time_type", "plain_features", "time_texts", "without_dictionary"]

NUMBERS_SHARE_MIN: Final = 0.5
"""A column of texts is noted as perhaps numbers where a larger share of it is."""

LEADING_ZERO: Final = r"^0[0-9]"

PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}

Column = Any
"""pyarrow publishes no types: a pyarrow.ChunkedArray."""


def plain_features(rows: Any, names: tuple[str, ...], notes: list[str], *, guess: bool) -> Any:
    """A pyarrow.Table of features, each of int64, uint64, double, bool, string, large_string, null or ``digits.LARGE``.

    Decimals and durations (in seconds) become numbers, dates and times become RFC 3339 texts, NaN and infinities become
    null. Whole numbers keep their digits, as ``digits.LARGE`` where 64 bits do not hold them. With ``guess``, for files
    without types such as CSV, a column of texts that are all numbers or truth values becomes a column of these.
    ``notes`` gets a line for each surprise. Raises WrongTable, which lists every column that cannot be a feature.
    """
    columns, unfit = {}, []
    endless: list[str] = []
    for name in names:
        column = without_dictionary(rows.column(name))
        feature = _plain(column, name, notes, guess=guess)
        if feature is None:
            unfit.append(f"{quoted(name)} ({str(column.type)[:40]})")
            continue
        if types.is_float64(feature.type):
            feature = _finite(feature, name, endless)
        elif guess and is_text(feature.type):
            _note_numbers(feature, name, notes)
        columns[name] = feature
    if unfit:
        raise WrongTable(
            f"no feature can be made of {listed(unfit)}; expected numbers, texts or truth values:"
            " name the others with --features, or leave these out with --drop"
        )
    if endless:
        notes.append(f"infinite numbers are taken as missing, in {listed(map(quoted, endless))}")
    return pa.table(columns).combine_chunks() if columns else rows.select([])


def _note_numbers(column: Column, name: str, notes: list[str]) -> None:
    """Note where most values of a column of texts are numbers or truth values, or seem to be meant as numbers."""
    short = pc.utf8_trim_whitespace(column).drop_null()
    numbers = pc.match_substring_regex(short, NUMBER)
    count, rest = pc.sum(numbers).as_py() or 0, pc.unique(short.filter(pc.invert(numbers)))
    if count and not len(rest):
        notes.append(
            f"column {quoted(name)} is taken as texts: its whole numbers have more digits than 64 bits hold, and are"
            " kept as they are written"
        )
    elif has_mixed_flags(column):
        shown = listed(map(quoted, sorted(pc.unique(short).to_pylist())))
        notes.append(
            f"column {quoted(name)} is taken as texts: it has truth values in more than one spelling ({shown}); write"
            " each as true or false"
        )
    elif count > NUMBERS_SHARE_MIN * len(short):
        shown = listed(map(quoted, rest.slice(0, 3).to_pylist()))
        notes.append(
            f"column {quoted(name)} is taken as texts: {count} of {len(short)} values are numbers,"
            f" and others are {shown}; leave a cell empty where its number is missing"
        )
    else:
        _note_spelling(short, name, notes)


def _note_spelling(column: Column, name: str, notes: list[str]) -> None:
    """Note where most values are numbers in an unusual spelling; texts with leading zeros are codes."""
    odd = pc.and_(
        pc.match_substring_regex(column, NUMBER_ELSEWHERE), pc.invert(pc.match_substring_regex(column, LEADING_ZERO))
    )
    unusual = pc.unique(column.filter(pc.and_(odd, pc.invert(pc.match_substring_regex(column, NUMBER)))))
    if len(unusual) and (pc.sum(odd).as_py() or 0) > NUMBERS_SHARE_MIN * len(column):
        notes.append(
            f"column {quoted(name)} is taken as texts: {quoted(unusual[0].as_py())} may be meant as a number; expected"
            " digits with a point, such as -1234.5"
        )


def without_dictionary(column: Column) -> Column:
    """A column with its values: dictionaries (pandas' categories), run-length encodings and extensions are resolved."""
    column_type = column.type
    if isinstance(column_type, pa.BaseExtensionType):
        return without_dictionary(
            pa.chunked_array([chunk.storage for chunk in column.chunks], column_type.storage_type)
        )
    if types.is_dictionary(column_type):
        return without_dictionary(column.cast(column_type.value_type))
    if types.is_run_end_encoded(column_type):
        decoded = [pc.run_end_decode(chunk) for chunk in column.chunks]
        return without_dictionary(pa.chunked_array(decoded, column_type.value_type))
    return column.cast(pa.large_string()) if types.is_string_view(column_type) else column


def is_time_type(column_type: Any) -> bool:
    """Whether a pyarrow type is a date or a timestamp; a time of day alone is not."""
    return bool(types.is_timestamp(column_type) or types.is_date(column_type))


def _plain(column: Column, name: str, notes: list[str], *, guess: bool) -> Column | None:
    column_type = column.type
    if is_text(column_type):
        guessed = _guessed(column, name, notes) if guess else None
        return column if guessed is None else guessed
    if types.is_boolean(column_type) or types.is_null(column_type) or types.is_uint64(column_type):
        return column
    if types.is_integer(column_type):
        return column.cast(pa.int64())
    if types.is_floating(column_type):
        return column.cast(pa.float64())
    if types.is_decimal(column_type):
        return decimal_numbers(column, name, notes)
    if types.is_duration(column_type):
        return pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), float(PER_SECOND[column_type.unit]))
    if is_time_type(column_type) or types.is_time(column_type):
        return time_texts(column)
    return None


def _guessed(column: Column, name: str, notes: list[str]) -> Column | None:
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column))])
    numbers = numbers_of(column)
    if numbers is None:
        return flags_of(column)
    if types.is_float64(numbers.type):
        lost = first_lost_whole(pc.utf8_trim_whitespace(column))
        if lost is not None:
            note_lost_digits(name, lost, notes)
    return numbers


def time_texts(column: Column) -> Column:
    """A column of dates or times as RFC 3339 texts.

    >>> import datetime as dt
    >>> time_texts(pa.chunked_array([[dt.datetime(2026, 10, 1, 8, 30, tzinfo=dt.UTC)]])).to_pylist()
    ['2026-10-01T08:30:00Z']
    """
    column_type = column.type
    if types.is_date64(column_type):
        return column.cast(pa.date32()).cast(pa.string())
    if types.is_timestamp(column_type) and column_type.tz:
        column = column.cast(pa.timestamp(column_type.unit, "UTC"))
    text = pc.replace_substring(column.cast(pa.string()), " ", "T")
    return pc.replace_substring_regex(text, r"\.0+(Z?)$", r"\1")


def _finite(column: Column, name: str, endless: list[str]) -> Column:
    """The column with null where a number is NaN or infinite; ``endless`` gets the name where one is infinite."""
    if pc.all(pc.is_finite(column), skip_nulls=True, min_count=0).as_py():
        return column
    if pc.any(pc.is_inf(column), skip_nulls=True, min_count=0).as_py():
        endless.append(name)
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, pa.float64()))
