"""Identities of events: a keyed 64-bit hash of model and event id, by which an event that comes again is recognised.

Whoever could make the identities of two events equal would have one taken for a retry of the other, so that it gets no
verdict. Therefore each process draws its hash at random from a family that is strongly universal: multilinear hashing
of 32-bit characters with 64-bit keys, the high halves of two sums (Lemire & Kaser 2014, "Strongly universal string
hashing is fast"). Two different events, chosen by somebody who does not know the keys, have one identity with a
probability of 2**-64, whatever they are. Identities never leave the process, so nobody learns of the keys from them.
"""

from __future__ import annotations

import functools
import hashlib
import os
from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.hashing import mixed
from schemas.id_words import ID_BYTES_MAX, IdTexts, WordBlock, id_words

__all__ = ["identities", "model_salt"]

Identities = npt.NDArray[np.uint64]

CHARACTERS_MAX: Final = ID_BYTES_MAX // 4
HIGH_HALF: Final = np.uint64(0xFFFF_FFFF_0000_0000)
LOW_HALF: Final = np.uint64(0xFFFF_FFFF)
HALF_BITS: Final = np.uint64(32)

SECRET: Final = os.urandom(32)
"""The key of models' salts, and of the identities of ids that are longer than ``ID_BYTES_MAX``."""

KEYS: Final = np.frombuffer(os.urandom((CHARACTERS_MAX + 1) * 2 * 8), np.uint64).reshape(2, -1)
"""Two keys for each character of an id, the last character's last, and for the id's length, whose keys are the first.

The length is hashed as a character is: an id is not another with zeros before it.
"""

FIRST_KEYS: Final = np.frombuffer(os.urandom(2 * 8), np.uint64).reshape(2, 1)
"""What is added to each sum."""


def model_salt(model: str) -> int:
    """A secret 64-bit number of a model, the same as long as the process runs.

    It is a keyed BLAKE2b (RFC 7693): two models have the same one with a probability of 2**-64.
    """
    return _keyed(model.encode(), b"model")


def identities(ids: IdTexts, model_salts: int | Identities) -> Identities:
    """The identity of each event, shape (n,), from its id and its model's ``model_salt``: one, or one for each event.

    An id has the same identity as a str and in an Arrow array. Raises ValueError if an id is null.

    >>> salt = model_salt("churn")
    >>> bool(identities(["a"], salt)[0] == identities(["b", "a"], salt)[1])
    True
    """
    words = id_words(ids)
    values = np.empty(len(ids), np.uint64)
    for block in words.blocks:
        values[block.rows] = _multilinear(block)
    for row, data in words.long:
        values[row] = _keyed(data, b"id")
    values += np.uint64(model_salts) if isinstance(model_salts, int) else model_salts
    # A bijection, which makes no two alike; but sequential ids, which a linear hash would put in a row, are scattered.
    return mixed(values, 0)


def _multilinear(block: WordBlock) -> Identities:
    width, count = block.words.shape
    characters = np.empty((2 * width + 1, count), np.uint64)
    characters[0] = block.lengths
    np.bitwise_and(block.words, LOW_HALF, out=characters[1::2])
    np.right_shift(block.words, HALF_BITS, out=characters[2::2])
    # Of integers, numpy has no fast product of matrices; this takes two thirds of its time.
    sums = np.einsum("ij,jk->ik", _keys(2 * width), characters)
    sums += FIRST_KEYS
    high: Identities = (sums[0] & HIGH_HALF) | (sums[1] >> HALF_BITS)
    return high


@functools.cache
def _keys(characters: int) -> Identities:
    """The keys of the length and of so many characters."""
    return np.concatenate([KEYS[:, :1], KEYS[:, -characters:]], axis=1)


def _keyed(data: bytes, purpose: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=SECRET, person=purpose).digest(), "little")
