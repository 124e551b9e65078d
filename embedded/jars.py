"""Jars from Maven repositories: locked in a file of the project, fetched once, checked at every use.

A lock file names every jar as ``group:artifact:version sha256``, one a line. Jars lie in the local Maven repository
(``M2_REPO``, else ``~/.m2/repository``); the package ``jgo`` fetches those that are absent. Kafka runs on jars, and the
front-end libraries of the console come in them: `build_backend.py` imports this module from the source tree, where no
dependency but jgo may be installed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

from embedded.errors import JarMismatch, JarsMissing, one_line

__all__ = [
    "Jar",
    "JarSet",
    "Progress",
    "absent",
    "check",
    "jar_at",
    "local_repository",
    "maven",
    "read_lock",
    "resolve",
    "with_dependencies",
    "write_lock",
]

FETCHES_AT_ONCE: Final = 4
LOOK_SECONDS: Final = 0.25
FETCH_ATTEMPTS: Final = 3
ERROR_CHARS_MAX: Final = 200
Progress = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Jar:
    """One jar by its Maven coordinates, with the sha256 of its bytes in hexadecimal."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in a Maven repository and on a class path.

        >>> Jar("org.slf4j", "slf4j-api", "1.7.36", "").file_name
        'slf4j-api-1.7.36.jar'
        """
        return f"{self.artifact}-{self.version}.jar"

    @property
    def repository_path(self) -> Path:
        """Its path below the root of a Maven repository.

        >>> Jar("org.slf4j", "slf4j-api", "1.7.36", "").repository_path.as_posix()
        'org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar'
        """
        return Path(*self.group.split("."), self.artifact, self.version, self.file_name)


@dataclasses.dataclass(frozen=True, slots=True)
class JarSet:
    """The jars of one lock file, and how messages speak of them.

    ``owner`` begins each message, such as ``Kafka``; ``way_out`` says what a person who cannot fetch them can do.
    """

    owner: str
    lock_file: Path
    way_out: str


def read_lock(path: Path) -> list[Jar]:
    """The jars that a lock file names, in its order.

    Raises ``JarMismatch`` for a line that names none, and for a file that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise JarMismatch(f"{path}: the lock file cannot be read ({reason}); restore the original") from error
    jars = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        coordinates, _, sha256 = line.partition(" ")
        parts = coordinates.split(":")
        if len(parts) != 3 or len(sha256) != 64:
            raise JarMismatch(f"{path} line {number} is not `group:artifact:version sha256`: {line}")
        group, artifact, version = parts
        jars.append(Jar(group, artifact, version, sha256))
    return jars


def write_lock(jars: Iterable[Jar], path: Path, header: str = "") -> None:
    """Write a lock file that ``read_lock`` reads. ``header`` is its first lines, each of which begins with ``#``."""
    lines = [f"{jar.group}:{jar.artifact}:{jar.version} {jar.sha256}\n" for jar in jars]
    path.write_text(header + "".join(lines), encoding="utf-8")


def local_repository(environ: Mapping[str, str] = os.environ) -> Path:
    """The local Maven repository: ``M2_REPO``, else ``~/.m2/repository``.

    Raises ``JarsMissing`` where that begins with the home of an account that has none.
    """
    named = environ.get("M2_REPO") or "~/.m2/repository"
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise JarsMissing(
            f"the local Maven repository {named} cannot be found ({one_line(error)}): name a folder for jars in M2_REPO"
        ) from error


def resolve(
    jar_set: JarSet,
    on_progress: Progress = lambda _line: None,
    *,
    on_wait: Callable[[], None] = lambda: None,
    environ: Mapping[str, str] = os.environ,
) -> list[Path]:
    """The path of every jar of a set, in the order of its lock file: fetched where absent, checked in any case.

    ``on_wait`` is called several times a second while jars are fetched; an exception that it raises ends the fetch.
    Raises ``JarsMissing`` where a jar cannot be fetched, ``JarMismatch`` where one is not the locked one.
    """
    locked = read_lock(jar_set.lock_file)
    repository = local_repository(environ)
    if missing := absent(jar_set, environ):
        try:
            _fetch(jar_set, missing, repository, on_progress, on_wait)
        except (JarsMissing, JarMismatch):
            raise
        except Exception as error:  # jgo raises what its parts raise: requests, OSError, RuntimeError
            raise JarsMissing(
                f"{jar_set.owner}'s jars are not in {repository} and cannot be fetched "
                f"({one_line(error, ERROR_CHARS_MAX)}): {jar_set.way_out}"
            ) from error
    return [check(jar_set, jar, repository / jar.repository_path) for jar in locked]


