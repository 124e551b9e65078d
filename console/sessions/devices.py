"""Devices: browsers that a person has signed in with, known by a signed cookie.

This follows OWASP's device cookies ("Slow Down Online Guessing Attacks with Device Cookies"). Such a browser has an
allowance of wrong passwords of its own; somebody who guesses from elsewhere uses up the allowance of strangers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

import msgspec

__all__ = ["DEVICE_SECONDS_MAX", "Device", "Devices"]

DEVICE_SECONDS_MAX: Final = 180 * 86_400
"""How long a browser is known after its latest sign-in."""

_VALUE: Final = re.compile(
    r"(?P<device>[0-9a-f]{32})\.(?P<since>[0-9]{1,15})\.(?P<person>[0-9a-f]{32})\.(?P<mac>[0-9a-f]{64})"
)


class Device(msgspec.Struct, frozen=True):
    """A browser: its id, and the mark of the person who last signed in with it."""

    device_id: str
    person_mark: str


class Devices:
    """Makes and reads the cookies of browsers, which ``key`` signs (HMAC-SHA256). Times are epoch milliseconds."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def cookie_of(self, person_id: str, now_ms: int) -> str:
        """A cookie for the browser with which this person has just signed in."""
        content = f"{secrets.token_hex(16)}.{now_ms}.{self.mark_of(person_id)}"
        return f"{content}.{self._mac(content)}"

    def read(self, cookie: str, now_ms: int) -> Device | None:
        """The browser of a cookie that was made here and is not too old; None for any other cookie."""
        match = _VALUE.fullmatch(cookie)
        if match is None or not hmac.compare_digest(match["mac"], self._mac(cookie.rpartition(".")[0])):
            return None
        if now_ms - int(match["since"]) > DEVICE_SECONDS_MAX * 1_000:
            return None
        return Device(match["device"], match["person"])

    def mark_of(self, person_id: str) -> str:
        """A keyed hash of a person's id, so that a cookie does not reveal whose it is."""
        return self._mac(f"person {person_id}")[:32]

    def _mac(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
