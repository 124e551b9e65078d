"""JSON that cannot be used: the error, and what a decoder raises for it."""

from __future__ import annotations

import re

import msgspec

from schemas.json_text.reasons import reason_of
from schemas.texts.visible import printable

__all__ = ["UNREADABLE", "MalformedError"]

_PATH = re.compile(r"(?:at|in) `\$([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the expected JSON; RecursionError if they nest too deeply."""


class MalformedError(ValueError):
    """Bytes that cannot be used: ``reason`` says what is wrong and what would be right, ``field`` is the JSON path.

    If no ``field`` is given, it is the path that the reason names, empty if it names none. Both are ``printable``,
    whatever names they quote.
    """

    def __init__(self, reason: str, field: str | None = None) -> None:
        self.reason = printable(reason)
        self.field = _field_of(self.reason) if field is None else printable(field)
        super().__init__(self.reason)

    @classmethod
    def of(cls, error: Exception, data: bytes) -> MalformedError:
        """What is wrong with JSON for which a decoder raised ``error``, one of ``UNREADABLE``."""
        return cls(reason_of(error, data))


def _field_of(reason: str) -> str:
    path, missing = _PATH.search(reason), _MISSING.search(reason)
    start = path.group(1) if path else ""
    if missing:
        return f"${start}.{missing.group(1)}"
    return f"${start}" if path else ""
