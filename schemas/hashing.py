"""The hash of an event id: the one source of sampling, so that a retry or a restart draws the same."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["draws_of", "id_hashes", "mixed", "uniform_draws"]

Hashes = npt.NDArray[np.uint64]

MIXING: Final = (
    (np.uint64(30), np.uint64(0xBF58_476D_1CE4_E5B9)),
    (np.uint64(27), np.uint64(0x94D0_49BB_1331_11EB)),
)
LAST_SHIFT: Final = np.uint64(31)


def id_hashes(event_ids: Sequence[str]) -> Hashes:
    """The crc32 of each id, in 64 bits: what ``mixed`` makes a hash of."""
    return np.fromiter(map(zlib.crc32, map(str.encode, event_ids)), np.uint64, len(event_ids))


def mixed(hashes: Hashes, salt: int) -> Hashes:
    """A well mixed 64-bit hash of each: splitmix64 (Steele, Lea & Flood 2014) with the salt."""
    found: Hashes = hashes + np.uint64((salt + 0x9E37_79B9_7F4A_7C15) & 0xFFFF_FFFF_FFFF_FFFF)
    for shift, factor in MIXING:
        found ^= found >> shift
        found *= factor
    found ^= found >> LAST_SHIFT
    return found


def draws_of(hashes: Hashes, salt: int) -> npt.NDArray[np.float64]:
    """One draw in [0, 1) for each of ``id_hashes``, the same for the same id and salt."""
    draws = (mixed(hashes, salt) >> np.uint64(11)).astype(np.float64)
    draws *= 2.0**-53
    return draws


def uniform_draws(event_ids: Sequence[str], salt: int) -> npt.NDArray[np.float64]:
    """One draw in [0, 1) for each id, the same for the same id and salt."""
    return draws_of(id_hashes(event_ids), salt)
