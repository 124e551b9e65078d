"""Columns of text: whether all values are numbers or truth values, and the column as such."""

from __future__ import annotations

import re
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

__all__ = [
    "NULL_WORDS",
    "NUMBER",
    "NUMBER_ELSEWHERE",
    "flags_of",
    "has_mixed_flags",
    "is_number",
    "is_text",
    "numbers_of",
    "trimmed",
]

LOOK_FIRST: Final = 1_000
"""So many values are checked before the others: most columns of words are recognised by them."""

NULL_WORDS: Final = ("", "na", "n/a", "#n/a", "nan", "-nan", "null", "none", "<na>", "nat")
WHOLE: Final = r"^-?(?:0|[1-9][0-9]*)$"
NUMBER: Final = r"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
ENDLESS: Final = r"^-?(?:inf|infinity)$"
NUMBER_ELSEWHERE: Final = (
    r"^[-+\x{2212}(]?\s*[$€£¥]?\s*[-+\x{2212}]?(?:\p{Nd}{1,3}(?:[.,'’\s\x{a0}\x{202f}]\p{Nd}{3})+(?:[.,]\p{Nd}*)?|\p{Nd}*[.,]?\p{Nd}+)"
    r"\s*[%€$£¥)]?$"
)
"""Numbers as people write them: with decimal commas, separated thousands, currency signs, or other digits."""

FLAG_WORDS: Final = (frozenset({"true", "t", "yes", "y", "1", "on"}), frozenset({"false", "f", "no", "n", "0", "off"}))
FLAGS: Final = ({"true", "false"}, {"True", "False"}, {"TRUE", "FALSE"})

Column = Any
"""pyarrow publishes no types: a pyarrow.ChunkedArray."""


def is_text(column_type: Any) -> bool:
    """Whether a pyarrow type is string, large_string or string_view."""
    return bool(types.is_string(column_type) or types.is_large_string(column_type) or types.is_string_view(column_type))


def is_number(text: str) -> bool:
    """Whether a text is a number in its usual spelling.

    >>> [is_number(text) for text in ("0.5", " -1e3", "007", "0,5", "inf")]
    [True, True, False, False, False]
    """
    return re.match(NUMBER, text.strip()) is not None


def trimmed(column: Column) -> Column:
    """A column of text without blanks at both ends, null where nothing is left."""
    short = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(short, ""), pa.scalar(None, short.type), short)


def numbers_of(column: Column) -> Column | None:
    """A column of text as numbers; None where a value is no number in its usual spelling, or all are null.

    ``007``, ``+1`` and ``1_000`` are texts, and so are whole numbers that 64 bits do not hold. Words such as NaN and
    null are nulls.

    >>> numbers_of(pa.chunked_array([["1", "NaN", " 2.5"]])).to_pylist(), numbers_of(pa.chunked_array([["1", "007"]]))
    ([1.0, None, 2.5], None)
    """
    texts = _without_null_words(column)
    if texts.null_count == len(texts) or not _all_match(texts.slice(0, LOOK_FIRST), (NUMBER, ENDLESS)):
        return None
    if not _all_match(texts, (NUMBER, ENDLESS)):
        return None
    if _all_match(texts, (WHOLE,)):
        for number_type in (pa.int64(), pa.uint64()):
            try:
                return texts.cast(number_type)
            except pa.ArrowInvalid:
                continue
        return None
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def flags_of(column: Column) -> Column | None:
    """A column of text as truth values; None where not all are true and false in the spelling of JSON, Python or SQL.

    >>> flags_of(pa.chunked_array([["True", "False", ""]])).to_pylist(), flags_of(pa.chunked_array([["yes", "no"]]))
    ([True, False, None], None)
    """
    texts = _without_null_words(column)
    if not _are_flags(texts.slice(0, LOOK_FIRST)) or texts.null_count == len(texts) or not _are_flags(texts):
        return None
    return pc.equal(pc.ascii_lower(texts), "true")


def has_mixed_flags(column: Column) -> bool:
    """Whether a column of text holds only truth values, and writes one of them in more than one way."""
    words = {word.lower() for word in pc.unique(_without_null_words(column)).to_pylist() if word is not None}
    return len(words) > 2 and words <= FLAG_WORDS[0] | FLAG_WORDS[1]


def _are_flags(column: Column) -> bool:
    words = set(pc.unique(column).to_pylist()) - {None}
    return any(words <= spelling for spelling in FLAGS)


def _without_null_words(column: Column) -> Column:
    short = pc.utf8_trim_whitespace(column)
    words = pa.array(NULL_WORDS, short.type)
    return pc.if_else(pc.is_in(pc.utf8_lower(short), words), pa.scalar(None, short.type), short)


def _all_match(column: Column, patterns: tuple[str, ...]) -> bool:
    matches = None
    for pattern in patterns:
        of_pattern = pc.match_substring_regex(column, pattern, ignore_case=pattern == ENDLESS)
        matches = of_pattern if matches is None else pc.or_(matches, of_pattern)
    return bool(pc.all(matches, skip_nulls=True, min_count=0).as_py())
