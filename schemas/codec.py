"""Encoding and decoding of JSON: one decoder for each type, one encoder for all, and errors that name the field."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from schemas.json_text.errors import UNREADABLE, MalformedError
from schemas.wire.base import Wire

__all__ = [
    "Readable",
    "decode",
    "decode_one_or_many",
    "decode_readable",
    "decoder_of",
    "decoder_of_many",
    "encode",
]

T = TypeVar("T", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()


def encode(value: Wire | list[T] | tuple[T, ...]) -> bytes:
    """A value as a JSON object, or several as a JSON array."""
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
        raise MalformedError.of(error, data) from error
    return value


def decode_one_or_many(struct: type[T], data: bytes) -> list[T]:
    """The values of a message that holds one JSON object or an array of them; raises MalformedError."""
    try:
        if data[:1] == b"[":
            return decoder_of_many(struct).decode(data)
        return [decoder_of(struct).decode(data)]
    except UNREADABLE as error:
        raise MalformedError.of(error, data) from error


@dataclasses.dataclass(frozen=True, slots=True)
class Readable(Generic[T]):
    """The readable values of a message, each with its index, and what is wrong with its other elements, by index.

    ``items`` has the bytes of all elements where one is wrong, and is empty otherwise.
    """

    values: list[T]
    indexes: Sequence[int]
    wrong: Mapping[int, MalformedError]
    items: Sequence[bytes]


def decode_readable(struct: type[T], data: bytes, elements_max: int) -> Readable[T]:
    """The values of a message that holds one JSON object or an array, of which wrong elements are left out.

    Raises MalformedError if the message is neither, or if the elements of an array with a wrong one cannot be
    separated, as when there are more than ``elements_max``.

    >>> Point = msgspec.defstruct("Point", [("x", int)])
    >>> readable = decode_readable(Point, b'[{"x": 1}, {"x": "2"}, {"x": 3}]', 10)
    >>> readable.values, readable.indexes, list(readable.wrong)
    ([Point(x=1), Point(x=3)], (0, 2), [1])
    """
    try:
        values = decode_one_or_many(struct, data)
    except MalformedError:
        if data[:1] != b"[":
            raise
    else:
        return Readable(values, range(len(values)), {}, ())
    from schemas.json_text.parts import decoded_apart  # NumPy is imported where an array has a wrong element

    apart = decoded_apart(data, decoder_of(struct).decode, elements_max)
    return Readable(list(apart.readable.values()), tuple(apart.readable), apart.wrong, apart.items)
