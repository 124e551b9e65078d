"""What would be right where a decoder stopped: bytes that are no JSON are told with what JSON has instead."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["excerpt", "malformed_reason", "odd_word_at_end"]

EXCERPT_BYTES: Final = 20
WORD_BYTES_MAX: Final = 20
ESCAPE_BYTES_MAX: Final = 6
NO_NUMBERS: Final = frozenset((b"nan", b"inf", b"infinity"))
"""How programs write what is no number of JSON's, in small letters and without a sign."""

CONTROLS_END: Final = 0x20
HINTS: Final = (
    ("invalid escape", r"one of \" \\ \/ \b \f \n \r \t \u0000; a backslash itself is written \\"),
    ("in unicode escape", r"four hexadecimal digits behind \u"),
    ("hex escape", r"four hexadecimal digits behind \u"),
    ("surrogate", "both halves of a surrogate pair or neither"),
    ("invalid number", "a number as JSON has them, such as 1, -0.5 or 1e9: without a 0 before it"),
    ("keys must be strings", "a name in double quotes"),
    ("trailing comma", "commas only between two"),
)
"""What would be right, by words in what the decoder says."""

_WORD_END: Final = re.compile(rb"[-+\w]*\Z")
_WORD: Final = re.compile(rb"[-+\w]+")
_WORD_BEFORE_BRACKETS: Final = re.compile(rb"[\[:,][ \t\r\n]*([-+]?[A-Za-z]\w*)[ \t\r\n]*[}\]][ \t\r\n}\]]*\Z")
END_BYTES: Final = 60


def malformed_reason(message: str, data: bytes, at: int) -> str:
    """What stands at byte ``at`` of ``data`` and what would be right; ``message`` is what the decoder says of it."""
    begin, word = _word_at(data, at)
    if "invalid character (" in message and word.lstrip(b"+-").lower() in NO_NUMBERS:
        return (
            f"{word.decode()} (byte {begin}): JSON has neither NaN nor infinities; expected a number or null,"
            " or the field left out"
        )
    if "escape" in message:  # the decoder may have stopped behind it
        begin = data.rfind(b"\\", max(0, at - ESCAPE_BYTES_MAX), at)
        return f"{message}: {excerpt(data[begin if begin >= 0 else at :])}{_hint(message, data[at])}"
    return f"{message}: {excerpt(data[at:])}{_hint(message, data[at])}"


def odd_word_at_end(data: bytes) -> int | None:
    """Where a word stands that only brackets follow; None where there is none. Of one that is shorter than ``null`` or
    ``true`` decoders say that the end is missing.

    >>> odd_word_at_end(b'{"a": nan}'), odd_word_at_end(b'{"a": "nan}')
    (6, None)
    """
    start = max(0, len(data) - END_BYTES)
    found = _WORD_BEFORE_BRACKETS.search(data[start:])
    return start + found.start(1) if found else None


def _word_at(data: bytes, at: int) -> tuple[int, bytes]:
    """The word around a byte, and where it begins; empty where the byte is of none."""
    before = _WORD_END.search(data[max(0, at - WORD_BYTES_MAX) : at])
    begin = at - len(before.group()) if before else at
    found = _WORD.match(data[begin : at + WORD_BYTES_MAX])
    return (begin, found.group()) if found and begin + found.end() > at else (at, b"")


def excerpt(data: bytes) -> str:
    """The beginning of some bytes, in quotes."""
    return repr(data[:EXCERPT_BYTES].decode("utf-8", "replace"))


def _hint(message: str, byte: int) -> str:
    if byte == ord("'"):
        return "; JSON has double quotes"
    for words, expected in HINTS:
        if words in message:
            return f"; expected {expected}"
    if "expected" in message:
        return ""
    if byte < CONTROLS_END:
        return r"; expected control characters as escapes, such as \n or \u0001"
    return "; expected a number, a text in double quotes, true, false, null, an array or an object"
