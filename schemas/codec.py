"""JSON in and out: one decoder a type, one encoder for all, and errors that say which field."""

from __future__ import annotations

import functools
import re
from typing import TypeVar

import msgspec

from schemas.wire import Wire

__all__ = ["MalformedError", "decode", "decode_one_or_many", "encode"]

T = TypeVar("T", bound=Wire)

_encoder = msgspec.json.Encoder()
_PATH = re.compile(r"(?:at|in) `\$([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON it wants; the last where they nest too deeply."""


class MalformedError(ValueError):
    """Bytes that are not what they should be: ``reason`` says what is wrong, ``field`` is the JSON path if any.

    Without a ``field`` it is what the reason names.
    """

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = _field_of(reason) if field is None else field


def _field_of(reason: str) -> str:
    path, missing = _PATH.search(reason), _MISSING.search(reason)
    start = path.group(1) if path else ""
    if missing:
        return f"${start}.{missing.group(1)}"
    return f"${start}" if path else ""


def encode(value: Wire | list[T] | tuple[T, ...]) -> bytes:
    """A value, or many, as JSON."""
    return _encoder.encode(value)


@functools.cache
def decoder_of(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of one Struct type."""
    return msgspec.json.Decoder(kind)


@functools.cache
def decoder_of_many(kind: type[T]) -> msgspec.json.Decoder[list[T]]:
    """The decoder of an array of one Struct type."""
    return msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]


def decode(kind: type[T], data: bytes) -> T:
    """One value out of JSON; raises MalformedError."""
    try:
        value: T = decoder_of(kind).decode(data)
    except _UNREADABLE as error:
        raise MalformedError(str(error)) from error
    return value


def decode_one_or_many(kind: type[T], data: bytes) -> list[T]:
    """The values of a message that holds one JSON object or an array of them; raises MalformedError."""
    try:
        if data[:1] == b"[":
            return decoder_of_many(kind).decode(data)
        return [decoder_of(kind).decode(data)]
    except _UNREADABLE as error:
        raise MalformedError(str(error)) from error
