"""Fixtures on the embedded ClickHouse: one server a test run, one database a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec
import pytest

from warehouse.client import Warehouse
from warehouse.embedded import EmbeddedClickHouse
from warehouse.settings import ClickHouseSettings, EmbeddedClickHouseSettings

_numbers = itertools.count(1)
PASSWORDS = {"watchloop": "writer's pässword", "analyst": "analyst:password"}


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseSettings]:
    """Settings of a running embedded ClickHouse, shared by all tests of the run; no tables yet."""
    folder = tmp_path_factory.mktemp("clickhouse")
    with EmbeddedClickHouse(folder, EmbeddedClickHouseSettings(), passwords=PASSWORDS) as running:
        yield ClickHouseSettings(
            url=running.url, password=PASSWORDS["watchloop"], analyst_password=PASSWORDS["analyst"]
        )


@pytest.fixture
def warehouse(clickhouse: ClickHouseSettings) -> Iterator[Warehouse]:
    """A warehouse with a database of this test's own, tables and views made."""
    warehouse = Warehouse(msgspec.structs.replace(clickhouse, database=f"test{next(_numbers)}"))
    warehouse.install()
    yield warehouse
    warehouse.close()
