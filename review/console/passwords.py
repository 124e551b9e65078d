"""Passwords: argon2id hashes (RFC 9106), made and checked away from the event loop."""

from __future__ import annotations

import asyncio
import functools
import secrets

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

__all__ = ["PASSWORD_CHARS_MAX", "PASSWORD_CHARS_MIN", "hash_password", "verify", "verify_in_thread"]

PASSWORD_CHARS_MIN = 8
PASSWORD_CHARS_MAX = 200

_hasher = argon2.PasswordHasher()  # the library's default is RFC 9106's profile for 64 MiB of memory


def hash_password(password: str) -> str:
    """The argon2id hash of a password, salt and parameters included; takes tens of milliseconds.

    Raises ValueError for one that is shorter than ``PASSWORD_CHARS_MIN`` or longer than ``PASSWORD_CHARS_MAX``.
    """
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        message = f"password: has {len(password)} characters, expected {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX}"
        raise ValueError(message)
    return _hasher.hash(password)


def verify(password_hash: str | None, password: str) -> bool:
    """Whether this password has this hash; None, for an unknown person, takes as long and is always False.

    A hash that cannot be read, or a password past the limit, is False too.
    """
    if len(password) > PASSWORD_CHARS_MAX:
        return False
    try:
        return _hasher.verify(password_hash or hash_of_nobody(), password) and password_hash is not None
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


async def verify_in_thread(password_hash: str | None, password: str, *, turns: asyncio.Semaphore) -> bool:
    """``verify`` in a thread, as many at the same time as there are turns."""
    async with turns:
        return await asyncio.to_thread(verify, password_hash, password)


@functools.cache
def hash_of_nobody() -> str:
    """A hash of a password that nobody knows."""
    return _hasher.hash(secrets.token_hex())
