"""Writes docs/warehouse.md from the tables' comments, when run as ``python -m watchloop.warehouse_page``."""

from __future__ import annotations

import itertools
import pathlib
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from warehouse.client import Warehouse
from warehouse.settings import ClickHouseSettings
from warehouse.store.tables import SAME_ROWS
from watchloop.terminal.screen import print_error

__all__ = ["PAGE", "main", "warehouse_page"]

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]
Described = dict[str, list[tuple[str, str, str]]]
"""The columns of each table and view: name, type, meaning."""

PAGE: Final = pathlib.Path(__file__).parents[1] / "docs" / "warehouse.md"
IDENTITY: Final = ("_topic_id", "_partition", "_offset", "_index")

MADE_FROM: Final = "\n## Views\n"
"""The generated part of the page begins here; what stands before is written by hand."""


def warehouse_page(page: str, ask: Ask, database: str) -> str:
    """The whole page as Markdown, with the hand-written beginning of ``page``.

    ``ask`` is ``Warehouse.query`` of a database that has the tables and views.
    """
    tables = ask(
        "SELECT name, engine = 'View' AS is_view, comment FROM system.tables WHERE database = {name:String}",
        {"name": database},
    )
    columns = ask(
        "SELECT table, name, type, comment FROM system.columns WHERE database = {name:String} ORDER BY table, position",
        {"name": database},
    )
    described: Described = {
        table: [(row["name"], row["type"], row["comment"]) for row in rows]
        for table, rows in itertools.groupby(columns, key=lambda row: row["table"])
    }
    words = {row["name"]: row["comment"] for row in tables}
    parts = [page.partition(MADE_FROM)[0]]
    for heading, is_view in (("Views", True), ("Tables", False)):
        names = sorted(row["name"] for row in tables if bool(row["is_view"]) == is_view)
        parts.append(f"## {heading}\n")
        parts += itertools.chain.from_iterable(section(name, words[name], described) for name in names)
    return "\n".join(parts)


def section(name: str, words: str, described: Described) -> Iterator[str]:
    """The section of a table or view: the meaning of a row, then the columns."""
    yield f"### `{name}`\n"
    yield f"{words}\n"
    of_table = set(described[SAME_ROWS[name]]) if name in SAME_ROWS else set()
    own = [column for column in described[name] if column not in of_table and column[0] not in IDENTITY]
    if of_table:
        yield f"The columns of [`{SAME_ROWS[name]}`](#{SAME_ROWS[name]}){', but for these:' if own else '.'}\n"
    if own:
        yield "| column | type | meaning |\n|---|---|---|"
        yield from (f"| `{column}` | {type_} | {meaning} |" for column, type_, meaning in own)
        yield ""


def main() -> None:
    """Write the page, from an engine of its own; exit code 2 where there is no source tree to write it into."""
    if not PAGE.parent.is_dir():
        print_error(f"{PAGE.parent}: there is no such folder; run this in a source tree of watchloop")
        sys.exit(2)
    passwords = {name: secrets.token_urlsafe(24) for name in ("watchloop", "analyst")}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedClickHouse(pathlib.Path(folder), EmbeddedClickHouseSettings(), passwords=passwords) as running,
    ):
        settings = ClickHouseSettings(url=running.url, password=passwords["watchloop"])
        warehouse = Warehouse(settings)
        warehouse.install()
        PAGE.write_text(warehouse_page(PAGE.read_text(), warehouse.query, settings.database))
        warehouse.close()
    print_error(f"{PAGE} written")


if __name__ == "__main__":
    main()
