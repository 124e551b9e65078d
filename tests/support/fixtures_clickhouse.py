"""Fixtures on the embedded ClickHouse: one server a test run, one database a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec
import pytest

from tests.support.shared_servers import PASSWORDS, address_of, unique_name
from warehouse.client import Warehouse
from warehouse.settings import ClickHouseSettings

_numbers = itertools.count(1)
FILLED = "SELECT DISTINCT table FROM system.parts WHERE database = {name:String} AND active"
STATEMENTS = "SELECT name, create_table_query FROM system.tables WHERE database = {name:String}"
Unused = tuple[str, dict[str, str]]
"""A database, and the statements of what is in it."""


@pytest.fixture(scope="session")
def clickhouse() -> ClickHouseSettings:
    """Settings of a running embedded ClickHouse, shared by all tests of the run; no tables yet."""
    return ClickHouseSettings(
        url=address_of("clickhouse"), password=PASSWORDS["watchloop"], analyst_password=PASSWORDS["analyst"]
    )


@pytest.fixture(scope="session")
def unused(clickhouse: ClickHouseSettings) -> list[Unused]:
    """Databases of earlier tests, emptied, whose tables and views are as they were made."""
    return []


@pytest.fixture
def warehouse(clickhouse: ClickHouseSettings, unused: list[Unused]) -> Iterator[Warehouse]:
    """A warehouse with a database for this test alone: tables and views, and no rows.

    To make one takes longer than most tests. What a test has only filled is emptied and serves the next.
    """
    database, made = unused.pop() if unused else _made(clickhouse)
    warehouse = Warehouse(msgspec.structs.replace(clickhouse, database=database))
    yield warehouse
    for table in warehouse.query(FILLED, {"name": database}):
        warehouse.command(f"TRUNCATE TABLE {database}.{table['table']}")
    if _statements(warehouse) == made:
        unused.append((database, made))
    else:
        warehouse.command(f"DROP DATABASE {database} SYNC")
    warehouse.close()


def _made(clickhouse: ClickHouseSettings) -> Unused:
    """A new database, and its statements."""
    warehouse = Warehouse(msgspec.structs.replace(clickhouse, database=unique_name(next(_numbers))))
    warehouse.install()
    made = _statements(warehouse)
    warehouse.close()
    return warehouse.settings.database, made


def _statements(warehouse: Warehouse) -> dict[str, str]:
    """Table or view to the statement that would make it as it is."""
    rows = warehouse.query(STATEMENTS, {"name": warehouse.settings.database})
    return {row["name"]: row["create_table_query"] for row in rows}
