"""The elements of a JSON array, each alone: what is wrong with one costs no other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from schemas.codec import UNREADABLE, MalformedError, reason_of
from schemas.json_text.parts import elements_apart

__all__ = ["Apart", "decoded_apart", "raw_items"]

T = TypeVar("T")

_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


def raw_items(data: bytes, items_max: int) -> list[bytes]:
    """The elements of a JSON array, also of one in which some are no JSON; raises what decoders raise where they cannot
    be told apart, or where there are more than ``items_max`` of the latter kind.
    """
    try:
        return list(map(bytes, _items.decode(data)))
    except UNREADABLE:
        items = elements_apart(data, items_max)
        if items is None:
            raise
        return items


@dataclasses.dataclass(frozen=True, slots=True)
class Apart(Generic[T]):
    """The elements of an array by their places in it, from 0: ``items`` has the bytes of all."""

    items: list[bytes]
    readable: dict[int, T]
    wrong: dict[int, MalformedError]


def decoded_apart(data: bytes, decode: Callable[[bytes], T], items_max: int) -> Apart[T]:
    """Each element alone: what ``decode`` makes of it, or what is wrong with it.

    Raises MalformedError where elements cannot be told apart; ``decode`` raises what decoders do.
    """
    try:
        apart: Apart[T] = Apart(raw_items(data, items_max), {}, {})
    except UNREADABLE as error:
        raise MalformedError(reason_of(error, data)) from error
    for index, item in enumerate(apart.items):
        try:
            apart.readable[index] = decode(item)
        except UNREADABLE as error:
            apart.wrong[index] = MalformedError(reason_of(error, item))
    return apart
