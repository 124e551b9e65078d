"""Three Kafka brokers, a ClickHouse and workers, each a process that tests kill and start again."""

from __future__ import annotations

import base64
import contextlib
import pathlib
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec
from confluent_kafka.admin import AdminClient

from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from embedded.kafka.server import EmbeddedKafka
from embedded.kafka.settings import EmbeddedKafkaSettings
from embedded.leash import spawn
from streams.admin.authority import EVERYBODY
from streams.admin.topics import create_topics
from streams.client_config import common_client_config
from streams.settings import KafkaSettings
from tests.support.kafka_nodes import kill_node
from tests.support.program import ROOT, environment
from tests.support.waiting import PATIENCE_SECONDS, eventually
from warehouse.client import Warehouse
from warehouse.errors import QueryRefused
from warehouse.settings import ClickHouseSettings
from warehouse.store.rows import Row
from watchloop.processes.parent import PARENT_VARIABLE

__all__ = ["PARTITIONS", "SESSION_SECONDS", "Servers", "Worker"]

PARTITIONS: Final = 4
NODES: Final = 3
BATCH_EVENTS_MAX: Final = 400
"""Small transactions: more places at which a kill can fall."""
SESSION_SECONDS: Final = 3
"""After so many seconds the group removes a worker that was killed."""
QUOTA_SPARE_BYTES: Final = 16 * 1024 * 1024
BALLAST_ROWS: Final = 8_192
NOT_ENOUGH_SPACE: Final = 243
"""ClickHouse's code."""
LOG_CHARS: Final = 6_000
PASSWORDS: Final = {"watchloop": "writer", "analyst": "reader"}
ASSIGNED: Final = b'"event": "partitions assigned"'


class Worker:
    """``watchloop worker --role ROLE --slot SLOT``, which a test may start and end many times."""

    def __init__(self, role: str, slot: str, variables: dict[str, str], folder: pathlib.Path) -> None:
        self.role, self.slot = role, slot
        self.log_file = folder / f"{role}-{slot}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._variables = variables
        self._log_begin = 0

    def start(self) -> Worker:
        """Start the process. Only for the main thread: the process ends when the thread that started it ends."""
        with self.log_file.open("ab") as out:
            self._log_begin = out.tell()
            command = [sys.executable, "-m", "watchloop", "worker", "--role", self.role, "--slot", self.slot]
            self.process = spawn(command, stdout=out, stderr=out, env=self._variables, cwd=self.log_file.parent)
        return self

    def kill(self) -> None:
        """End the process with SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process with SIGSTOP, as if its machine were suspended, until the context ends."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Send SIGTERM and wait; fails, with the log, if it does not end in time and with code 0."""
        process, self.process = self.process, None
        assert process is not None
        process.terminate()
        try:
            code = process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            process.wait()
            raise AssertionError(f"did not stop within {PATIENCE_SECONDS:g} s\n{self.log}") from None
        assert code == 0, f"ended with {code}\n{self.log}"

    @property
    def assignments(self) -> int:
        """How often it was assigned partitions since its start, by its log."""
        with self.log_file.open("rb") as file:
            file.seek(self._log_begin)
            return file.read().count(ASSIGNED)

    @property
    def log(self) -> str:
        """The last characters of its log."""
        text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return f"--- {self.log_file.name}\n{text[-LOG_CHARS:]}"


