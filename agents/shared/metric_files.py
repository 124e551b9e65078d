"""Where the workers of one program keep their numbers, so that the one with the console shows those of all.

Each worker has files of its own by its name, not by its process id: what it counted goes on when it is started again,
and there are no more files however often it is. What a worker measured is nobody's once it has ended.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Final

__all__ = ["FOLDER_VARIABLE", "PROCESS_VARIABLE", "empty_metrics", "forget_gauges"]

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The folder of the files; unset for a worker that shows its own numbers."""
PROCESS_VARIABLE: Final = "WATCHLOOP_METRICS_PROCESS"
"""A worker's name among those that share the folder, without underscores; its process id where it is unset."""


def empty_metrics(folder: pathlib.Path) -> None:
    """Make the folder ready for a program's start: without numbers of before."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink()


def forget_gauges(variables: Mapping[str, str]) -> None:
    """Nothing is shown any more of what the worker with these environment variables measured; what it counted is."""
    if FOLDER_VARIABLE in variables and PROCESS_VARIABLE in variables:
        for file in pathlib.Path(variables[FOLDER_VARIABLE]).glob(f"gauge_live*_{variables[PROCESS_VARIABLE]}.db"):
            file.unlink(missing_ok=True)
