"""An embedded server of a test's own, and clients of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import clickhouse_connect

from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from warehouse.settings import ClickHouseSettings

PASSWORDS = {"watchloop": "w", "analyst": "a"}
TABLE = "CREATE TABLE t (a UInt32, s String, t DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY a"


def connect(settings: ClickHouseSettings, **options: Any) -> Any:
    host, port = settings.url.removeprefix("http://").split(":")
    named = {"username": settings.user, "password": settings.password, **options}
    return clickhouse_connect.get_client(host=host, port=int(port), **named)


def connect_to(running: EmbeddedClickHouse) -> Any:
    return connect(ClickHouseSettings(url=running.url, password="w"))


def server(folder: Path, **options: Any) -> EmbeddedClickHouse:
    settings = options.pop("settings", EmbeddedClickHouseSettings())
    return EmbeddedClickHouse(folder, settings, passwords=PASSWORDS, **options)
