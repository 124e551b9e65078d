"""All that the program writes on a terminal: texts from data are never markup, and bear no control characters.

Commands hand in plain values; what styles them is said here. Answers for programs go to a pipe or a file as they are.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from schemas.visible import is_visible, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = [
    "date_of",
    "line_of",
    "print_answer",
    "print_error",
    "print_json",
    "print_line",
    "printing_console",
    "say",
    "table_of",
]

PIPE_COLUMNS: Final = 20_000
PERHAPS_HIDDEN: Final = re.compile(r"[^\x20-\x7e\t]")


def printing_console(*, stderr: bool = False) -> Console:
    """Where tables go; a pipe or a file gets them as wide as they are, nothing is cut."""
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else PIPE_COLUMNS
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)


def line_of(text: object, style: str = "") -> Text:
    """A text from anywhere, as rich draws it: its brackets are brackets."""
    from rich.text import Text

    return Text(visible(str(text)), style=style)


def say(out: Console, text: object, style: str = "") -> None:
    """One line for a person."""
    out.print(line_of(text, style), highlight=False, soft_wrap=True)


def table_of(names: Iterable[object], rows: Iterable[Sequence[object]], *, title: str = "", caption: str = "") -> Table:
    """A table of plain texts; without ``names`` it has no header."""
    from rich.table import Table

    heads = [line_of(name) for name in names]
    table = Table(
        show_header=bool(heads),
        title=line_of(title) if title else None,
        caption=line_of(caption) if caption else None,
        title_justify="left",
    )
    for head in heads:
        table.add_column(head)
    for row in rows:
        table.add_row(*(line_of(value) for value in row))
    return table


def date_of(epoch_ms: int) -> str:
    """An instant as ISO 8601 in UTC, to the millisecond; a dash for 0, which means never.

    >>> date_of(1_795_424_517_230)
    '2026-11-23T09:01:57.230Z'
    """
    if epoch_ms == 0:
        return "–"
    try:
        found = dt.datetime.fromtimestamp(epoch_ms / 1000, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{epoch_ms} ms"
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_line(text: object) -> None:
    """One line on standard output."""
    sys.stdout.write(visible(str(text)) + "\n")


def print_error(text: object) -> None:
    """One line on standard error."""
    sys.stderr.write(visible(str(text)) + "\n")


def print_json(text: str) -> None:
    """JSON as it is, but for characters that are not seen: they are written as JSON's escapes, which mean the same."""
    for line in text.rstrip("\n").split("\n"):
        sys.stdout.write(
            (line if line.isascii() and line.isprintable() else PERHAPS_HIDDEN.sub(_json_escape, line)) + "\n"
        )


def print_answer(answer: bytes) -> None:
    """An answer for programs: as it is into a pipe or a file, made visible on a terminal."""
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(answer)
    else:
        sys.stdout.write(visible(answer.decode("utf-8", "backslashreplace"), keep="\n\t"))
    sys.stdout.flush()


def _json_escape(hit: re.Match[str]) -> str:
    if is_visible(hit.group()):
        return hit.group()
    units = hit.group().encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True))
