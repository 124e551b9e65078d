"""The content of a task as a page shows it: an image, a link, or text; JSON with line breaks."""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from console.settings import ConsoleSettings
from schemas.codec import UNREADABLE

__all__ = ["NESTING_SHOWN_MAX", "Content", "content_of", "laid_out"]

DATA_IMAGES: Final = ("data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp")

NESTING_SHOWN_MAX: Final = 20
"""Levels of JSON that are laid out; what nests deeper is shown as it came: nobody can read it, and its indents would be
many times its size."""

_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|([\[{])|([\]}])', re.DOTALL)
_ESCAPES: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What the producer wants a reviewer to see: a text, an image, or a link to an image of another origin."""

    text: str = ""
    image: str = ""
    link: str = ""


def content_of(content: str, settings: ConsoleSettings) -> Content:
    """An image is shown where its origin is allowed, otherwise linked; everything else is text, JSON laid out."""
    if content.startswith(DATA_IMAGES):
        return Content(image=content)
    if content.startswith(("https://", "http://")) and not any(mark.isspace() for mark in content):
        if any(content.startswith(f"{origin}/") for origin in settings.image_origins):
            return Content(image=content)
        return Content(link=content)
    return Content(text=laid_out(content))


def laid_out(text: str) -> str:
    """JSON with line breaks; other text, and JSON that nests deeper than ``NESTING_SHOWN_MAX``, as it is.

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
    """How deeply the brackets of a JSON text nest, those inside strings left out."""
    deepest = depth = 0
    for match in _BRACKETS.finditer(text):
        if match.group(1):
            depth += 1
            deepest = max(deepest, depth)
        elif match.group(2):
            depth -= 1
    return deepest


def _unescaped(match: re.Match[str]) -> str:
    """The character of an escape where it can be seen and means nothing in JSON, else the escape."""
    if not match.group().startswith("\\u"):
        return match.group()
    character: str = json.loads(f'"{match.group()}"')
    return character if character.isprintable() and character not in '"\\' else match.group()
