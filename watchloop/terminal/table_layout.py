"""How a table is laid out where there is little room: no word is broken in the middle.

Columns share what there is, each at least as wide as its longest word. Where even that is more than the terminal has,
each row is a list of its own, one value below the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["column_widths", "lines_of", "record_lines"]

BORDER_CELLS: Final = 3
"""What a column takes beside its text: a line and a blank on either side; one line more ends the table."""
GAP: Final = "  "
WORD: Final = re.compile(r"^\s*\S+|\S+")
"""Blanks before the first word indent it and stay with it."""


def column_widths(cells: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Widths of the columns of a table, whose ``cells`` are given column by column; None where they do not fit.

    ``room`` is the width of the terminal, in the cells that characters take.

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
    # Who wants little gets all of it: a short column costs nothing, and the longest texts are those that are broken.
    by_want = sorted(range(len(cells)), key=lambda place: most[place] - least[place])
    for done, place in enumerate(by_want):
        more = min(most[place] - least[place], left // (len(cells) - done))
        widths[place] += more
        left -= more
    return widths


def record_lines(names: Sequence[str], row: Sequence[str], room: int) -> list[str]:
    """A row as lines, each a name and its value.

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
    """A text on lines of so many cells, broken at blanks alone: a longer word has a line of its own.

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
