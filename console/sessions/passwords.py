"""Passwords: which are accepted, and their argon2id hashes (RFC 9106), made and checked away from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import secrets
from collections.abc import Collection
from typing import Any, Final

import argon2
from argon2.exceptions import VerificationError

__all__ = ["PASSWORD_CHARS_MAX", "PASSWORD_CHARS_MIN", "hash_password", "problem_of", "verify", "verify_in_thread"]

PASSWORD_CHARS_MIN: Final = 12
PASSWORD_CHARS_MAX: Final = 200
GUESSES_MIN: Final = 10**8
"""Guesses that a password must withstand, by zxcvbn's estimate: its "safely unguessable"."""
OWN_CHARS_MIN: Final = 6
"""Letters and digits that a password must have besides the names of the person and of the program."""
EXPECTED: Final = "expected for example four words with nothing in common"
GUESSED_CHARS_MAX: Final = 72
"""The beginning of a password that zxcvbn estimates: its time grows faster than the length."""
MEMORY_KIB_MAX: Final = 1024 * 1024
TIME_COST_MAX: Final = 100
PARALLELISM_MAX: Final = 64
"""Bounds of what a hash may cost to check. A hash that costs more is refused, or it would delay all sign-ins."""

_hasher = argon2.PasswordHasher()  # the library's default is RFC 9106's profile for 64 MiB of memory


def hash_password(password: str, *, about: Collection[str] = ()) -> str:
    """The argon2id hash of a password, with salt and parameters; takes tens of milliseconds.

    ``about`` are words that are easy to guess: the person's id and name. Raises ValueError, whose text says what is
    wrong, for a password that is not accepted (``problem_of``).
    """
    problem = problem_of(password, about=about)
    if problem:
        raise ValueError(f"password: {problem}")
    return _hasher.hash(password)


def problem_of(password: str, *, about: Collection[str] = ()) -> str:
    """Why a password is not accepted; empty if it is.

    As in NIST SP 800-63B, it must be long enough and must not be easy to guess; it need not mix kinds of characters.

    >>> problem_of("password1234")
    'too easy to guess (a common password, or much like one); expected for example four words with nothing in common'
    """
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        return f"has {len(password)} characters, expected {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX}"
    try:
        password.encode()
    except UnicodeEncodeError:
        return "has a lone surrogate, which is not a character; expected text"
    from zxcvbn import zxcvbn  # half a second to import, and needed only to set a password

    words = [word for text in (*about, "watchloop") for word in (text, *re.split(r"[\W_]+", text)) if word]
    rest = password.casefold()
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word.casefold(), "")
    if sum(map(str.isalnum, rest)) < OWN_CHARS_MIN:
        return f"is little more than the name of the person or of the program; {EXPECTED}"
    result: dict[str, Any] = zxcvbn(password[:GUESSED_CHARS_MAX], user_inputs=words, max_length=GUESSED_CHARS_MAX)
    if result["guesses"] >= GUESSES_MIN:
        return ""
    warning = str((result.get("feedback") or {}).get("warning") or "").rstrip(".")
    reason = REASONS.get(warning, warning[:1].lower() + warning[1:]) or "too few guesses find it"
    return f"too easy to guess ({reason}); {EXPECTED}"


REASONS: Final = dict.fromkeys(
    (
        "This is a top-10 common password",
        "This is a top-100 common password",
        "This is a very common password",
        "This is similar to a commonly used password",
    ),
    "a common password, or much like one",
)


def verify(password_hash: str | None, password: str) -> bool:
    """Whether this password has this hash.

    None stands for an unknown person: the check takes as long and returns False. It also returns False for a hash that
    is malformed or costs too much to check, and for a password that is too long.
    """
    if len(password) > PASSWORD_CHARS_MAX:
        return False
    usable = password_hash is not None and is_affordable(password_hash)
    with contextlib.suppress(VerificationError, ValueError):
        return _hasher.verify(password_hash if usable and password_hash else hash_of_nobody(), password) and usable
    return False


def is_affordable(password_hash: str) -> bool:
    """Whether a hash is well formed and costs no more memory and time to check than the bounds allow."""
    try:
        parameters = argon2.extract_parameters(password_hash)
    except ValueError:
        return False
    return (
        parameters.memory_cost <= MEMORY_KIB_MAX
        and parameters.time_cost <= TIME_COST_MAX
        and parameters.parallelism <= PARALLELISM_MAX
    )


async def verify_in_thread(
    password_hash: str | None, password: str, *, turns: contextlib.AbstractAsyncContextManager[None]
) -> bool:
    """``verify`` in a thread, once ``turns`` lets it in."""
    async with turns:
        return await asyncio.to_thread(verify, password_hash, password)


@functools.cache
def hash_of_nobody() -> str:
    """The hash of a random password that nobody knows."""
    return _hasher.hash(secrets.token_hex())
