"""The bytes of event ids as rows of 64-bit words, so that hashes of many ids are arithmetic on arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["FEW_IDS", "ID_BYTES_MAX", "IdTexts", "IdWords", "WordBlock", "encoded", "id_words"]

IdTexts: TypeAlias = Sequence[str] | pa.StringArray | pa.LargeStringArray
"""Event ids as JSON gives them, or as a column of an Arrow message does, without nulls."""

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

WORD_BYTES: Final = 8

ID_BYTES_MAX: Final = 800
"""Bytes of the longest event id: 200 characters of UTF-8. Longer texts are in no block."""

BLOCK_WORDS_MAX: Final = 65_536
"""Words of one block, half a MiB: whatever the mixture of lengths, the working arrays stay in the processor's cache."""

FEW_IDS: Final = 256
"""So many ids are padded one by one, which takes less than the fixed work on arrays."""

LAST_BYTES: Final = np.array([(1 << 64) - (1 << 8 * (WORD_BYTES - kept)) for kept in range(WORD_BYTES + 1)], np.uint64)
"""Masks that keep the last 0 to 8 bytes of a little-endian word."""


class WordBlock(NamedTuple):
    """m ids as little-endian words, shape (w, m): an id's last byte is its last word's, zeros stand before its first.

    ``rows`` says which ids they are, ``lengths`` how many bytes each has.
    """

    rows: slice | Ints
    words: Words
    lengths: Ints


class IdWords(NamedTuple):
    """Ids as words, block by block, and apart from them each id of more than ``ID_BYTES_MAX`` bytes with its index."""

    blocks: Iterable[WordBlock]
    long: Sequence[tuple[int, bytes]]


def id_words(ids: IdTexts) -> IdWords:
    """The words of ids. Raises ValueError if an id is null, UnicodeEncodeError if one is no Unicode text.

    Ids of about one length are in blocks in their order. Others are put together by length, so that one long id makes
    no long row of a short one: there are at most twice as many words as the ids have, and one for each id.

    >>> words, lengths = next(iter(id_words(["a", "né"]).blocks))[1:]
    >>> [word.tobytes().lstrip(bytes(1)) for word in words[0]], lengths.tolist()
    ([b'a', b'n\\xc3\\xa9'], [1, 3])
    """
    if len(ids) <= FEW_IDS:
        return _of_few(encoded(ids))
    return _of_buffers(*(_arrow_buffers(ids) if isinstance(ids, pa.Array) else _joined(ids)))


def encoded(ids: IdTexts) -> list[bytes]:
    """The UTF-8 of each id. Raises ValueError if one is null, UnicodeEncodeError if one is no Unicode text.

    >>> encoded(["a"]) == encoded(pa.array(["a"])) == [b"a"]
    True
    """
    if not isinstance(ids, pa.Array):
        return [text.encode() for text in ids]
    _require_no_null(ids)
    values: list[bytes] = ids.view(pa.large_binary() if pa.types.is_large_string(ids.type) else pa.binary()).to_pylist()
    return values


def _require_no_null(ids: Any) -> None:
    if ids.null_count:
        raise ValueError("an event id is null")


