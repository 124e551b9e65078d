"""Checks of settings beyond the bounds of each: pairs in order, no value twice, well-formed addresses.

They stand in ``schemas`` because the settings of every room use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

__all__ = ["problem_of_address", "problem_of_url", "require_distinct", "require_order"]


def require_order(settings: Any, *pairs: tuple[str, str]) -> None:
    """Raise ValueError if the first setting of a pair is larger than the second."""
    for smaller, larger in pairs:
        low, high = getattr(settings, smaller), getattr(settings, larger)
        if low > high:
            raise ValueError(f"{smaller} is {low:g}, {larger} {high:g}; {smaller} must be at most {larger}")


def require_distinct(name: str, values: Sequence[str]) -> None:
    """Raise ValueError if a value occurs twice."""
    twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if twice is not None:
        raise ValueError(f"{name} has {twice!r} twice; each may stand there once")


def problem_of_url(url: str) -> str | None:
    """What is wrong with an ``http`` address, or None.

    >>> problem_of_url("http://localhost:8123")
    >>> problem_of_url("http://:8123")
    "'http://:8123' names no host; expected http://HOST:PORT or https://HOST:PORT"
    """
    expected = "expected http://HOST:PORT or https://HOST:PORT"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{url!r}: {error}; {expected}"
    if parts.scheme not in ("http", "https"):
        return f"{url!r} is no http address; {expected}"
    if not parts.hostname:
        return f"{url!r} names no host; {expected}"
    if port == 0 or any(char.isspace() or not char.isprintable() for char in url):
        return f"{url!r} is no address; {expected}"
    return None


def problem_of_address(address: str) -> str | None:
    """What is wrong with ``HOST:PORT`` (``HOST`` alone, too, and ``[IPV6]:PORT``), or None.

    >>> problem_of_address("localhost:9092")
    >>> problem_of_address("localhost:99999")
    "'localhost:99999': Port out of range 0-65535; expected HOST:PORT"
    """
    try:
        parts = urlsplit(f"//{address}")
        port = parts.port
    except ValueError as error:
        return f"{address!r}: {error}; expected HOST:PORT"
    bare = parts.netloc == address and "@" not in address and not any(char.isspace() for char in address)
    if not parts.hostname or not bare or not address.isprintable() or port == 0 or address.endswith(":"):
        return f"{address!r} is no address; expected HOST:PORT"
    return None
