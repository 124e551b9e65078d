"""Texts of any length and form, such as a server's error, as one short line."""

from __future__ import annotations

__all__ = ["one_line"]


def one_line(text: object, chars_max: int) -> str:
    r"""``text`` with every run of white space as one blank, cut with an ellipsis to at most ``chars_max`` characters.

    >>> one_line("no\n  such table", 8)
    'no such…'
    >>> one_line(OSError("no broker\n   answers"), 100)
    'no broker answers'
    """
    line = " ".join(str(text).split())
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"