class Servers:
    """The servers and workers of one group of tests. Methods that start a process are for the main thread."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.broker = EmbeddedKafka(folder / "kafka", EmbeddedKafkaSettings(nodes=NODES), access=EVERYBODY)
        self.clickhouse = EmbeddedClickHouse(
            folder / "clickhouse", EmbeddedClickHouseSettings(), passwords=PASSWORDS, spawn=spawn
        )
        self.kafka = KafkaSettings()
        self.warehouse_settings = ClickHouseSettings()
        self.workers: list[Worker] = []

    def start(self) -> Servers:
        """Start the servers and make the topics and tables."""
        self.broker.launch()
        self.clickhouse.start()
        self.kafka = KafkaSettings(bootstrap=self.broker.wait(), replication_factor=NODES, partitions=PARTITIONS)
        self.warehouse_settings = ClickHouseSettings(
            url=self.clickhouse.url, password=PASSWORDS["watchloop"], analyst_password=PASSWORDS["analyst"]
        )
        create_topics(self.kafka)
        return self

    def worker(self, role: str, slot: str) -> Worker:
        """A worker that is not started yet."""
        variables = environment(
            PYTHONPATH=str(ROOT),
            WATCHLOOP_KAFKA_BOOTSTRAP=self.kafka.bootstrap,
            WATCHLOOP_KAFKA_REPLICATION_FACTOR=str(NODES),
            WATCHLOOP_KAFKA_PARTITIONS=str(PARTITIONS),
            WATCHLOOP_KAFKA_SESSION_SECONDS=str(SESSION_SECONDS),
            WATCHLOOP_CLICKHOUSE_URL=self.warehouse_settings.url,
            WATCHLOOP_CLICKHOUSE_PASSWORD=PASSWORDS["watchloop"],
            WATCHLOOP_WORKER_DATA=str(self.folder / "data"),
            WATCHLOOP_WORKER_BATCH_EVENTS_MAX=str(BATCH_EVENTS_MAX),
            PYTHONFAULTHANDLER="1",  # SIGABRT makes it log the stack of every thread
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
        )
        variables.pop(PARENT_VARIABLE, None)
        self.workers.append(Worker(role, slot, variables, self.folder))
        return self.workers[-1]

    def kill_clickhouse(self) -> None:
        """End ClickHouse with SIGKILL; ``clickhouse.start()`` starts it again on its folder and port."""
        process, self.clickhouse.process = self.clickhouse.process, None
        assert process is not None
        process.kill()
        process.wait()

    @contextlib.contextmanager
    def full_clickhouse(self) -> Iterator[Warehouse]:
        """Restart ClickHouse with a quota a little above what it holds, and fill that; at the end make room again."""
        warehouse = self.warehouse()
        stored = warehouse.query("SELECT sum(bytes_on_disk) AS n FROM system.parts")[0]["n"]
        self.clickhouse.stop()
        quota = msgspec.structs.replace(self.clickhouse.settings, disk_bytes_max=stored + QUOTA_SPARE_BYTES)
        self.clickhouse.settings = quota
        self.clickhouse.start()
        warehouse.command("CREATE TABLE ballast (x String) ENGINE = MergeTree ORDER BY tuple()")
        ballast: list[Row] = [{"x": base64.b85encode(random.randbytes(1024)).decode()} for _ in range(BALLAST_ROWS)]

        def full() -> bool:
            try:
                warehouse.insert("ballast", ballast)
            except QueryRefused as error:
                if error.code != NOT_ENOUGH_SPACE:
                    raise
                return True
            return False

        try:
            self.eventually("the quota to be filled", full)
            yield warehouse
        finally:
            warehouse.command("DROP TABLE ballast SYNC")

    def wait_in_sync(self) -> None:
        """Wait until every copy of every partition is up to date, so that another broker may be killed."""
        admin = AdminClient(common_client_config(self.kafka))

        def whole() -> bool:
            topics = admin.list_topics(timeout=PATIENCE_SECONDS).topics.values()
            return all(len(p.isrs) == len(p.replicas) for topic in topics for p in topic.partitions.values())

        self.eventually("all copies in sync", whole)

    def warehouse(self) -> Warehouse:
        """A new connection to ClickHouse."""
        return Warehouse(self.warehouse_settings)

    def wait_assigned(self, workers: Iterable[Worker]) -> None:
        """Wait until each of these workers was assigned partitions since its start."""
        for worker in workers:
            what = f"{worker.role} {worker.slot} at work"
            self.eventually(what, lambda worker=worker: worker.assignments > 0)

    def eventually(self, what: str, condition: Callable[[], bool]) -> None:
        """As ``waiting.eventually``; fails also if a worker ends, and shows the stacks of all workers if time is up."""

        def check() -> bool:
            self.check()
            return condition()

        eventually(what, check, self.last_words)

    def check(self) -> None:
        """Fails if a worker that should run has ended."""
        for worker in self.workers:
            if worker.process is not None and (code := worker.process.poll()) is not None:
                raise AssertionError(f"{worker.role} {worker.slot} ended by itself with {code}\n{worker.log}")

    def last_words(self) -> str:
        """End every worker with SIGABRT, so that it logs the stack of each thread; returns the logs."""
        for worker in self.workers:
            if worker.process is not None and worker.process.poll() is None:
                worker.process.send_signal(signal.SIGABRT)
                worker.process.wait()
                worker.process = None
        return self.log()

    def log(self) -> str:
        """The last characters of each worker's log."""
        return "\n".join(worker.log for worker in self.workers)

    def count_in_logs(self, text: bytes) -> int:
        """How often a text occurs in the logs of the workers."""
        return sum(worker.log_file.read_bytes().count(text) for worker in self.workers if worker.log_file.exists())

    def end(self) -> None:
        """Kill every process; an orderly stop is tested elsewhere."""
        for worker in self.workers:
            if worker.process is not None:
                worker.kill()
        if self.clickhouse.process is not None:
            self.kill_clickhouse()
        for node in tuple(self.broker.processes):
            kill_node(self.broker, node)
