"""``watchloop query``: SQL as the analyst, while the program runs and after it has stopped."""

from __future__ import annotations

import contextlib
import enum
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from agents.settings import Settings
from warehouse.client import Warehouse
from watchloop.cli_shared import Config, Data, printing_console, said, settings_of_running
from watchloop.errors import NoAccess
from watchloop.folder import DataFolder

__all__ = ["add_to"]


class Format(enum.StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


CLICKHOUSE_FORMATS = {Format.CSV: "CSVWithNames", Format.PARQUET: "Parquet", Format.JSON: "JSONEachRow"}
TABLE_ROWS_MAX = 1_000


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog='Example: watchloop query "SELECT decision, count() FROM verdicts GROUP BY decision"')(query)


@said
def query(
    sql: Annotated[str, typer.Argument(help="One statement; - reads it from standard input.")],
    format_: Annotated[Format, typer.Option("--format", "-f", help="How to print the answer.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[pathlib.Path | None, typer.Option(help="Write the answer into a file.")] = None,
    data: Data = pathlib.Path("data"),
    config: Config = None,
) -> None:
    """Ask ClickHouse as the user analyst, who only reads."""
    chosen = Format.JSON if as_json else format_
    text = sys.stdin.read() if sql == "-" else sql
    with analyst(config, data) as warehouse:
        answer = _table(warehouse, text) if chosen is Format.TABLE else warehouse.raw(text, CLICKHOUSE_FORMATS[chosen])
    if out is not None:
        try:
            out.write_bytes(answer)
        except OSError as error:
            raise NoAccess(f"{out}: cannot be written ({error.strerror})") from error
    else:
        sys.stdout.buffer.write(answer)
        sys.stdout.flush()


@contextlib.contextmanager
def analyst(config: pathlib.Path | None, data: pathlib.Path) -> Iterator[Warehouse]:
    """The ClickHouse of the running program or of the settings; else the folder's embedded one, started for this."""
    settings = settings_of_running(config, data)
    folder = DataFolder(data)
    if folder.endpoints() is None and (data / "clickhouse").is_dir() and _is_default(settings):
        with _stopped(settings, folder) as found:
            yield found.as_analyst()
        return
    yield Warehouse(settings.clickhouse).as_analyst()


def _is_default(settings: Settings) -> bool:
    return settings.clickhouse.url == Settings().clickhouse.url


@contextlib.contextmanager
def _stopped(settings: Settings, folder: DataFolder) -> Iterator[Warehouse]:
    from streams.local.leash import spawn
    from warehouse.embedded_process import EmbeddedClickHouse
    from warehouse.settings import ClickHouseSettings

    users = folder.secrets().clickhouse_users
    server = EmbeddedClickHouse(
        folder.path / "clickhouse",
        settings.embedded_clickhouse,
        passwords=users,
        database=settings.clickhouse.database,
        spawn=spawn,
    )
    with folder.own(), server:
        yield Warehouse(
            ClickHouseSettings(
                url=server.url,
                database=settings.clickhouse.database,
                password=users["watchloop"],
                analyst_password=users["analyst"],
            )
        )


def _table(warehouse: Warehouse, sql: str) -> bytes:
    from rich.table import Table

    answer = warehouse.raw(sql, "JSONCompact")
    try:
        found = json.loads(answer)
        names, rows = [column["name"] for column in found["meta"]], found["data"]
    except (ValueError, KeyError, TypeError):
        return answer
    table = Table(*names)
    for row in rows[:TABLE_ROWS_MAX]:
        table.add_row(*(_cell(value) for value in row))
    console = printing_console()
    with console.capture() as captured:
        console.print(table)
        if len(rows) > TABLE_ROWS_MAX:
            console.print(f"the first {TABLE_ROWS_MAX} of {len(rows)} rows; --format csv has them all")
    return captured.get().encode()


def _cell(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value)
    return "" if value is None else str(value)
