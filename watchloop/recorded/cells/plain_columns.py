"""Columns as features: numbers, texts and truth values, and null for what is none."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from watchloop.errors import WrongTable
from watchloop.recorded.cells.digits import decimal_numbers, first_lost_whole, tell_of_lost
from watchloop.recorded.cells.texts import NUMBER, NUMBER_ELSEWHERE, flags_of, has_mixed_flags, is_text, numbers_of
from watchloop.recorded.words import listed, quoted

__all__ = ["is_time_type", "plain_features", "time_texts", "without_dictionary"]

NUMBERS_SHARE_MIN: Final = 0.5
"""A column of texts more of which are numbers may be meant as numbers."""

LEADING_ZERO: Final = r"^0[0-9]"

PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}

Column = Any
"""pyarrow publishes no types: a pyarrow.ChunkedArray."""


def plain_features(rows: Any, names: tuple[str, ...], notes: list[str], *, guess: bool) -> Any:
    """A pyarrow.Table of features, each of int64, uint64, double, bool, string, large_string, null or ``digits.LARGE``.

    Decimals and durations (in seconds) are numbers, dates and times are texts as RFC 3339 has them; NaN and infinities
    are null. Whole numbers keep their digits, as ``digits.LARGE`` where 64 bits do not hold them. ``guess`` also takes
    texts that are numbers or truth values throughout for such, as CSV has nothing else. Raises WrongTable with every
    column that cannot be a feature.
    """
    columns, unfit = {}, []
    endless: list[str] = []
    for name in names:
        column = without_dictionary(rows.column(name))
        found = _plain(column, name, notes, guess=guess)
        if found is None:
            unfit.append(f"{quoted(name)} ({str(column.type)[:40]})")
            continue
        if types.is_float64(found.type):
            found = _finite(found, name, endless)
        elif guess and is_text(found.type):
            _tell_of_numbers(found, name, notes)
        columns[name] = found
    if unfit:
        raise WrongTable(
            f"no feature can be made of {listed(unfit)}; expected numbers, texts or truth values:"
            " name the others with --features, or leave these out with --drop"
        )
    if endless:
        notes.append(f"infinite numbers are taken as missing, in {listed(map(quoted, endless))}")
    return pa.table(columns).combine_chunks() if columns else rows.select([])


def _tell_of_numbers(column: Column, name: str, notes: list[str]) -> None:
    """Say so where most values of a column that is taken as texts are numbers, or seem meant as such."""
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
        _tell_of_spelling(short, name, notes)


def _tell_of_spelling(column: Column, name: str, notes: list[str]) -> None:
    """Say so where most values are numbers in another spelling; leading zeros are those of codes."""
    odd = pc.and_(
        pc.match_substring_regex(column, NUMBER_ELSEWHERE), pc.invert(pc.match_substring_regex(column, LEADING_ZERO))
    )
    found = pc.unique(column.filter(pc.and_(odd, pc.invert(pc.match_substring_regex(column, NUMBER)))))
    if len(found) and (pc.sum(odd).as_py() or 0) > NUMBERS_SHARE_MIN * len(column):
        notes.append(
            f"column {quoted(name)} is taken as texts: {quoted(found[0].as_py())} may be meant as a number; expected"
            " digits with a point, such as -1234.5"
        )


def without_dictionary(column: Column) -> Column:
    """A column whose values stand in it: dictionaries (pandas' categories), runs and extensions resolved."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return without_dictionary(pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type))
    if types.is_dictionary(kind):
        return without_dictionary(column.cast(kind.value_type))
    if types.is_run_end_encoded(kind):
        decoded = [pc.run_end_decode(chunk) for chunk in column.chunks]
        return without_dictionary(pa.chunked_array(decoded, kind.value_type))
    return column.cast(pa.large_string()) if types.is_string_view(kind) else column


def is_time_type(kind: Any) -> bool:
    """Whether values of a type say when: with a date."""
    return bool(types.is_timestamp(kind) or types.is_date(kind))


def _plain(column: Column, name: str, notes: list[str], *, guess: bool) -> Column | None:
    kind = column.type
    if is_text(kind):
        found = _guessed(column, name, notes) if guess else None
        return column if found is None else found
    if types.is_boolean(kind) or types.is_null(kind) or types.is_uint64(kind):
        return column
    if types.is_integer(kind):
        return column.cast(pa.int64())
    if types.is_floating(kind):
        return column.cast(pa.float64())
    if types.is_decimal(kind):
        return decimal_numbers(column, name, notes)
    if types.is_duration(kind):
        return pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), float(PER_SECOND[kind.unit]))
    if is_time_type(kind) or types.is_time(kind):
        return time_texts(column)
    return None


def _guessed(column: Column, name: str, notes: list[str]) -> Column | None:
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column))])
    found = numbers_of(column)
    if found is None:
        return flags_of(column)
    if types.is_float64(found.type):
        lost = first_lost_whole(pc.utf8_trim_whitespace(column))
        if lost is not None:
            tell_of_lost(name, lost, notes)
    return found


def time_texts(column: Column) -> Column:
    """A column of dates or times as texts, as RFC 3339 has them."""
    kind = column.type
    if types.is_date64(kind):
        return column.cast(pa.date32()).cast(pa.string())
    if types.is_timestamp(kind) and kind.tz:
        column = column.cast(pa.timestamp(kind.unit, "UTC"))
    text = pc.replace_substring(column.cast(pa.string()), " ", "T")
    return pc.replace_substring_regex(text, r"\.0+(Z?)$", r"\1")


def _finite(column: Column, name: str, endless: list[str]) -> Column:
    """Null where a number is NaN or infinite; the latter is told."""
    if pc.all(pc.is_finite(column), skip_nulls=True, min_count=0).as_py():
        return column
    if pc.any(pc.is_inf(column), skip_nulls=True, min_count=0).as_py():
        endless.append(name)
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, pa.float64()))