def absent(jar_set: JarSet, environ: Mapping[str, str] = os.environ) -> list[Jar]:
    """The jars of a set that the local Maven repository lacks, or that nobody may look for there."""
    repository = local_repository(environ)
    return [jar for jar in read_lock(jar_set.lock_file) if not _is_file(repository / jar.repository_path)]


def check(jar_set: JarSet, jar: Jar, path: Path) -> Path:
    """``path``, if it holds this jar. Raises ``JarMismatch`` if not, ``JarsMissing`` where it cannot be read."""
    try:
        sha256 = _sha256_of(path)
    except OSError as error:
        raise JarsMissing(f"{path}: cannot be read ({error.strerror}); {jar_set.way_out}") from error
    if sha256 != jar.sha256:
        raise JarMismatch(
            f"{path} is not the {jar.file_name} of {jar_set.lock_file.name} (its sha256 differs): "
            "delete it and start again, or restore the original"
        )
    return path


def maven(repo_cache: Path) -> Any:
    """A ``MavenContext`` of jgo that fetches into ``repo_cache``, from the repositories of the user's jgo settings.

    Raises ``JarsMissing`` where jgo is not installed.
    """
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ImportError:
        raise JarsMissing(
            "the package jgo, which fetches jars, is not installed; it comes with the extra `local`: "
            "pip install -e '.[local]'"
        ) from None
    logging.getLogger("jgo").addHandler(logging.NullHandler())
    logging.getLogger("jgo").propagate = False
    remotes = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    return MavenContext(repo_cache=repo_cache, remote_repos=remotes)


def jar_at(coordinates: str) -> Jar:
    """The jar of ``group:artifact:version`` as a repository serves it now, for a new lock file.

    Raises ``JarsMissing`` where it cannot be had.
    """
    group, artifact, version = coordinates.split(":")
    context = maven(local_repository())
    with _one_line_of(coordinates):
        path = context.project(group, artifact).at_version(version).artifact().resolve()
        return Jar(group, artifact, version, _sha256_of(Path(path)))


def with_dependencies(coordinates: str) -> list[Jar]:
    """The jar of ``group:artifact:version`` and all that it depends on, for a new lock file.

    Raises ``JarsMissing`` where one cannot be had.
    """
    maven(local_repository())  # says how jgo is installed, where it is not
    import jgo

    with _one_line_of(coordinates):
        return [
            Jar(a.groupId, a.artifactId, a.version, _sha256_of(Path(a.resolve()))) for a in jgo.resolve(coordinates)
        ]


@contextlib.contextmanager
def _one_line_of(coordinates: str) -> Iterator[None]:
    """Make every error of jgo, which raises what its parts raise, a ``JarsMissing``."""
    try:
        yield
    except Exception as error:
        raise JarsMissing(f"{coordinates} cannot be fetched ({one_line(error, ERROR_CHARS_MAX)})") from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder above it that this account may not search
        return False


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(
    jar_set: JarSet, missing: Sequence[Jar], repository: Path, on_progress: Progress, on_wait: Callable[[], None]
) -> None:
    """Fetch jars into the local repository. Each arrives whole and checked, or not at all."""
    repository.mkdir(parents=True, exist_ok=True)
    total = len(read_lock(jar_set.lock_file))
    done = total - len(missing)
    on_progress(f"{jar_set.owner}: fetching {len(missing)} of {total} jars into {repository}")
    with tempfile.TemporaryDirectory(dir=repository, prefix=".watchloop-") as temporary:
        context = maven(Path(temporary))
        with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool, _set_at_the_end() as over:
            fetching = [pool.submit(_fetch_one, context, jar, over) for jar in missing]
            for jar, path in zip(missing, _results(fetching, on_wait), strict=True):
                if _sha256_of(path) != jar.sha256:
                    raise JarMismatch(
                        f"the fetched {jar.file_name} is not the one that {jar_set.lock_file.name} names (its sha256 "
                        f"differs): the Maven repository serves another file; {jar_set.way_out}"
                    )
                target = repository / jar.repository_path
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                done += 1
                on_progress(f"{jar_set.owner}: {done}/{total} jars, {jar.file_name}")


@contextlib.contextmanager
def _set_at_the_end() -> Iterator[threading.Event]:
    """An event that is set when the block ends, so that threads of the block stop trying again."""
    over = threading.Event()
    try:
        yield over
    finally:
        over.set()


def _results(futures: Sequence[Future[Path]], on_wait: Callable[[], None]) -> Iterator[Path]:
    """The results in turn. After a failure, or when the caller stops, futures that have not begun are cancelled."""
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
    """Fetch one jar into the context's folder. A failed transfer is tried again, unless ``over`` is set."""
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
