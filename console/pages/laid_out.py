"""JSON as people read it: with line breaks, its numbers as they were sent."""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from schemas.codec import UNREADABLE

__all__ = ["NESTING_SHOWN_MAX", "laid_out"]

NESTING_SHOWN_MAX: Final = 20
"""Levels of JSON that are laid out; what nests deeper is shown as it came: nobody can read it, and its indents would be
many times its size."""

_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|([\[{])|([\]}])', re.DOTALL)
_ESCAPES: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")


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
