"""What ids and names of people may be."""

from __future__ import annotations

from schemas.texts.visible import is_visible
from schemas.wire.base import NAME_CHARS_MAX

__all__ = ["person_problem"]


def person_problem(person_id: str, name: str = "") -> str | None:
    r"""What is wrong with an account's id or with its name, which may be empty; or None.

    An id with blanks around it could not be typed into the form of the sign-in, and one with a character that nobody
    sees would look like another's.

    >>> person_problem("ada", "Ada L."), person_problem(" ada ")
    (None, "the person ' ada ' has blanks around it; expected a name without")
    >>> person_problem("a\x1b[31m")
    "the person 'a\\x1b[31m' holds the character U+001B, which is not seen; expected a name without"
    """
    if not person_id:
        return "the person is an empty text; expected a name, at least one character"
    return _problem("the person", person_id) or (_problem("the name", name) if name else None)


def _problem(what: str, text: str) -> str | None:
    if len(text) > NAME_CHARS_MAX:
        return f"{what} has {len(text)} characters; expected {NAME_CHARS_MAX} at most"
    if text.strip() != text:
        return f"{what} {text!a} has blanks around it; expected a name without"
    odd = next((char for char in text if not is_visible(char)), None)
    if odd is None:
        return None
    return f"{what} {text!a} holds the character U+{ord(odd):04X}, which is not seen; expected a name without"
