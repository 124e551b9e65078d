"""Columns of text that stand for numbers or truth values, and those that do not: a text stays a text."""

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
"""Values that are looked at first: most columns of text show there that they are."""

NULL_WORDS: Final = ("", "na", "n/a", "#n/a", "nan", "-nan", "null", "none", "<na>", "nat")
WHOLE: Final = r"^-?(?:0|[1-9][0-9]*)$"
NUMBER: Final = r"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
ENDLESS: Final = r"^-?(?:inf|infinity)$"
NUMBER_ELSEWHERE: Final = (
    r"^[-+\x{2212}(]?\s*[$€£¥]?\s*[-+\x{2212}]?(?:\p{Nd}{1,3}(?:[.,'’\s\x{a0}\x{202f}]\p{Nd}{3})+(?:[.,]\p{Nd}*)?|\p{Nd}*[.,]?\p{Nd}+)"
    r"\s*[%€$£¥)]?$"
)
"""Numbers as people write them: with signs, decimal commas, separated thousands, units of money, or other digits."""

FLAG_WORDS: Final = (frozenset({"true", "t", "yes", "y", "1", "on"}), frozenset({"false", "f", "no", "n", "0", "off"}))
FLAGS: Final = ({"true", "false"}, {"True", "False"}, {"TRUE", "FALSE"})

Column = Any
"""pyarrow publishes no types: a pyarrow.ChunkedArray."""


def is_text(kind: Any) -> bool:
    """Whether a type is one of text."""
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_number(text: str) -> bool:
    """Whether a text is a number in its usual spelling.

    >>> [is_number(text) for text in ("0.5", " -1e3", "007", "0,5", "inf")]
    [True, True, False, False, False]
    """
    return re.match(NUMBER, text.strip()) is not None


def trimmed(column: Column) -> Column:
    """A column of text without blanks around, null where nothing is left."""
    short = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(short, ""), pa.scalar(None, short.type), short)


def numbers_of(column: Column) -> Column | None:
    """A column of text as numbers, or None where one of its values is no number in its usual spelling.

    ``007``, ``+1`` and ``1_000`` are texts, and so are whole numbers that 64 bits do not hold. Among numbers, words
    such as NaN and null are nulls. A column of nulls alone has no numbers.
    """
    found = _without_null_words(column)
    if found.null_count == len(found) or not _all_match(found.slice(0, LOOK_FIRST), (NUMBER, ENDLESS)):
        return None
    if not _all_match(found, (NUMBER, ENDLESS)):
        return None
    if _all_match(found, (WHOLE,)):
        for kind in (pa.int64(), pa.uint64()):
            try:
                return found.cast(kind)
            except pa.ArrowInvalid:
                continue
        return None
    try:
        return found.cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def flags_of(column: Column) -> Column | None:
    """A column of true and false, in one of the spellings of JSON, Python or SQL; else None."""
    found = _without_null_words(column)
    if not _are_flags(found.slice(0, LOOK_FIRST)) or found.null_count == len(found) or not _are_flags(found):
        return None
    return pc.equal(pc.ascii_lower(found), "true")


def has_mixed_flags(column: Column) -> bool:
    """Whether a column of text holds truth values alone, and one of them in more than one word."""
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
    found = None
    for pattern in patterns:
        matches = pc.match_substring_regex(column, pattern, ignore_case=pattern == ENDLESS)
        found = matches if found is None else pc.or_(found, matches)
    return bool(pc.all(found, skip_nulls=True, min_count=0).as_py())
