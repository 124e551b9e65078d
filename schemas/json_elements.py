"""The elements of a JSON array, each alone: what is wrong with one costs no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from schemas.codec import UNREADABLE, MalformedError, reason_of
from schemas.json_parts import elements_apart

__all__ = ["each_decoded", "raw_items"]

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


def each_decoded(
    data: bytes, decode: Callable[[bytes], T], items_max: int
) -> Iterator[tuple[bytes, T | MalformedError]]:
    """Of each element its bytes, and what ``decode`` makes of them or what is wrong with it.

    Raises MalformedError, before it gives any, where elements cannot be told apart; ``decode`` raises what decoders do.
    """
    try:
        items = raw_items(data, items_max)
    except UNREADABLE as error:
        raise MalformedError(reason_of(error, data)) from error
    for item in items:
        try:
            yield item, decode(item)
        except UNREADABLE as error:
            yield item, MalformedError(reason_of(error, item))
