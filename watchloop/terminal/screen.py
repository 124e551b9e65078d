"""Everything that the program prints: texts from data never act as markup or as control characters.

Commands pass plain values, and this module styles them. Results for programs go to a pipe or a file unchanged.
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
    """A rich console on standard output or standard error. A pipe or a file gets tables at full width, without cuts.

    Writing to standard error never fails (``Lasting``), nor does writing to standard output if ``lasting`` is set.
    """
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else PIPE_COLUMNS
    out = cast("IO[str]", Lasting(file)) if lasting or stderr else file
    return Console(file=out, width=width, markup=False, highlight=False, emoji=False)


def line_of(text: object, style: str = "") -> Text:
    """A text for rich, which takes no markup from it; control characters are made visible."""
    from rich.text import Text

    return Text(visible(str(text)), style=style)


def say(out: Console, text: object, style: str = "") -> None:
    """Print a line; a terminal that is too narrow gets several, broken between words."""
    for line in lines_of(visible(str(text)), out.width):
        out.print(line_of(line, style), highlight=False, soft_wrap=True)


def print_table(
    out: Console, names: Iterable[object], rows: Iterable[Sequence[object]], *, title: str = "", caption: str = ""
) -> None:
    """Print a table of plain texts, with a header where there are ``names``.

    Where the table does not fit into ``out`` without breaking words, each row becomes a list of names and values.
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
    """Print rows as lists of names and values, with a rule between two rows."""
    for number, lines in enumerate(records):
        if number:
            out.print(line_of("─" * out.width, "dim"), soft_wrap=True)
        for line in lines:
            out.print(line_of(line), highlight=False, soft_wrap=True)


def date_of(epoch_ms: int) -> str:
    """Epoch milliseconds as ISO 8601 in UTC; a dash for 0, which means never.

    >>> date_of(1_795_424_517_230)
    '2026-11-23T09:01:57.230Z'
    """
    if epoch_ms == 0:
        return "–"
    try:
        instant = dt.datetime.fromtimestamp(epoch_ms / 1000, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{epoch_ms} ms"
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_line(text: object) -> None:
    """Print a line on standard output; a terminal that is too narrow gets several, broken between words."""
    _write(sys.stdout, text)


def print_error(text: object) -> None:
    """Print a line on standard error; a terminal that is too narrow gets several, broken between words.

    Where it cannot be written, nothing is raised, so that the exit code of the command stays.
    """
    _write(Lasting(sys.stderr), text)


def _write(file: TextIO | Lasting, text: object) -> None:
    line = visible(str(text))
    file.writelines(part + "\n" for part in (lines_of(line, _columns(file)) if file.isatty() else [line]))


def _columns(terminal: TextIO | Lasting) -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(terminal.fileno()).columns or PIPE_COLUMNS
    except OSError:
        return PIPE_COLUMNS


def print_json(text: str) -> None:
    """Print JSON; invisible characters are written as JSON escapes, which mean the same."""
    for line in text.rstrip("\n").split("\n"):
        sys.stdout.write(
            (line if line.isascii() and line.isprintable() else PERHAPS_HIDDEN.sub(_json_escape, line)) + "\n"
        )


def print_answer(answer: bytes) -> None:
    """Print a result for programs: unchanged into a pipe or a file, with visible control characters on a terminal."""
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(answer)
    else:
        sys.stdout.write(visible(answer.decode("utf-8", "backslashreplace"), keep="\n\t"))
    sys.stdout.flush()


def _json_escape(match: re.Match[str]) -> str:
    if is_visible(match.group()):
        return match.group()
    units = match.group().encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True))
