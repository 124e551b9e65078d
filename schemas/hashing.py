"""Hashes of event ids: the only source of sampling, so that a retry or a restart draws the same events."""

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
    """The crc32 of each id as a 64-bit integer: the input of ``mixed`` and ``draws_of``."""
    return np.fromiter(map(zlib.crc32, map(str.encode, event_ids)), np.uint64, len(event_ids))


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
