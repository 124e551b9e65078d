"""What --help prints: plain text, whose lines are broken between words alone, not within ``--no-labels``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import typer

from watchloop.terminal.table_layout import lines_of

__all__ = ["WholeWords", "with_whole_words"]

_Context: Final[Any] = typer.Context.__mro__[1]
_Formatter: Final[Any] = _Context.formatter_class
"""The library's own classes, which it does not export."""

TEXT_CELLS_MIN: Final = 20


class WholeWords(_Formatter):  # type: ignore[misc]  # see above
    """The library's formatter, with another way of breaking lines."""

    width: int
    current_indent: int

    def write_text(self, text: str) -> None:
        """Paragraphs, indented as far as the formatter has come."""
        indent = " " * self.current_indent
        paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
        for number, paragraph in enumerate(paragraphs):
            if number:
                self.write("\n")
            for line in lines_of(paragraph, self.width - self.current_indent):
                self.write(f"{indent}{line}\n")

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Names, and beside each what it means; below it where the name is longer than ``col_max``."""
        indent = " " * self.current_indent
        first = min(max((len(name) for name, _meaning in rows), default=0), col_max) + col_spacing
        for name, meaning in rows:
            lines = lines_of(" ".join(meaning.split()), max(self.width - first - self.current_indent, TEXT_CELLS_MIN))
            if len(name) + col_spacing <= first:
                self.write(f"{indent}{name:{first}}{lines.pop(0)}".rstrip() + "\n")
            else:
                self.write(f"{indent}{name}\n")
            for line in lines:
                self.write(f"{indent}{'':{first}}{line}\n")


def with_whole_words() -> None:
    """Make every command print its help with this formatter."""
    _Context.formatter_class = WholeWords
