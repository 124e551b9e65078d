"""``watchloop query``: runs SQL as the user analyst, while the program runs or after it has stopped."""

from __future__ import annotations

import contextlib
import enum
import json
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from embedded.clickhouse.sql_text import first_word, read_statement
from schemas.texts.one_line import one_line
from warehouse.client import Warehouse
from warehouse.errors import LINE_CHARS_MAX, QueryRefused, QuestionTooLarge
from watchloop.cli.shared import Config, Data, one_line_errors, settings_of_running, stopped_servers
from watchloop.errors import NoAccess, WatchloopError
from watchloop.processes.disk import naming_full_disk
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
"""Binary formats of ClickHouse."""
NAN, NAN_SIGNED = "nan", "-nan"
"""Both mean the same; ClickHouse writes the sign in JSON only."""

TABLE_ROWS_MAX = 1_000
STATEMENT_EXPECTED = 'expected one, such as "SELECT decision, count() FROM verdicts GROUP BY decision"'

TEXT_CELL = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
"""ClickHouse quotes texts and never numbers, and doubles a quote within a text."""

FORMULA = re.compile(
    rb'(?<=\A")(?=[=+\-@\t\r\n]|\xef\xbc[\x9d\x8b\x8d\xa0])'
    rb'|(?<=[;\t\r\n])(?="*+(?:[=+\-@]|\xef\xbc[\x9d\x8b\x8d\xa0]))'
)
"""Positions in a quoted cell at which a spreadsheet may begin a formula (OWASP, CSV Injection), with full-width signs:
at the beginning of the cell, and after a character at which some programs split a line even within quotes.
"""

NULL_CELL = re.compile(rb'"(?:[^"]|"")*"|(?<=,)\\N(?=[,\r\n]|\Z)|(?:\A|(?<=\n))\\N(?=,)')
"""A quoted cell, or NULL among other cells. NULL alone on its line stays, because readers skip empty lines."""


REFUSAL_HEAD: Final = re.compile(r"^Code: \d+\. DB::Exception: ")
REFUSAL_TAIL: Final = re.compile(r"(?: \([A-Z_]+\))?(?: \(version [^)]*\([^)]*\)\))?(?: \(for url [^)]*\))?\.?$")
EXPECTED_WORDS: Final = re.compile(r"\.? Expected one of: (?P<words>[^:]*?)(?=(?:: |\. \(|$))")
EXPECTED_WORDS_MAX: Final = 8
"""A longer list of the words that could stand next is left out of a message."""

HINTS: Final = {
    46: "system.functions has the functions that there are",
    47: "DESCRIBE TABLE shows the columns of a table",
    60: "SHOW TABLES lists the tables and views",
    159: "ask for less at once, by WHERE or for a shorter span",
    160: "ask for less at once, by WHERE or for a shorter span",
    241: "ask for less at once, by WHERE, LIMIT or fewer groups",
    307: "ask for less at once, by WHERE, LIMIT or fewer groups",
    396: "ask for less at once, by LIMIT or for sums instead of rows",
    456: "watchloop query has no parameters: write the value in its place",
}
"""What would be right, by the error code of ClickHouse, where its own text does not say so."""


def add_to(app: typer.Typer) -> None:
    """Add ``query`` to the program's commands."""
    app.command(epilog='Example: watchloop query "SELECT decision, count() FROM verdicts GROUP BY decision"')(query)


@one_line_errors
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
    """Run a SQL statement in ClickHouse as the user analyst, who may only read."""
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
            if type(error) not in (QueryRefused, QuestionTooLarge):  # an error of the server, not of the statement
                raise
            raise WatchloopError(refusal_line(error)) from error


def statement_of(sql: str) -> str:
    """The statement of the command line, or of standard input for ``-``. Raises WatchloopError where it is empty."""
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
    """The answer unchanged, with a warning on standard error if a spreadsheet would run a text as a formula."""
    if any(FORMULA.search(cell[0]) for cell in TEXT_CELL.finditer(answer)):
        print_error(
            "watchloop: note: some texts begin with =, +, -, @, a tab or a line end, or have one of these signs behind"
            " a semicolon, tab or line end: a spreadsheet runs them as formulas; --spreadsheet-safe puts ' before them"
        )
    return answer


def _with_empty_cells(answer: bytes) -> bytes:
    """The answer with NULL as an empty cell without quotes, as CSV readers expect; an empty text keeps its quotes."""
    return NULL_CELL.sub(lambda cell: b"" if cell[0] == rb"\N" else cell[0], answer)


def _without_formulas(answer: bytes) -> bytes:
    return TEXT_CELL.sub(lambda cell: FORMULA.sub(b"'", cell[0]), answer)


def refusal_line(error: QueryRefused) -> str:
    """A refusal of ClickHouse as one line for the user: its text without number, name and version, and a hint.

    >>> from warehouse.errors import QueryRefused
    >>> text = "Code: 60. DB::Exception: Unknown table 'nope'. (UNKNOWN_TABLE) (version 26.9 (official build))"
    >>> refusal_line(QueryRefused(text, code=60, detail=text))
    "query: Unknown table 'nope'; SHOW TABLES lists the tables and views"
    """
    text = REFUSAL_TAIL.sub("", REFUSAL_HEAD.sub("", error.detail or str(error)), count=1)
    text = EXPECTED_WORDS.sub(_shortened, text).strip().rstrip(".")
    hint = HINTS.get(error.code, "")
    return one_line(f"query: {text}{f'; {hint}' if hint else ''}", LINE_CHARS_MAX)


def _shortened(match: re.Match[str]) -> str:
    return match.group() if match["words"].count(",") < EXPECTED_WORDS_MAX else ""


@contextlib.contextmanager
def analyst(config: pathlib.Path | None, data: pathlib.Path) -> Iterator[Warehouse]:
    """ClickHouse as the user analyst. A stopped embedded server is started for the time of the context."""
    settings = settings_of_running(config, data)
    if "clickhouse" in stopped_servers(config, data):
        with _started(settings, DataFolder(data)) as warehouse:
            yield warehouse.as_analyst()
        return
    yield Warehouse(settings.clickhouse).as_analyst()


@contextlib.contextmanager
def _started(settings: ProgramSettings, folder: DataFolder) -> Iterator[Warehouse]:
    from embedded.clickhouse.process import EmbeddedClickHouse
    from embedded.leash import spawn
    from warehouse.settings import ClickHouseSettings

    with naming_full_disk(folder.path), folder.own():
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
    """A number, with its digits as ClickHouse wrote them."""

    __slots__ = ()


def _print_table(answer: bytes) -> None:
    """Print JSONCompact as a table; another format, which a statement may name, is printed unchanged."""
    try:
        table = json.loads(answer.decode("utf-8", "backslashreplace"), parse_float=Digits, parse_int=Digits)
        columns, rows = table["meta"], table["data"]
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
    """A value of an answer as text; arrays and maps look like JSON."""
    match value:
        case Digits():
            return value
        case str():
            return json.dumps(value, ensure_ascii=False) if quoted else value
        case dict():
            return "{" + ", ".join(f"{_text(k, quoted=True)}: {_text(v, quoted=True)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(_text(item, quoted=True) for item in value) + "]"
        case _:
            return json.dumps(value)
