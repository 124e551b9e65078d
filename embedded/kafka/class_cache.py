"""Kafka's classes, loaded and linked ahead: a cache file of the Java runtime that halves the time of a start.

See JEP 483 and JEP 514 (ahead-of-time class loading; Java 24 and 25). The cache is a convenience: where there is none,
or where it does not fit, the runtime loads classes as ever.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["cache_file", "keep", "reading", "writing"]

NAME_CHARS: Final = 16
TRAINED_ON: Final = b"users, access control lists, TLS between nodes"
"""Changed where a node comes to use other parts of Kafka, so that the cache is made anew."""


def cache_file(class_path: Sequence[Path], java: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the cache for exactly these jars and this Java lies: ``~/.cache/watchloop``, or under ``XDG_CACHE_HOME``.

    The runtime refuses a cache whose jars have another path, size or time of change, so these make the name.
    """
    digest = hashlib.sha256(TRAINED_ON)
    for path in (java, *class_path):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    home = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "watchloop" / f"kafka-{digest.hexdigest()[:NAME_CHARS]}.aot"


def reading(path: Path) -> list[str]:
    """Options of a runtime that uses the cache, if it is there. A cache that does not fit is passed over in silence."""
    return [f"-XX:AOTCache={path}", "-Xlog:disable"] if path.is_file() else []


def writing(path: Path) -> list[str]:
    """Options of a runtime that writes the cache when it ends (some seconds, 70 MB)."""
    return [f"-XX:AOTCacheOutput={path}", "-Xlog:disable"]


def keep(new: Path, path: Path) -> None:
    """Put a new cache in its place, whole or not at all, and delete those of earlier jars and runtimes.

    Raises ``OSError`` where there is nothing to keep or no room for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    shutil.copyfile(new, partial)
    partial.replace(path)
    for other in path.parent.glob("kafka-*"):
        if other != path:
            other.unlink(missing_ok=True)
