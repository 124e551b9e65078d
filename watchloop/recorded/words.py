"""Names and values of a table in messages: printable, short, and only the first few of many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from schemas.texts.visible import printable

__all__ = ["REASON_CHARS_MAX", "listed", "quoted"]

VALUE_CHARS_MAX = 60
REASON_CHARS_MAX = 300
LISTED_MAX = 12


def quoted(value: Any, most: int = VALUE_CHARS_MAX) -> str:
    """A value as a message shows it: its first ``most`` characters, a text in quotes.

    >>> quoted("a\\x1b[31mb"), quoted(3.5), len(quoted("x" * 1_000))
    ("'a\\\\x1b[31mb'", '3.5', 63)
    """
    if isinstance(value, str):
        short = value if len(value) <= most else value[:most] + "…"
        return f"'{printable(short)}'"
    text = printable(str(value))
    return text if len(text) <= most else text[:most] + "…"


def listed(names: Iterable[str], *, most: int = LISTED_MAX) -> str:
    """The first ``most`` names, with commas; a name that is empty, or that begins or ends with a blank, has quotes.

    >>> listed(["a", " b", ""]), listed(map(str, range(20)), most=3)
    ("a, ' b', ''", '0, 1, 2 and 17 more')
    """
    every = list(names)
    shown = [name if name.strip() == name and name and len(name) <= VALUE_CHARS_MAX else quoted(name) for name in every]
    text = printable(", ".join(shown[:most]))
    return text if len(every) <= most else f"{text} and {len(every) - most} more"
