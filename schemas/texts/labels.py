"""What a label may be, and the one form in which labels are compared: Unicode's NFC, without blanks around.

Every label is checked by ``label_problem``, wherever it comes from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final, TypeVar

from schemas.texts.visible import is_visible
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN

__all__ = ["RESERVED", "are_valid_labels", "composed", "composed_names", "label_problem"]

RESERVED: Final = frozenset((CANNOT_TELL, WITHDRAWN))
"""Answers of people that are not labels."""

CONTROLS: Final = frozenset(("Cc", "Zl", "Zp", "Cs"))
"""Unicode categories that no label may contain: control characters, ends of lines, halves of surrogate pairs."""

Value = TypeVar("Value")


def composed(text: str) -> str:
    r"""A text in Unicode's canonical composition (NFC), in which equal texts have equal characters.

    >>> composed("cafe\u0301") == "caf\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def composed_names(values: dict[str, Value]) -> dict[str, Value]:
    """Values by ``composed`` names; ``values`` itself if all names are ASCII, or if two names would become one."""
    if all(map(str.isascii, values)):
        return values
    by_name = {composed(name): value for name, value in values.items()}
    return values if len(by_name) < len(values) else by_name


def label_problem(text: str) -> str | None:
    """What is wrong with a text as a label, or None.

    >>> label_problem("x "), label_problem("x")
    ("'x ' has blanks around it; expected a label without", None)
    """
    if not text:
        return "'' is an empty text; expected the label, at least one character"
    if text.strip() != text:
        return f"{text!r} has blanks around it; expected a label without"
    if text in RESERVED:
        return f"{text!r} is reserved for people who give no label; expected another name"
    if len(text) > NAME_CHARS_MAX or (len(text) * 3 > NAME_CHARS_MAX and len(composed(text)) > NAME_CHARS_MAX):
        return f"{len(composed(text))} characters in Unicode's NFC; a label has at most {NAME_CHARS_MAX}"
    return None if text.isascii() and text.isprintable() else _unseen_problem(text)


def _unseen_problem(text: str) -> str | None:
    odd = next((char for char in text if unicodedata.category(char) in CONTROLS), None)
    if odd is not None:
        return f"{text!r} holds the control character U+{ord(odd):04X}; expected a label without"
    return None if any(map(is_visible, text)) else f"{text!a} has no character that is seen; expected a label"


def are_valid_labels(labels: Iterable[str]) -> bool:
    """Whether every label is ``composed`` and without a problem. Pass each distinct label once."""
    return all(label_problem(label) is None and composed(label) == label for label in labels)
