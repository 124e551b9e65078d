"""All that the program writes on a terminal: texts from data are never markup, and bear no control characters.

Commands hand in plain values; what styles them is said here. Answers for programs go to a pipe or a file as they are.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Final, TextIO, cast

from schemas.texts.visible import is_visible, visible
from watchloop.terminal.lasting import Lasting
from watchloop.terminal.table_layout import column_widths, lines_of, record_lines

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
    "print_table",
    "printing_console",
    "say",
]

PIPE_COLUMNS: Final = 20_000
PERHAPS_HIDDEN: Final = re.compile(r"[^\x20-\x7e\t]")


def printing_console(*, stderr: bool = False, lasting: bool = False) -> Console:
    """Where tables go; a pipe or a file gets them as wide as they are, nothing is cut.

    One that is ``lasting``, for a program that runs for long, never fails (``Lasting``); nor does standard error, which
    bears no answers.
    """
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else PIPE_COLUMNS
    where = cast("IO[str]", Lasting(file)) if lasting or stderr else file
    return Console(file=where, width=width, markup=False, highlight=False, emoji=False)


def line_of(text: object, style: str = "") -> Text:
    """A text from anywhere, as rich draws it: its brackets are brackets."""
    from rich.text import Text

    return Text(visible(str(text)), style=style)


def say(out: Console, text: object, style: str = "") -> None:
    """A line for a person; on a terminal that is narrower, several, with no word broken."""
    for line in lines_of(visible(str(text)), out.width):
        out.print(line_of(line, style), highlight=False, soft_wrap=True)


def print_table(
    out: Console, names: Iterable[object], rows: Iterable[Sequence[object]], *, title: str = "", caption: str = ""
) -> None:
    """A table of plain texts; without ``names`` it has no header.

    Where words would have to be broken to fit it into ``out``, each row is a list of names and values.
    """
    heads = [visible(str(name)) for name in names]
    cells = [[visible(str(value)) for value in row] for row in rows]
    if title:
        say(out, title, "italic")
    columns = list(zip(*([heads] if heads else []), *cells, strict=True))
    widths = column_widths(columns, out.width)
    if widths is not None:
        out.print(_table(heads, cells, widths))
    elif not heads:
        _print_records(out, [record_lines([row[0] for row in cells], [row[1] for row in cells], out.width)])
    else:
        _print_records(out, [record_lines(heads, row, out.width) for row in cells])
    if caption:
        say(out, caption, "dim italic")


def _table(heads: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Table:
    from rich.table import Table
    from rich.text import Text

    def cell(text: str, width: int) -> Text:
        return Text("\n".join(lines_of(text, width)))

    table = Table(show_header=bool(heads))
    for head, width in zip(heads or [""] * len(widths), widths, strict=True):
        table.add_column(cell(head, width), width=width, no_wrap=True, overflow="ignore")
    for row in cells:
        table.add_row(*map(cell, row, widths))
    return table


def _print_records(out: Console, records: Sequence[Sequence[str]]) -> None:
    """Rows as lists, with a line between each and the next."""
    for number, lines in enumerate(records):
        if number:
            out.print(line_of("─" * out.width, "dim"), soft_wrap=True)
        for line in lines:
            out.print(line_of(line), highlight=False, soft_wrap=True)


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
    """One line on standard output; a terminal that is narrower gets several, with no word broken."""
    _write(sys.stdout, text)


def print_error(text: object) -> None:
    """One line on standard error; a terminal that is narrower gets several, with no word broken.

    Where nobody takes it the command goes on, and ends with the exit code that it has.
    """
    _write(Lasting(sys.stderr), text)


def _write(file: TextIO | Lasting, text: object) -> None:
    line = visible(str(text))
    file.writelines(part + "\n" for part in (lines_of(line, _columns(file)) if file.isatty() else [line]))


def _columns(terminal: TextIO | Lasting) -> int:
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    try:
        return os.get_terminal_size(terminal.fileno()).columns or PIPE_COLUMNS
    except OSError:
        return PIPE_COLUMNS


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
