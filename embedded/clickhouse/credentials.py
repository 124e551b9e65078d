"""Users and passwords of the embedded ClickHouse. The server keeps digests, from which no password can be read."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import Final

__all__ = ["Credentials", "environment_kept", "read_passwords"]

KEPT: Final = frozenset(
    {
        "HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED",
        "PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED", "TMPDIR", "TZ", "VIRTUAL_ENV",
    }
)  # fmt: skip
"""Variables that the server needs from its environment, beside those of the locale (LC_…)."""


class Credentials:
    """Salted digests of passwords; each process draws a salt of its own, which never leaves it.

    The program makes passwords of 128 bits and more, so a fast digest is enough. A password that a person writes into
    ``secrets.json`` should be as long.
    """

    def __init__(self, passwords: Mapping[str, str], salt: bytes | None = None) -> None:
        self._salt = os.urandom(32) if salt is None else salt
        self._digests = {user: self._digest(password) for user, password in passwords.items()}
        self._nobody = os.urandom(32)

    def matches(self, user: str, password: str) -> bool:
        """Whether this is the user's password; takes as long for a user that does not exist."""
        return hmac.compare_digest(self._digests.get(user, self._nobody), self._digest(password))

    def _digest(self, password: str) -> bytes:
        return hashlib.blake2b(password.encode("utf-8", "surrogateescape"), key=self._salt, digest_size=32).digest()


def read_passwords(text: str, users: tuple[str, ...]) -> dict[str, str]:
    """The passwords of ``users``, from a JSON object; raises ValueError, whose text says what is expected.

    >>> read_passwords('{"watchloop": "w", "analyst": "a"}', ("watchloop", "analyst"))
    {'watchloop': 'w', 'analyst': 'a'}
    """
    expected = "expected JSON like {" + ", ".join(f'"{user}": PASSWORD' for user in users) + "}"
    try:
        passwords = json.loads(text)
        return {user: str(passwords[user]) for user in users}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{expected} ({type(error).__name__})") from None


def environment_kept(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of the environment that the server keeps, without passwords, tokens and keys of the program.

    >>> environment_kept({"PATH": "/bin", "LC_ALL": "C", "WATCHLOOP_CONSOLE_SECRET": "s"})
    {'PATH': '/bin', 'LC_ALL': 'C'}
    """
    return {name: value for name, value in environment.items() if name in KEPT or name.startswith("LC_")}
