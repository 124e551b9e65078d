"""Texts from outside made safe to show: what a terminal obeys, a log refuses or nobody sees becomes an escape."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["is_visible", "printable", "visible"]

FILLERS: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]")
"""Letters and marks that draw nothing although they count as printable (Unicode, Default_Ignorable_Code_Point), and the
empty pattern of Braille."""


def visible(text: str, keep: str = "") -> str:
    r"""The text with every character that is not seen as itself replaced by its escape in Python.

    Those are control characters (line ends too), the marks that turn the direction of writing, zero-width and other
    format characters, surrogates, and what Unicode has not assigned; characters of ``keep`` stay. The
    result cannot move a cursor, colour, link, or hide a part of itself. Spaces of all widths stay.

    >>> visible("a\x1b[31mb\u202ec\n")
    'a\\x1b[31mb\\u202ec\\n'
    """
    if text.isprintable() and FILLERS.search(text) is None:
        return text
    return "".join(
        char if char in keep or is_visible(char) else char.encode("unicode_escape").decode() for char in text
    )


def is_visible(character: str) -> bool:
    """Whether a character is seen as itself: printable, or a space."""
    if FILLERS.match(character):
        return False
    return character.isprintable() or unicodedata.category(character) == "Zs"


def printable(text: str) -> str:
    r"""``text`` as one line that any log takes: control characters and lone surrogates as their escapes.

    >>> printable("a\nb\ud800")
    'a\\nb\\ud800'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