def _of_few(few: Sequence[bytes]) -> IdWords:
    lengths = np.fromiter(map(len, few), np.int64, len(few))
    longest = int(lengths.max(initial=1))
    if longest > ID_BYTES_MAX:
        return _of_buffers(np.frombuffer(b"".join(few), np.uint8), _bounds(lengths))
    row_bytes = _width(longest) * WORD_BYTES
    padded = b"".join([data.rjust(row_bytes, b"\0") for data in few])
    words = np.frombuffer(padded, "<u8").reshape(len(few), row_bytes // WORD_BYTES)
    return IdWords((WordBlock(slice(None), words.T, lengths),), ())


def _arrow_buffers(ids: Any) -> tuple[Bytes, Ints]:
    """The bytes of all ids, and where each begins and ends in them."""
    _require_no_null(ids)
    _, bounds_buffer, data_buffer = ids.buffers()
    offset_type = np.int64 if pa.types.is_large_string(ids.type) else np.int32
    bounds = np.frombuffer(bounds_buffer, offset_type)[ids.offset : ids.offset + len(ids) + 1].astype(np.int64)
    data = np.zeros(0, np.uint8) if data_buffer is None else np.frombuffer(data_buffer, np.uint8)
    return data[bounds[0] : bounds[-1]], bounds - bounds[0]


def _joined(ids: Sequence[str]) -> tuple[Bytes, Ints]:
    joined = "".join(ids)
    if joined.isascii():
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        return np.frombuffer(joined.encode("ascii"), np.uint8), _bounds(lengths)
    texts = encoded(ids)
    lengths = np.fromiter(map(len, texts), np.int64, len(ids))
    return np.frombuffer(b"".join(texts), np.uint8), _bounds(lengths)


def _bounds(lengths: Ints) -> Ints:
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return bounds


def _of_buffers(data: Bytes, bounds: Ints) -> IdWords:
    lengths = bounds[1:] - bounds[:-1]
    longest = int(lengths.max())
    if 0 < longest <= ID_BYTES_MAX and longest * len(lengths) == len(data):
        return IdWords(_equal_blocks(data.reshape(-1, longest), lengths), ())
    too_long = np.flatnonzero(lengths > ID_BYTES_MAX).tolist() if longest > ID_BYTES_MAX else []
    long = [(row, data[bounds[row] : bounds[row + 1]].tobytes()) for row in too_long]
    return IdWords(_ragged_blocks(data, bounds[1:], lengths), long)


def _width(length: int) -> int:
    """Words that hold so many bytes, of which there is at least one."""
    return -(-length // WORD_BYTES)


def _equal_blocks(data: Bytes, lengths: Ints) -> Iterator[WordBlock]:
    """Ids of one length are a matrix of bytes already."""
    count, length = data.shape
    width = _width(length)
    at_once = BLOCK_WORDS_MAX // width
    for begin in range(0, count, at_once):
        rows = slice(begin, min(begin + at_once, count))
        padded = np.zeros((rows.stop - begin, width * WORD_BYTES), np.uint8)
        padded[:, -length:] = data[rows]
        yield WordBlock(rows, padded.view("<u8").T, lengths[rows])


def _ragged_blocks(data: Bytes, ends: Ints, lengths: Ints) -> Iterator[WordBlock]:
    """Words are loaded backwards from where an id ends; bytes of the id before it are masked."""
    padded = np.zeros(len(data) + WORD_BYTES, np.uint8)
    padded[WORD_BYTES:] = data
    # Word b is the eight bytes before byte b, of whatever ids, so that none lies outside of the array.
    words_before = np.lib.stride_tricks.as_strided(padded[:WORD_BYTES].view("<u8"), (len(data) + 1,), (1,))
    for rows, width in _rows_by_width(lengths):
        at_once = BLOCK_WORDS_MAX // width
        for begin in range(0, len(rows), at_once):
            some = rows[begin : begin + at_once]
            yield WordBlock(some, _words_of(words_before, ends[some], lengths[some], width), lengths[some])


def _words_of(words_before: Words, ends: Ints, lengths: Ints, width: int) -> Words:
    words = np.empty((width, len(ends)), np.uint64)
    left = lengths.copy()
    for word in reversed(words):
        # Clipped, the bytes that are left are between 0 and 8.
        np.bitwise_and(words_before[ends], LAST_BYTES.take(left, mode="clip"), out=word)
        np.maximum(ends - WORD_BYTES, 0, out=ends)
        left -= WORD_BYTES
    return words


def _rows_by_width(lengths: Ints) -> Iterator[tuple[Ints, int]]:
    """Ids in groups, each with the words that its longest needs; ids of about one length are one group."""
    rows = np.flatnonzero(lengths <= ID_BYTES_MAX)
    widths = np.maximum(1, -(-lengths[rows] // WORD_BYTES))
    widest = int(widths.max(initial=1))
    if widest * len(rows) <= 2 * int(widths.sum()):
        yield rows, widest
        return
    classes = np.ceil(np.log2(widths))
    for number in np.unique(classes):
        chosen = classes == number
        yield rows[chosen], int(widths[chosen].max())
