"""The content of a task as a page shows it: an image, a link, or text; JSON with line breaks."""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from console.settings import ConsoleSettings
from schemas.json_text.errors import UNREADABLE

__all__ = ["NESTING_SHOWN_MAX", "Content", "content_of", "laid_out"]

DATA_IMAGES: Final = ("data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp")

NESTING_SHOWN_MAX: Final = 20
"""Levels of JSON that are laid out. JSON that nests deeper is shown unchanged: nobody can read it, and its indents
would be many times its size."""

_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|([\[{])|([\]}])', re.DOTALL)
_ESCAPES: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What the producer wants a reviewer to see; one of the fields is set.

    ``image`` is an address that may be loaded, ``link`` the address of an image that may not.
    """

    text: str = ""
    image: str = ""
    link: str = ""


def content_of(content: str, settings: ConsoleSettings) -> Content:
    """How content is shown: an image if its origin is allowed, else a link to it; anything else as text."""
    if content.startswith(DATA_IMAGES):
        return Content(image=content)
    if content.startswith(("https://", "http://")) and not any(mark.isspace() for mark in content):
        if any(content.startswith(f"{origin}/") for origin in settings.image_origins):
            return Content(image=content)
        return Content(link=content)
    return Content(text=laid_out(content))


def laid_out(text: str) -> str:
    """JSON with line breaks and indents; other text, and JSON that nests too deeply, stays unchanged.

    >>> print(laid_out('{"a": 1e400, "b": "\\\\u00e9"}'))
    {
      "a": 1e400,
      "b": "é"
    }
    """
    if not text.startswith(("{", "[")) or nesting_of(text) > NESTING_SHOWN_MAX:
        return text
    try:
        return _ESCAPES.sub(_unescaped, msgspec.json.format(text, indent=2))
    except (*UNREADABLE, UnicodeEncodeError):
        return text


def nesting_of(text: str) -> int:
    """How deeply the brackets of a JSON text nest; brackets inside strings do not count.

    >>> nesting_of('[{"a": "[["}]')
    2
    """
    deepest = depth = 0
    for match in _BRACKETS.finditer(text):
        if match.group(1):
            depth += 1
            deepest = max(deepest, depth)
        elif match.group(2):
            depth -= 1
    return deepest


def _unescaped(match: re.Match[str]) -> str:
    """The character of an escape if it is printable and has no meaning in JSON, else the escape itself."""
    if not match.group().startswith("\\u"):
        return match.group()
    character: str = json.loads(f'"{match.group()}"')
    return character if character.isprintable() and character not in '"\\' else match.group()
