"""The front-end libraries of the pages: WebJars, whose files lie in ``console/static`` once the package is built.

``webjars.lock`` names the jars. `build_backend.py`, which every installation runs, fetches them and unpacks the files.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
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


class FrontEndMissing(Exception):  # noqa: N818 - reads as what happened
    """A file of the front-end libraries is absent. The text is one line: which, where, what to run."""


def unpack(jars: Sequence[Path], folder: Path = STATIC) -> list[Path]:
    """Write the files of ``LIBRARIES`` into ``folder``, byte for byte; returns their paths.

    ``jars`` are the WebJars in the order of ``LIBRARIES``. A file that has the right bytes is left alone.
    """
    unpacked = []
    for (coordinates, files), jar in zip(LIBRARIES.items(), jars, strict=True):
        _, artifact, version = coordinates.split(":")
        with zipfile.ZipFile(jar) as opened:
            for path, name in files.items():
                content = opened.read(f"META-INF/resources/webjars/{artifact}/{version}/{path}")
                unpacked.append(_write(folder / name, content))
    return unpacked


def check_front_end(folder: Path = STATIC) -> None:
    """Raise FrontEndMissing unless ``folder`` has every file of the front-end libraries."""
    absent = [name for files in LIBRARIES.values() for name in files.values() if not (folder / name).is_file()]
    if absent:
        raise FrontEndMissing(
            f"{folder} has no {absent[0]}, a file of the console's front-end libraries: run `python build_backend.py` "
            "in the checkout of watchloop, or install the package again"
        )


def _write(path: Path, content: bytes) -> Path:
    """Replace a file whole, unless it has this content; returns its path."""
    if not path.is_file() or path.read_bytes() != content:
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(content)
        partial.replace(path)
    return path
