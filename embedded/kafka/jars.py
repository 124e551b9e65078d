"""The jars of Apache Kafka: which ones, where they lie, and whether they are the right ones.

``kafka-jars.lock`` names every jar as ``group:artifact:version sha256``, one a line. Jars come from the local Maven
repository (``M2_REPO``, else ``~/.m2/repository``), or from the folder that ``WATCHLOOP_KAFKA_JARS`` names.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from embedded.errors import JarMismatch, JarsMissing

__all__ = [
    "JARS_VARIABLE",
    "LOCK_FILE",
    "Jar",
    "check",
    "in_folder",
    "is_right",
    "local_repository",
    "missing_text",
    "read_lock",
    "sha256_of",
    "write_lock",
]

LOCK_FILE: Final = Path(__file__).with_name("kafka-jars.lock")
JARS_VARIABLE: Final = "WATCHLOOP_KAFKA_JARS"
LOCK_HEADER: Final = (
    "# Every jar of Apache Kafka that the embedded broker runs on: group:artifact:version and sha256.\n"
    "# Written by `python -m watchloop.processes.kafka_setup lock`, read at every start.\n"
)


class Jar(msgspec.Struct, frozen=True):
    """One jar by its Maven coordinates, with the sha256 of its bytes in hexadecimal."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name by which Maven and the class path know it: ``artifact-version.jar``."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def repository_path(self) -> Path:
        """Where a Maven repository keeps it, relative to the repository's root."""
        return Path(*self.group.split("."), self.artifact, self.version, self.file_name)


def read_lock(path: Path = LOCK_FILE) -> list[Jar]:
    """The jars a lock file names, in class path order. Raises ``JarMismatch`` for a line that is no jar."""
    jars = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        coordinates, _, sha256 = line.partition(" ")
        parts = coordinates.split(":")
        if len(parts) != 3 or len(sha256) != 64:
            raise JarMismatch(f"{path} line {number} is not `group:artifact:version sha256`: {line}")
        group, artifact, version = parts
        jars.append(Jar(group, artifact, version, sha256))
    return jars


def write_lock(jars: Sequence[Jar], path: Path = LOCK_FILE) -> None:
    """Write a lock file that ``read_lock`` reads."""
    lines = [f"{jar.group}:{jar.artifact}:{jar.version} {jar.sha256}\n" for jar in jars]
    path.write_text(LOCK_HEADER + "".join(lines), encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def local_repository(environ: Mapping[str, str] = os.environ) -> Path:
    """The local Maven repository: ``M2_REPO``, else ``~/.m2/repository``."""
    named = environ.get("M2_REPO")
    return Path(named).expanduser() if named else Path.home() / ".m2" / "repository"


def is_right(jar: Jar, path: Path) -> bool:
    """Whether the file at ``path`` is this jar."""
    return sha256_of(path) == jar.sha256


def check(jar: Jar, path: Path) -> Path:
    """``path``, if it holds this jar; raises ``JarMismatch`` if not."""
    if not is_right(jar, path):
        raise JarMismatch(
            f"{path} is not the {jar.file_name} of {LOCK_FILE.name} (its sha256 differs): "
            "delete it and start again, or restore the original"
        )
    return path


def in_folder(folder: Path, jars: Sequence[Jar]) -> list[Path]:
    """Every jar of the lock file in a flat folder, checked. Raises ``JarsMissing`` or ``JarMismatch``."""
    if not folder.is_dir():
        raise JarsMissing(f"{JARS_VARIABLE} names {folder}, which is not a folder: {missing_text()}")
    absent = [jar.file_name for jar in jars if not (folder / jar.file_name).is_file()]
    if absent:
        raise JarsMissing(
            f"{len(absent)} of Kafka's {len(jars)} jars are not in {folder} ({JARS_VARIABLE}), "
            f"{absent[0]} for one: {missing_text()}"
        )
    return [check(jar, folder / jar.file_name) for jar in jars]


def missing_text() -> str:
    """What a person without the jars can do."""
    return (
        f"put the jars of {LOCK_FILE.name} into a folder and name it in {JARS_VARIABLE}, "
        "or use a Kafka of your own with --kafka HOST:PORT"
    )
