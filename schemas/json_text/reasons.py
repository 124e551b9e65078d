"""Why JSON could not be read: what is wrong, at which byte, and what would be right there."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["odd_word_at_end", "reason_of"]

EXCERPT_BYTES: Final = 20
WORD_BYTES_MAX: Final = 20
ESCAPE_BYTES_MAX: Final = 6
NO_NUMBERS: Final = frozenset((b"nan", b"inf", b"infinity"))
"""How programs write numbers that JSON does not have, in small letters and without a sign."""

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
"""Words of the decoder's message, and what would be right."""

_WORD_END: Final = re.compile(rb"[-+\w]*\Z")
_WORD: Final = re.compile(rb"[-+\w]+")
_WORD_BEFORE_BRACKETS: Final = re.compile(rb"[\[:,][ \t\r\n]*([-+]?[A-Za-z]\w*)[ \t\r\n]*[}\]][ \t\r\n}\]]*\Z")
END_BYTES: Final = 60
"""How far before the end a word is looked for."""

_TRUNCATED: Final = "Input data was truncated"
_BEHIND: Final = re.compile("trailing characters")
_BYTE: Final = re.compile(r"malformed: .* \(byte (\d+)\)$")
_RANGES: Final = (
    ("Number out of range", "one that a double holds, up to 1.8e308"),
    ("Integer value out of range", "one of fewer digits"),
)
_HALF: Final = rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_PAIR: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE_SURROGATE: Final = re.compile(rb"(?:[^\\]++|\\[^u]|" + _PAIR + rb"|(?!" + _HALF + rb")\\u)*+(" + _HALF + rb")")
"""Skips bytes without escapes, other escapes and pairs of surrogates; the group is the first half of a pair alone."""


def reason_of(error: Exception, data: bytes) -> str:
    """Why ``data`` could not be read as JSON, in words for the person who wrote it.

    ``error`` is what the decoder raised: one of ``UNREADABLE``.

    >>> reason_of(ValueError("JSON is malformed: invalid character (byte 6)"), b'{"a": NaN}')
    'NaN (byte 6): JSON has neither NaN nor infinities; expected a number or null, or the field left out'
    """
    if isinstance(error, RecursionError):
        return "nested too deeply; expected no more than a few hundred brackets within each other"
    if isinstance(error, UnicodeDecodeError):
        return _utf8_problem(data) or str(error)
    if not data.strip():
        return "empty; expected JSON"
    alone = _LONE_SURROGATE.match(data) if _is_about_escapes(str(error)) else None
    if alone is not None:
        return f"half of a surrogate pair: {alone.group(1).decode()} (byte {alone.start(1)}); expected both or neither"
    position = _BYTE.search(str(error))
    at = len(data) if str(error) == _TRUNCATED else int(position.group(1)) if position else -1
    if at < 0:
        return _with_range(str(error))
    word = odd_word_at_end(data) if at >= len(data) else None
    if word is not None:
        return _malformed_reason(f"JSON is malformed: invalid character (byte {word})", data, word)
    if _BEHIND.search(str(error)):
        more = f"more behind the JSON (byte {at - 1}): {_excerpt(data[at - 1 :])}"
        return f"{more}; expected one object, or one array of them with commas between"
    if at >= len(data):
        return f"truncated: it ends after {len(data)} bytes, before the JSON does; expected all of it"
    return _malformed_reason(str(error), data, at)


def _with_range(message: str) -> str:
    """The message; of a number out of range it also says the range."""
    for said, expected in _RANGES:
        message = message.replace(said, f"{said}; expected {expected}")
    return message


def _is_about_escapes(message: str) -> bool:
    """Whether the message may be about half of a surrogate pair; at the end of a text decoders call it truncated."""
    return "truncated" in message or "surrogate" in message


def _utf8_problem(data: bytes) -> str:
    """The first byte that is no UTF-8 and its position in ``data``; empty where all is UTF-8.

    The decoder's own position counts from the beginning of the text that the byte is in.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: 0x{data[error.start]:02x} (byte {error.start}); expected UTF-8"
    return ""


def _malformed_reason(message: str, data: bytes, at: int) -> str:
    """What stands at byte ``at`` of ``data`` and what would be right; ``message`` is the decoder's."""
    begin, word = _word_at(data, at)
    if "invalid character (" in message and word.lstrip(b"+-").lower() in NO_NUMBERS:
        return (
            f"{word.decode()} (byte {begin}): JSON has neither NaN nor infinities; expected a number or null,"
            " or the field left out"
        )
    if "escape" in message:  # the decoder may have stopped behind it
        begin = data.rfind(b"\\", max(0, at - ESCAPE_BYTES_MAX), at)
        return f"{message}: {_excerpt(data[begin if begin >= 0 else at :])}{_hint(message, data[at])}"
    return f"{message}: {_excerpt(data[at:])}{_hint(message, data[at])}"


def odd_word_at_end(data: bytes) -> int | None:
    """Position of a word that only brackets follow; None where there is none.

    Where that word is shorter than ``null`` or ``true``, decoders report a missing end instead of the word.

    >>> odd_word_at_end(b'{"a": nan}'), odd_word_at_end(b'{"a": "nan}')
    (6, None)
    """
    start = max(0, len(data) - END_BYTES)
    word = _WORD_BEFORE_BRACKETS.search(data[start:])
    return start + word.start(1) if word else None


def _word_at(data: bytes, at: int) -> tuple[int, bytes]:
    """Beginning and bytes of the word around byte ``at``; no bytes where no word is there."""
    before = _WORD_END.search(data[max(0, at - WORD_BYTES_MAX) : at])
    begin = at - len(before.group()) if before else at
    word = _WORD.match(data[begin : at + WORD_BYTES_MAX])
    return (begin, word.group()) if word and begin + word.end() > at else (at, b"")


def _excerpt(data: bytes) -> str:
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
