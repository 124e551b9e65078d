"""The front-end libraries of the pages: WebJars, whose files lie in ``console/static`` once the package is built.

``webjars.lock`` names the jars. `build_backend.py`, which every installation runs, fetches them and unpacks the files.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["LIBRARIES", "LOCK_FILE", "STATIC", "FrontEndMissing", "check_front_end", "unpack"]

STATIC: Final = Path(__file__).with_name("static")
LOCK_FILE: Final = Path(__file__).with_name("webjars.lock")
LIBRARIES: Final = {
    "org.webjars.npm:htmx.org:2.0.4": {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE.txt"},
    "org.webjars.npm:uplot:1.6.30": {
        "dist/uPlot.iife.min.js": "uPlot.iife.min.js",
        "dist/uPlot.min.css": "uPlot.min.css",
        "LICENSE": "uPlot.LICENSE.txt",
    },
}
"""Maven coordinates of a WebJar to its files that pages need: the path in the library to the name in ``static``."""
LOCK_ANEW: Final = "set LIBRARIES in console/front_end.py right, and run `python build_backend.py lock`"


class FrontEndMissing(Exception):  # noqa: N818 - reads as what happened
    """A file of the front-end libraries is absent, or cannot be unpacked. One line: which, where, what to do."""


def unpack(jars: Sequence[Path], folder: Path = STATIC) -> list[Path]:
    """Write the files of ``LIBRARIES`` into ``folder``, byte for byte; returns their paths.

    ``jars`` are the WebJars in the order of ``LIBRARIES``. A file that has the right bytes is left alone. Raises
    FrontEndMissing where a jar lacks a file, or ``folder`` takes none.
    """
    if len(jars) != len(LIBRARIES):
        raise FrontEndMissing(f"{LOCK_FILE} names {len(jars)} jars, expected {len(LIBRARIES)}: {LOCK_ANEW}")
    contents: dict[Path, bytes] = {}
    for (coordinates, files), jar in zip(LIBRARIES.items(), jars, strict=True):
        contents |= {folder / name: content for name, content in _read(jar, coordinates, files).items()}
    try:
        _write({path: content for path, content in contents.items() if not _holds(path, content)}, folder)
    except OSError as error:
        raise FrontEndMissing(
            f"{error.filename2 or error.filename}: cannot write a file of the console's front-end libraries "
            f"({error.strerror}); make {folder.parent} and {folder} folders that you may write to"
        ) from error
    return list(contents)


def check_front_end(folder: Path = STATIC) -> None:
    """Raise FrontEndMissing unless ``folder`` has every file of the front-end libraries."""
    absent = [name for files in LIBRARIES.values() for name in files.values() if not (folder / name).is_file()]
    if absent:
        raise FrontEndMissing(
            f"{folder} has no {absent[0]}, a file of the console's front-end libraries: run `python build_backend.py` "
            "in the checkout of watchloop, or install the package again"
        )


def _read(jar: Path, coordinates: str, files: Mapping[str, str]) -> dict[str, bytes]:
    """The contents of a library's files, by their names in ``static``."""
    _, artifact, version = coordinates.split(":")
    begin = f"META-INF/resources/webjars/{artifact}/{version}"
    try:
        with zipfile.ZipFile(jar) as opened:
            return {name: opened.read(f"{begin}/{path}") for path, name in files.items()}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        reason = str(error.strerror if isinstance(error, OSError) else error.args[0])
        raise FrontEndMissing(f"{jar} is not the WebJar of {coordinates} ({reason}): {LOCK_ANEW}") from error


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _write(contents: Mapping[Path, bytes], folder: Path) -> None:
    """Replace files whole.

    They are written in a folder of this process beside ``folder``: builds at the same time do not meet, and a build
    that is killed leaves nothing that is served or packaged.
    """
    if not contents:
        return
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".front-end-") as temporary:
        for path, content in contents.items():
            partial = Path(temporary, path.name)
            partial.write_bytes(content)
            partial.replace(path)
