"""Fixtures of tests of commands: the module's servers as a user names them."""

from __future__ import annotations

import pytest

from streams.settings import KafkaSettings
from warehouse.client import Warehouse


@pytest.fixture
def servers(archive: Warehouse, broker: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the module's own ``archive`` and ``broker``, in the environment."""
    clickhouse = archive.settings
    for name, value in {
        "KAFKA_BOOTSTRAP": broker.bootstrap,
        "KAFKA_PREFIX": broker.prefix,
        "KAFKA_PARTITIONS": str(broker.partitions),
        "CLICKHOUSE_URL": clickhouse.url,
        "CLICKHOUSE_DATABASE": clickhouse.database,
        "CLICKHOUSE_PASSWORD": clickhouse.password,
        "CLICKHOUSE_ANALYST_PASSWORD": clickhouse.analyst_password,
    }.items():
        monkeypatch.setenv(f"WATCHLOOP_{name}", value)
