"""``watchloop query``: SQL as the analyst, while the program runs and after it has stopped."""

from __future__ import annotations

import contextlib
import enum
import json
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from embedded.clickhouse.http.sql_text import first_word, read_statement
from warehouse.client import Warehouse
from warehouse.errors import QueryRefused, QuestionTooLarge
from watchloop.cli.refusals import explained
from watchloop.cli.shared import Config, Data, at_rest, said, settings_of_running
from watchloop.errors import NoAccess, WatchloopError
from watchloop.processes.disk import told_of_disk
from watchloop.processes.folder import DataFolder
from watchloop.settings import ProgramSettings
from watchloop.terminal.screen import print_answer, print_error, print_json, print_line, print_table, printing_console

__all__ = ["add_to", "analyst"]


class Format(enum.StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


CLICKHOUSE_FORMATS = {
    Format.TABLE: "JSONCompact",
    Format.CSV: "CSVWithNames",
    Format.PARQUET: "Parquet",
    Format.JSON: "JSONEachRow",
}
BINARY = re.compile(
    r"parquet|arrow(?:stream)?|orc|avro|native|rowbinary\w*|msgpack|bsoneachrow|npy|png|buffers|rawblob", re.IGNORECASE
)
"""Formats of ClickHouse's that are bytes, not lines."""
NAN, NAN_SIGNED = "nan", "-nan"
"""The same: JSON alone bears the sign."""

TABLE_ROWS_MAX = 1_000
STATEMENT_EXPECTED = 'expected one, such as "SELECT decision, count() FROM verdicts GROUP BY decision"'

TEXT_CELL = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
"""ClickHouse quotes texts and never numbers, and doubles a quote within one."""

FORMULA = re.compile(
    rb'(?<=\A")(?=[=+\-@\t\r\n]|\xef\xbc[\x9d\x8b\x8d\xa0])'
    rb'|(?<=[;\t\r\n])(?="*+(?:[=+\-@]|\xef\xbc[\x9d\x8b\x8d\xa0]))'
)
"""Where in a quoted cell spreadsheets begin a formula (OWASP, CSV Injection), full-width signs too: at its beginning,
and behind what some programs split a line at, quotes or not.
"""

NULL_CELL = re.compile(rb'"(?:[^"]|"")*"|(?<=,)\\N(?=[,\r\n]|\Z)|(?:\A|(?<=\n))\\N(?=,)')
"""A quoted cell, or NULL among other cells; alone on its line NULL stays, because readers skip empty lines."""


def add_to(app: typer.Typer) -> None:
    """Add ``query`` to the program's commands."""
    app.command(epilog='Example: watchloop query "SELECT decision, count() FROM verdicts GROUP BY decision"')(query)


@said
def query(
    sql: Annotated[str, typer.Argument(help="One statement; - reads it from standard input.")],
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            case_sensitive=False,
            help="How to print the answer: table, json, csv or parquet; ClickHouse has more, with FORMAT in the"
            " statement.",
        ),
    ] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[pathlib.Path | None, typer.Option(help="Write the answer into a file.")] = None,
    spreadsheet_safe: Annotated[
        bool,
        typer.Option("--spreadsheet-safe", help="CSV: put ' before texts that a spreadsheet would run as a formula."),
    ] = False,
    data: Data = pathlib.Path("data"),
    config: Config = None,
) -> None:
    """Ask ClickHouse as the user analyst, who only reads."""
    chosen = Format.JSON if as_json else format_
    text = statement_of(sql)
    if spreadsheet_safe and chosen is not Format.CSV:
        raise WatchloopError("--spreadsheet-safe is for --format csv; other formats keep a text apart from a formula")
    named = read_statement(text.encode()).format
    if spreadsheet_safe and named and not named.upper().startswith("CSV"):
        raise WatchloopError(f"--spreadsheet-safe is for CSV, and the statement asks for FORMAT {named}")
    wanted = f"FORMAT {named}" if named else f"--format {chosen}"
    if BINARY.fullmatch(named or chosen) and out is None and sys.stdout.isatty():
        raise WatchloopError(f"{wanted} is not for a terminal: name a file with --out, or use a pipe")
    answer = _answer_to(text, CLICKHOUSE_FORMATS[chosen], config, data)
    if chosen is Format.CSV and (not named or named.upper().startswith("CSV")):
        if not named:
            answer = _with_empty_cells(answer)
        answer = _without_formulas(answer) if spreadsheet_safe else _warned(answer)
    if out is not None:
        try:
            out.write_bytes(answer)
        except OSError as error:
            raise NoAccess(f"{out}: cannot be written ({error.strerror})") from error
    elif chosen is Format.TABLE:
        _print_table(answer)
    elif chosen is Format.JSON and answer and not named:
        print_json(answer.decode("utf-8", "replace"))
    else:
        print_answer(answer)


