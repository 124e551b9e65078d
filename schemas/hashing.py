"""Hashes of event ids: the only source of sampling, so that a retry or a restart draws the same events."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.id_words import FEW_IDS, ID_BYTES_MAX, IdTexts, WordBlock, encoded, id_words

__all__ = ["draws_of", "id_hashes", "mixed", "uniform_draws"]

Hashes = npt.NDArray[np.uint64]

MIXING: Final = (
    (np.uint64(30), np.uint64(0xBF58_476D_1CE4_E5B9)),
    (np.uint64(27), np.uint64(0x94D0_49BB_1331_11EB)),
)
LAST_SHIFT: Final = np.uint64(31)

TWO_BYTES: Final = np.int64(0xFFFF)
TWO_BYTES_BITS: Final = np.int64(16)
FOUR_BYTES: Final = np.uint64(0xFFFF_FFFF)
FOUR_BYTES_BITS: Final = np.uint64(32)


def id_hashes(event_ids: IdTexts) -> Hashes:
    """The crc32 of each id's UTF-8 as a 64-bit integer: the input of ``mixed`` and ``draws_of``.

    >>> id_hashes(["a"]).tolist() == id_hashes(pa.array(["a"])).tolist() == [zlib.crc32(b"a")]
    True
    """
    if not isinstance(event_ids, pa.Array):
        return np.fromiter(map(zlib.crc32, map(str.encode, event_ids)), np.uint64, len(event_ids))
    if len(event_ids) <= FEW_IDS:
        return np.fromiter(map(zlib.crc32, encoded(event_ids)), np.uint64, len(event_ids))
    words = id_words(event_ids)
    hashes = np.empty(len(event_ids), np.uint64)
    for block in words.blocks:
        hashes[block.rows] = _crc32(block)
    for row, data in words.long:
        hashes[row] = zlib.crc32(data)
    return hashes


def _crc32(block: WordBlock) -> npt.NDArray[np.uint32]:
    """The crc32 of ids by tables, four bytes at a time (Sarwate 1988; Kounavis & Berry 2005, "Slicing-by-8").

    Zeros before an id do not change a remainder that begins as 0. That it begins as another number, and is inverted at
    the end, adds what depends on the length alone: the crc32 of so many zeros.
    """
    by_low, by_high, of_zeros = _tables()
    remainders = np.zeros(block.words.shape[1], np.uint32)
    for word in block.words:
        for four_bytes in (word & FOUR_BYTES, word >> FOUR_BYTES_BITS):
            at = (four_bytes ^ remainders).view(np.int64)
            remainders = by_low.take(at & TWO_BYTES) ^ by_high.take(at >> TWO_BYTES_BITS)
    remainders ^= of_zeros.take(block.lengths)
    return remainders


@functools.cache
def _tables() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Remainders of two bytes with two behind them, and of two at the end; the crc32 of 0 to 800 zeros."""
    of_byte = np.array([zlib.crc32(bytes([byte])) ^ zlib.crc32(b"\0") for byte in range(256)], np.uint32)
    remainders = np.arange(1 << 16, dtype=np.uint32)
    tables = []
    for _ in range(2):
        for _byte in range(2):
            remainders = of_byte[remainders & np.uint32(0xFF)] ^ (remainders >> np.uint32(8))
        tables.append(remainders)
    of_zeros = np.array([zlib.crc32(bytes(length)) for length in range(ID_BYTES_MAX + 1)], np.uint32)
    return tables[1], tables[0], of_zeros


def mixed(hashes: Hashes, salt: int) -> Hashes:
    """A well mixed 64-bit hash of each of ``id_hashes``: splitmix64 (Steele, Lea & Flood 2014) with the salt."""
    values: Hashes = hashes + np.uint64((salt + 0x9E37_79B9_7F4A_7C15) & 0xFFFF_FFFF_FFFF_FFFF)
    for shift, factor in MIXING:
        values ^= values >> shift
        values *= factor
    values ^= values >> LAST_SHIFT
    return values


def draws_of(hashes: Hashes, salt: int) -> npt.NDArray[np.float64]:
    """One draw in [0, 1) for each of ``id_hashes``, the same for the same id and salt."""
    draws = (mixed(hashes, salt) >> np.uint64(11)).astype(np.float64)
    draws *= 2.0**-53
    return draws


def uniform_draws(event_ids: Sequence[str], salt: int) -> npt.NDArray[np.float64]:
    """One draw in [0, 1) for each id, the same for the same id and salt.

    >>> uniform_draws(["a", "b"], salt=7).round(3).tolist()
    [0.261, 0.311]
    """
    return draws_of(id_hashes(event_ids), salt)
