"""JSON in and out: one decoder a type, one encoder for all, and errors that say which field."""

from __future__ import annotations

import functools
import re
from typing import TypeVar

import msgspec

from schemas.json_text.hints import excerpt, malformed_reason, odd_word_at_end
from schemas.wire.base import Wire

__all__ = [
    "UNREADABLE",
    "MalformedError",
    "decode",
    "decode_one_or_many",
    "decoder_of",
    "decoder_of_many",
    "encode",
    "printable",
    "reason_of",
]

T = TypeVar("T", bound=Wire)

_encoder = msgspec.json.Encoder()
_PATH = re.compile(r"(?:at|in) `\$([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_TRUNCATED = "Input data was truncated"
_BEHIND = re.compile("trailing characters")
_BYTE = re.compile(r"malformed: .* \(byte (\d+)\)$")
_RANGES = (
    ("Number out of range", "one that a double holds, up to 1.8e308"),
    ("Integer value out of range", "one of fewer digits"),
)
_HALF = rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE_SURROGATE = re.compile(rb"(?:[^\\]++|\\[^u]|" + _PAIR + rb"|(?!" + _HALF + rb")\\u)*+(" + _HALF + rb")")
"""Bytes without escapes, escapes of other kinds and pairs of surrogates; then half of a pair, which is the group."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON it wants; the last where they nest too deeply."""


class MalformedError(ValueError):
    """Bytes that are not what they should be: ``reason`` says what is wrong, ``field`` is the JSON path if any.

    Without a ``field`` it is what the reason names. Both are ``printable``, whatever names they quote.
    """

    def __init__(self, reason: str, field: str | None = None) -> None:
        self.reason = printable(reason)
        self.field = _field_of(self.reason) if field is None else printable(field)
        super().__init__(self.reason)


def printable(text: str) -> str:
    """``text`` as one line that any log takes: control characters and lone surrogates as their escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _field_of(reason: str) -> str:
    path, missing = _PATH.search(reason), _MISSING.search(reason)
    start = path.group(1) if path else ""
    if missing:
        return f"${start}.{missing.group(1)}"
    return f"${start}" if path else ""


def reason_of(error: Exception, data: bytes) -> str:
    """Why JSON could not be read, in words for whoever wrote it; ``error`` is what its decoder raised."""
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
        return malformed_reason(f"JSON is malformed: invalid character (byte {word})", data, word)
    if _BEHIND.search(str(error)):
        more = f"more behind the JSON (byte {at - 1}): {excerpt(data[at - 1 :])}"
        return f"{more}; expected one object, or one array of them with commas between"
    if at >= len(data):
        return f"truncated: it ends after {len(data)} bytes, before the JSON does; expected all of it"
    return malformed_reason(str(error), data, at)


def _with_range(message: str) -> str:
    """A number out of range is told with the range."""
    for said, expected in _RANGES:
        message = message.replace(said, f"{said}; expected {expected}")
    return message


def _is_about_escapes(message: str) -> bool:
    """The decoder calls half of a pair truncated where the text ends too soon for the other half."""
    return "truncated" in message or "surrogate" in message


def _utf8_problem(data: bytes) -> str:
    """Where the first byte stands that is no UTF-8: the decoder counts from the beginning of the text it is in."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: 0x{data[error.start]:02x} (byte {error.start}); expected UTF-8"
    return ""


def encode(value: Wire | list[T] | tuple[T, ...]) -> bytes:
    """A value, or many, as JSON."""
    return _encoder.encode(value)


@functools.cache
def decoder_of(struct: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of one Struct type."""
    return msgspec.json.Decoder(struct)


@functools.cache
def decoder_of_many(struct: type[T]) -> msgspec.json.Decoder[list[T]]:
    """The decoder of an array of one Struct type."""
    return msgspec.json.Decoder(list[struct])  # type: ignore[valid-type]


def decode(struct: type[T], data: bytes) -> T:
    """One value out of JSON; raises MalformedError."""
    try:
        value: T = decoder_of(struct).decode(data)
    except UNREADABLE as error:
        raise MalformedError(reason_of(error, data)) from error
    return value


def decode_one_or_many(struct: type[T], data: bytes) -> list[T]:
    """The values of a message that holds one JSON object or an array of them; raises MalformedError."""
    try:
        if data[:1] == b"[":
            return decoder_of_many(struct).decode(data)
        return [decoder_of(struct).decode(data)]
    except UNREADABLE as error:
        raise MalformedError(reason_of(error, data)) from error