def _answer_to(sql: str, fmt: str, config: pathlib.Path | None, data: pathlib.Path) -> bytes:
    with analyst(config, data) as warehouse:
        try:
            return warehouse.raw(sql, fmt)
        except QueryRefused as error:
            if type(error) not in (QueryRefused, QuestionTooLarge):  # of the server, not of the statement
                raise
            raise WatchloopError(explained(error)) from error


def statement_of(sql: str) -> str:
    """The statement that was given, or that standard input holds; raises WatchloopError where it is none."""
    try:
        text = sys.stdin.read() if sql == "-" else sql
        is_empty = not first_word(text.encode())
    except UnicodeError as error:
        raise WatchloopError("the statement is not valid UTF-8") from error
    if is_empty:
        where = "standard input" if sql == "-" else "the command line"
        raise WatchloopError(f"there is no statement on {where}; {STATEMENT_EXPECTED}")
    return text


def _warned(answer: bytes) -> bytes:
    """The answer as it is: for programs the data must stay the data. Who opens it in a spreadsheet is told."""
    if any(FORMULA.search(cell[0]) for cell in TEXT_CELL.finditer(answer)):
        print_error(
            "watchloop: note: some texts begin with =, +, -, @, a tab or a line end, or have one of these signs behind"
            " a semicolon, tab or line end: a spreadsheet runs them as formulas; --spreadsheet-safe puts ' before them"
        )
    return answer


def _with_empty_cells(answer: bytes) -> bytes:
    """NULL as an empty cell without quotes, as programs that read CSV expect it; an empty text has quotes."""
    return NULL_CELL.sub(lambda cell: b"" if cell[0] == rb"\N" else cell[0], answer)


def _without_formulas(answer: bytes) -> bytes:
    return TEXT_CELL.sub(lambda cell: FORMULA.sub(b"'", cell[0]), answer)


@contextlib.contextmanager
def analyst(config: pathlib.Path | None, data: pathlib.Path) -> Iterator[Warehouse]:
    """The ClickHouse of the running program or of the settings; else the folder's embedded one, started for this."""
    settings = settings_of_running(config, data)
    if "clickhouse" in at_rest(config, data):
        with _stopped(settings, DataFolder(data)) as found:
            yield found.as_analyst()
        return
    yield Warehouse(settings.clickhouse).as_analyst()


@contextlib.contextmanager
def _stopped(settings: ProgramSettings, folder: DataFolder) -> Iterator[Warehouse]:
    from embedded.clickhouse.process import EmbeddedClickHouse
    from embedded.leash import spawn
    from warehouse.settings import ClickHouseSettings

    with told_of_disk(folder.path), folder.own():
        users = folder.secrets().clickhouse_users
        server = EmbeddedClickHouse(
            folder.path / "clickhouse",
            settings.embedded_clickhouse,
            passwords=users,
            database=settings.clickhouse.database,
            spawn=spawn,
        )
        with server:
            yield Warehouse(
                ClickHouseSettings(
                    url=server.url,
                    database=settings.clickhouse.database,
                    password=users["watchloop"],
                    analyst_password=users["analyst"],
                )
            )


class Digits(str):
    """A number in the very digits of an answer."""

    __slots__ = ()


def _print_table(answer: bytes) -> None:
    """JSONCompact as a table; another format, which the statement names, is printed as it is."""
    try:
        found = json.loads(answer.decode("utf-8", "backslashreplace"), parse_float=Digits, parse_int=Digits)
        columns, rows = found["meta"], found["data"]
        names, floats = [column["name"] for column in columns], ["Float" in column["type"] for column in columns]
    except (ValueError, KeyError, TypeError):
        print_answer(answer)
        return
    cells = [
        [
            "" if value is None else NAN if is_float and value == NAN_SIGNED else _text(value)
            for value, is_float in pairs
        ]
        for pairs in (zip(row, floats, strict=True) for row in rows[:TABLE_ROWS_MAX])
    ]
    print_table(printing_console(), names, cells)
    if len(rows) > TABLE_ROWS_MAX:
        print_line(f"the first {TABLE_ROWS_MAX} of {len(rows)} rows; --format csv has them all")


def _text(value: object, *, quoted: bool = False) -> str:
    """A value of an answer as a person reads it; arrays and maps as JSON."""
    match value:
        case Digits():
            return value
        case str():
            return json.dumps(value, ensure_ascii=False) if quoted else value
        case dict():
            return "{" + ", ".join(f"{_text(k, quoted=True)}: {_text(v, quoted=True)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(_text(one, quoted=True) for one in value) + "]"
        case _:
            return json.dumps(value)
