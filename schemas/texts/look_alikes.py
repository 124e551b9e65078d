"""Different texts that look the same: letters of other scripts, dashes, blanks and widths that have one shape."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["shape_of", "told_apart"]

LATIN: Final = str.maketrans(
    "асеһіјорԛѕԝхуԁАВЕНІЈКМОРԚЅТԜХУΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορικυχϳ‐‑‒–—−’‘",  # these are what is meant
    "acehijopqswxydABEHIJKMOPQSTWXYABEZHIKMNOPTYXavopikuxj------''",
)
"""Letters of Cyrillic and Greek, and marks, by what they look like; the commonest of Unicode's confusables (UTS 39)."""

SPACES: Final = re.compile(r"(?<=\s)\s")


def shape_of(text: str) -> str:
    """The shape of a text: texts that look the same have the same shape.

    >>> shape_of("\\u0445") == shape_of("x") == shape_of("\\uff58")
    True
    """
    seen = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKD", " ".join(unicodedata.normalize("NFKC", seen).translate(LATIN).split()))


def told_apart(texts: Iterable[str]) -> dict[str, str]:
    r"""Each text to how it is shown: if it looks like another one, its misleading characters become code points.

    >>> told_apart(["x", "\u0445", "caf\u00e9"]) == {"x": "x", "\u0445": "\\u0445", "caf\u00e9": "caf\u00e9"}
    True
    """
    every = list(dict.fromkeys(texts))
    by_shape: dict[str, list[str]] = {}
    for text in every:
        by_shape.setdefault(shape_of(text), []).append(text)
    return {text: text if len(by_shape[shape_of(text)]) == 1 else _spelt(text) for text in every}


def _spelt(text: str) -> str:
    shown = SPACES.sub(lambda blank: f"\\x{ord(blank.group()):02x}", text)
    return "".join(char if _looks_itself(char) else char.encode("unicode_escape").decode() for char in shown)


def _looks_itself(char: str) -> bool:
    is_plain = unicodedata.normalize("NFKC", char).translate(LATIN) == char
    return is_plain and unicodedata.category(char) != "Cf"
