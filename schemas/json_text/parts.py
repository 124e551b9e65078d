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

from schemas.json_text.errors import UNREADABLE, MalformedError

__all__ = ["Apart", "decoded_apart", "elements_apart", "members_apart", "raw_items"]

QUOTE: Final = ord('"')
COMMA: Final = ord(",")
BLANKS: Final = b" \t\r\n"
BYTES_AT_ONCE: Final = 256 * 1024
"""Bytes looked at together, so that memory does not grow with the message."""

_steps: Final = np.zeros(256, np.int8)
_steps[list(b"[{")] = 1
_steps[list(b"]}")] = -1
_NAME: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"[ \t\r\n]*:', re.DOTALL)

T = TypeVar("T")

_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


def elements_apart(data: bytes, elements_max: int) -> list[bytes] | None:
    """The elements of an array, each without blanks around it, whatever is wrong within one.

    None if they cannot be separated: the data is no array from its first byte to its last, brackets do not match, a
    text never ends, or there are more than ``elements_max``. An element is empty where two commas have nothing between.

    >>> elements_apart(b'[{"a": NaN}, "]", [1, 2]]', 10)
    [b'{"a": NaN}', b'"]"', b'[1, 2]']
    >>> elements_apart(b'["a, 2]', 10) is elements_apart(b"[1] [2]", 10) is None
    True
    """
    return _parts(data, elements_max) if data[:1] == b"[" and data[-1:] == b"]" else None


def members_apart(data: bytes, members_max: int) -> list[tuple[bytes, bytes]] | None:
    r"""The members of an object in order: each name as it is written between its quotes, and each value.

    None if they cannot be separated, for the reasons of ``elements_apart`` or because a name is missing.

    >>> members_apart(b'{"a": [NaN, 1], "b": "\\q"}', 10)
    [(b'a', b'[NaN, 1]'), (b'b', b'"\\q"')]
    """
    parts = _parts(data, members_max) if data[:1] == b"{" and data[-1:] == b"}" else None
    if parts is None:
        return None
    members = []
    for part in parts:
        name = _NAME.match(part)
        if name is None:
            return None
        members.append((name.group(1), part[name.end() :].strip(BLANKS)))
    return members


def raw_items(data: bytes, items_max: int) -> list[bytes]:
    """The bytes of each element of a JSON array, even if some elements are no JSON.

    Raises one of ``UNREADABLE`` if the elements cannot be separated, or if the array does not decode as a whole and has
    more than ``items_max`` elements.
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
    """The elements of an array: the bytes of all, and by index those that were readable and those that were not."""

    items: list[bytes]
    readable: dict[int, T]
    wrong: dict[int, MalformedError]


def decoded_apart(data: bytes, decode: Callable[[bytes], T], items_max: int) -> Apart[T]:
    """Decode each element of a JSON array alone; ``decode`` raises one of ``UNREADABLE`` for a wrong one.

    Raises MalformedError if the elements cannot be separated.
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
    """Positions of the commas between parts; None if the brackets at both ends do not enclose all the rest."""
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
