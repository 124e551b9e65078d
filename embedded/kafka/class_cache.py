"""The cache file of Kafka's classes, loaded and linked ahead, with which the Java runtime starts in half the time.

See JEP 483 and JEP 514 (ahead-of-time class loading; Java 24 and 25). The cache is a convenience: without one, or with
one that does not fit, the runtime loads classes from the jars.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["cache_file", "keep", "read_options", "write_options"]

NAME_CHARS: Final = 16
TRAINED_ON: Final = b"users, access control lists, TLS between nodes"
"""Part of the cache's name. Change it when nodes come to use other parts of Kafka: then a new cache is made."""


def cache_file(class_path: Sequence[Path], java: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """The path of the cache for exactly these jars and this Java, below ``~/.cache`` or ``XDG_CACHE_HOME``.

    The runtime refuses a cache whose jars have another path, size or time of change, so the name is a digest of these.
    """
    digest = hashlib.sha256(TRAINED_ON)
    for path in (java, *class_path):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    home = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "watchloop" / f"kafka-{digest.hexdigest()[:NAME_CHARS]}.aot"


def read_options(path: Path) -> list[str]:
    """Options of a runtime that uses the cache, if there is one; the runtime ignores a cache that does not fit."""
    return [f"-XX:AOTCache={path}", "-Xlog:disable"] if path.is_file() else []


def write_options(path: Path) -> list[str]:
    """Options of a runtime that writes the cache when it ends (a few seconds, 70 MB)."""
    return [f"-XX:AOTCacheOutput={path}", "-Xlog:disable"]


def keep(new: Path, path: Path) -> None:
    """Copy the cache ``new`` to ``path``, whole or not at all, and delete the caches of earlier jars and runtimes.

    Raises ``OSError`` where there is no ``new``, or no room for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    shutil.copyfile(new, partial)
    partial.replace(path)
    for other in path.parent.glob("kafka-*"):
        if other != path:
            other.unlink(missing_ok=True)
