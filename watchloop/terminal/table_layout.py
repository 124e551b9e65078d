"""The layout of a table on a narrow terminal: no word is broken.

Columns share the width of the terminal, each at least as wide as its longest word. Where even that is too wide, each
row is printed as a list, one value below the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["column_widths", "lines_of", "record_lines"]

BORDER_CELLS: Final = 3
"""The cells of a column beside its text: a line, and a blank on either side. One line more ends the table."""
GAP: Final = "  "
WORD: Final = re.compile(r"^\s*\S+|\S+")
"""Blanks before the first word indent it and stay with it."""


def column_widths(cells: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """The widths of a table's columns; None where they do not fit without breaking words.

    ``cells`` has the texts of each column. ``room`` is the width of the terminal in character cells.

    >>> column_widths([["a", "bb"], ["what it says", "no"]], 40)
    [2, 12]
    >>> column_widths([["a", "bb"], ["what it says", "no"]], 16)
    [2, 7]
    >>> column_widths([["a", "bb"], ["customers", "no"]], 12) is None
    True
    """
    least = [max((_longest_word(text) for text in column), default=0) for column in cells]
    most = [max(map(_width, column), default=0) for column in cells]
    left = room - BORDER_CELLS * len(cells) - 1 - sum(least)
    if left < 0:
        return None
    widths = list(least)
    # Columns that need little more get all of it, so that only the longest texts are broken.
    by_need = sorted(range(len(cells)), key=lambda column: most[column] - least[column])
    for done, column in enumerate(by_need):
        more = min(most[column] - least[column], left // (len(cells) - done))
        widths[column] += more
        left -= more
    return widths


def record_lines(names: Sequence[str], row: Sequence[str], room: int) -> list[str]:
    """A row as a list: each name with its value beside it.

    >>> record_lines(["lane", "answered by"], ["audit sample", "ada and grace"], 24)
    ['lane         audit', '             sample', 'answered by  ada and', '             grace']
    """
    head = max(map(_width, names), default=0)
    lines = []
    for name, value in zip(names, row, strict=True):
        first, *more = lines_of(value, room - head - len(GAP))
        lines.append((name + " " * (head - _width(name)) + GAP + first).rstrip())
        lines += [" " * head + GAP + piece for piece in more]
    return lines


def lines_of(text: str, room: int) -> list[str]:
    """A text as lines of at most ``room`` cells, broken at blanks; a longer word stays whole on its own line.

    >>> lines_of("a customer at /some/very/long/path", 12)
    ['a customer', 'at', '/some/very/long/path']
    """
    if _width(text) <= room:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line.strip() and _width(longer) > room:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


def _longest_word(text: str) -> int:
    return max(map(_width, WORD.findall(text)), default=0)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
