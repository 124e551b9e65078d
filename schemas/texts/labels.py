"""What a label may be, and the one form in which it is compared: letters composed (Unicode's NFC), no blanks around.

Whatever names a label, by whichever way it comes, goes by ``label_problem``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final, TypeVar

from schemas.texts.visible import is_visible
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN

__all__ = ["RESERVED", "are_settled", "composed", "composed_names", "label_problem"]

RESERVED: Final = frozenset((CANNOT_TELL, WITHDRAWN))
"""Answers of people that say something else than a label."""

CONTROLS: Final = frozenset(("Cc", "Zl", "Zp", "Cs"))
"""Unicode's categories of what is no part of a word: control characters, ends of lines, halves of surrogate pairs."""

Value = TypeVar("Value")


def composed(text: str) -> str:
    r"""A text in Unicode's canonical composition (NFC): what is written the same is the same.

    >>> composed("cafe\u0301") == "caf\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def composed_names(values: dict[str, Value]) -> dict[str, Value]:
    """Values by ``composed`` names; as they are where two of them would become one. What is right stays itself."""
    if all(map(str.isascii, values)):
        return values
    by_name = {composed(name): value for name, value in values.items()}
    return values if len(by_name) < len(values) else by_name


def label_problem(text: str) -> str | None:
    """What is wrong with a text as a label, None where nothing is.

    >>> label_problem("x "), label_problem("x")
    ("'x ' has blanks around it; expected a label without", None)
    """
    if not text:
        return "'' is an empty text; expected the label, at least one character"
    if text.strip() != text:
        return f"{text!r} has blanks around it; expected a label without"
    if text in RESERVED:
        return f"{text!r} is what people answer who give no label; expected another name"
    if len(text) > NAME_CHARS_MAX or (len(text) * 3 > NAME_CHARS_MAX and len(composed(text)) > NAME_CHARS_MAX):
        return f"{len(composed(text))} characters in Unicode's NFC; a label has at most {NAME_CHARS_MAX}"
    return None if text.isascii() and text.isprintable() else _unseen_problem(text)


def _unseen_problem(text: str) -> str | None:
    odd = next((char for char in text if unicodedata.category(char) in CONTROLS), None)
    if odd is not None:
        return f"{text!r} holds the control character U+{ord(odd):04X}; expected a label without"
    return None if any(map(is_visible, text)) else f"{text!a} has no character that is seen; expected a label"


def are_settled(labels: Iterable[str]) -> bool:
    """Whether labels need no closer look: each ``composed`` and without a problem. Give each of many once."""
    return all(label_problem(label) is None and composed(label) == label for label in labels)
