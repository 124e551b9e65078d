"""Numbers with more digits than a double keeps: whole numbers keep them all, and a note names digits that are lost."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from watchloop.recorded.words import quoted

__all__ = [
    "LARGE",
    "WHOLE_DIGITS_MAX",
    "decimal_numbers",
    "first_coarse",
    "first_coarse_text",
    "first_lost_whole",
    "note_lost_digits",
    "whole_numbers",
]

WHOLE_DIGITS_MAX: Final = 76
"""A whole number of more digits stays a text; the largest decimals of Arrow and ClickHouse have so many."""

LARGE: Final = pa.decimal256(WHOLE_DIGITS_MAX, 0)
"""The type of a column of whole numbers, at least one of which has more than 64 bits."""

LONG_WHOLE: Final = r"^-?[0-9]{16,}$"
WITH_POINT: Final = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE]\+[0-9]+)")
"""A number as programs write floats. 1e99 is not among them, as it may be a code."""

WHOLE_BITS: Final = {16: 11, 32: 24, 64: 53}
"""Bits of a float type to the bits up to which it holds every whole number."""
DOUBLE_DIGITS_MAX: Final = 308
"""Whole numbers of at most so many digits are within the range of doubles."""

Column = Any
"""pyarrow publishes no types: a pyarrow.ChunkedArray."""


def decimal_numbers(column: Column, name: str, notes: list[str]) -> Column:
    """Decimals as numbers: whole numbers with all digits, others as doubles, and a note where a double loses digits."""
    if column.type.scale <= 0:
        return _narrow(column.cast(LARGE))
    doubles = column.cast(pa.float64())
    lost = _first_lost(column, doubles)
    if lost is None:
        return doubles
    try:
        return _narrow(column.cast(LARGE))
    except pa.ArrowInvalid:  # some are not whole
        note_lost_digits(name, lost, notes)
        return doubles


def whole_numbers(values: Sequence[int | None]) -> Column | None:
    """Whole numbers as a column of the smallest type that holds them; None where one has too many digits.

    >>> [str(whole_numbers([0, number]).type) for number in (-1, 2**63, 2**64)]
    ['int64', 'uint64', 'decimal256(76, 0)']
    """
    for number_type in (pa.int64(), pa.uint64(), LARGE):
        try:
            return pa.array(values, number_type)
        except (OverflowError, pa.ArrowException):
            continue
    return None


def note_lost_digits(name: str, value: object, notes: list[str]) -> None:
    """Note that numbers of a column lose digits; ``value`` is an example."""
    notes.append(
        f"column {quoted(name)} holds numbers of more digits than a double keeps: {quoted(str(value))} is read as"
        f" {float(str(value))!r}; a column of whole numbers, or of texts, keeps them all"
    )


def first_lost_whole(texts: Column) -> str | None:
    """The first text that is a whole number which a double does not hold; None where there is none.

    Numbers beyond the range of doubles are passed over: they become infinite, which has a note of its own.
    """
    long = texts.filter(pc.fill_null(pc.match_substring_regex(texts, LONG_WHOLE), False))
    short = (text for text in long.to_pylist() if len(text) <= DOUBLE_DIGITS_MAX)
    return next((text for text in short if int(text) != int(float(text))), None)


def first_coarse(column: Column) -> float | None:
    """The first float so large that two neighbouring whole numbers are the same float; None where there is none.

    >>> [first_coarse(pa.chunked_array([[1.5, size]])) for size in (2.0**53 - 1, -(2.0**53))]
    [None, -9007199254740992.0]
    """
    value_type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not pa.types.is_floating(value_type):
        return None
    values = (column.cast(value_type) if value_type is not column.type else column).cast(pa.float64())
    bound = float(2 ** WHOLE_BITS[value_type.bit_width])
    large = pc.and_(pc.greater_equal(pc.abs(values), bound), pc.is_finite(values))
    first: list[float] = values.filter(pc.fill_null(large, False)).slice(0, 1).to_pylist()
    return first[0] if first else None


def first_coarse_text(texts: Iterable[str]) -> str | None:
    """The first text that is the written form of a double as large as those that ``first_coarse`` finds.

    None where a number of that size has digits that a double would have lost: these texts were never doubles.

    >>> first_coarse_text(["7", "1.152921504606847e+18"]), first_coarse_text(["9007199254740992.0"])
    ('1.152921504606847e+18', '9007199254740992.0')
    >>> [first_coarse_text([text, "9007199254740992.0"]) for text in ("9007199254740993.0", "12e45")]
    [None, '9007199254740992.0']
    """
    large = [text for text in texts if WITH_POINT.fullmatch(text.strip()) and _is_beyond(float(text))]
    return next(iter(large), None) if all(map(_is_of_float, large)) else None


def _is_beyond(value: float) -> bool:
    return math.isfinite(value) and abs(value) >= 2.0 ** WHOLE_BITS[64]


def _is_of_float(text: str) -> bool:
    value, exact = float(text), decimal.Decimal(text.strip())
    return exact in (decimal.Decimal(value), decimal.Decimal(repr(value)))


def _narrow(column: Column) -> Column:
    """The column in 64 bits where these hold all its numbers, unchanged where they do not."""
    for number_type in (pa.int64(), pa.uint64()):
        try:
            return column.cast(number_type)
        except pa.ArrowInvalid:
            continue
    return column


def _first_lost(column: Column, doubles: Column) -> decimal.Decimal | None:
    """The first decimal that differs from the written form of its double."""
    try:
        kept = pc.equal(doubles.cast(pa.decimal256(WHOLE_DIGITS_MAX, column.type.scale), safe=False), column)
        rest = column.filter(pc.invert(kept))
    except pa.ArrowInvalid:  # a rounded double may have a digit more than the type
        rest = column.drop_null()
    values: Iterable[decimal.Decimal] = rest.to_pylist()
    return next((value for value in values if value != decimal.Decimal(repr(float(value)))), None)
