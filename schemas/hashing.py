"""The hash of an event id: the one source of sampling, so that a retry or a restart draws the same."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["event_hashes", "uniform_draws"]


def event_hashes(event_ids: Sequence[str], salt: int = 0) -> npt.NDArray[np.uint64]:
    """A well mixed 64-bit hash of each id: crc32, then splitmix64 (Steele, Lea & Flood 2014) with the salt."""
    hashes = np.array(list(map(zlib.crc32, map(str.encode, event_ids))), np.uint64)
    with np.errstate(over="ignore"):
        hashes = hashes + np.uint64(salt & 0xFFFF_FFFF_FFFF_FFFF) + np.uint64(0x9E37_79B9_7F4A_7C15)
        hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    mixed: npt.NDArray[np.uint64] = hashes ^ (hashes >> np.uint64(31))
    return mixed


def uniform_draws(event_ids: Sequence[str], salt: int) -> npt.NDArray[np.float64]:
    """One draw in [0, 1) for each id, the same for the same id and salt."""
    return (event_hashes(event_ids, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53
