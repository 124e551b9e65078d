"""Parts of a JSON array or object that does not decode as a whole, found by quotes, escapes and depth alone.

What is wrong with one element of an array costs no other.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec
import numpy as np

from schemas.codec import UNREADABLE, MalformedError

__all__ = ["Apart", "decoded_apart", "elements_apart", "members_apart", "raw_items"]

QUOTE: Final = ord('"')
COMMA: Final = ord(",")
BLANKS: Final = b" \t\r\n"
BYTES_AT_ONCE: Final = 256 * 1024
"""Looked at together, so that memory does not grow with the message."""

_steps: Final = np.zeros(256, np.int8)
_steps[list(b"[{")] = 1
_steps[list(b"]}")] = -1
_NAME: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"[ \t\r\n]*:', re.DOTALL)

T = TypeVar("T")

_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


def elements_apart(data: bytes, elements_max: int) -> list[bytes] | None:
    """The elements of an array, each without blanks around it, whatever is wrong within one.

    None where they cannot be told apart: what is no array from its first byte to its last, brackets that do not add up,
    a text that never ends, more than ``elements_max``. An element may be empty: nothing stands between two commas.

    >>> elements_apart(b'[{"a": NaN}, "]", [1, 2]]', 10)
    [b'{"a": NaN}', b'"]"', b'[1, 2]']
    >>> elements_apart(b'["a, 2]', 10) is elements_apart(b"[1] [2]", 10) is None
    True
    """
    return _parts(data, elements_max) if data[:1] == b"[" and data[-1:] == b"]" else None


def members_apart(data: bytes, members_max: int) -> list[tuple[bytes, bytes]] | None:
    r"""The members of an object in order: of each its name as it is written between the quotes, and its value.

    None where they cannot be told apart, for the same reasons or because a name is missing.

    >>> members_apart(b'{"a": [NaN, 1], "b": "\\q"}', 10)
    [(b'a', b'[NaN, 1]'), (b'b', b'"\\q"')]
    """
    parts = _parts(data, members_max) if data[:1] == b"{" and data[-1:] == b"}" else None
    if parts is None:
        return None
    found = []
    for part in parts:
        name = _NAME.match(part)
        if name is None:
            return None
        found.append((name.group(1), part[name.end() :].strip(BLANKS)))
    return found


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
        raise MalformedError.of(error, data) from error
    for index, item in enumerate(apart.items):
        try:
            apart.readable[index] = decode(item)
        except UNREADABLE as error:
            apart.wrong[index] = MalformedError.of(error, item)
    return apart


def _parts(data: bytes, parts_max: int) -> list[bytes] | None:
    cuts = _cuts(data, parts_max)
    if cuts is None:
        return None
    last = len(data) - 1
    parts = [data[begin + 1 : end].strip(BLANKS) for begin, end in zip([0, *cuts], [*cuts, last], strict=True)]
    return [] if parts == [b""] else parts


def _cuts(data: bytes, parts_max: int) -> list[int] | None:
    """Where the commas stand between the parts; None where the outer brackets are not those at both ends."""
    plain = data.replace(rb"\\", b"  ").replace(rb"\"", b"  ") if b"\\" in data else data
    cuts: list[int] = []
    depth, quoted, last = 0, 0, len(data) - 1
    for start in range(0, len(plain), BYTES_AT_ONCE):
        codes = np.frombuffer(plain, np.uint8, min(BYTES_AT_ONCE, len(plain) - start), start)
        is_quoted = (np.cumsum(codes == QUOTE) + quoted) & 1
        depths = np.cumsum(np.where(is_quoted, 0, _steps[codes])) + depth
        closed = np.flatnonzero(depths <= 0)
        if closed.size and start + closed[0] != last:
            return None
        commas = np.flatnonzero((codes == COMMA) & (is_quoted == 0) & (depths == 1))
        if len(cuts) + commas.size >= parts_max:
            return None
        cuts += (commas + start).tolist()
        depth, quoted = int(depths[-1]), int(is_quoted[-1])
    return cuts if depth == 0 and quoted == 0 else None
