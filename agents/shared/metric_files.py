"""The folder in which workers of one program share their numbers, so that the one with the console shows all of them.

The files of a worker bear its name, not its process id. So its counts go on when it is started again, and the number of
files does not grow. Its gauges are removed once it has ended.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Final

__all__ = ["FOLDER_VARIABLE", "PROCESS_VARIABLE", "empty_metrics", "forget_gauges"]

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The folder of the files; unset for a worker that shows its own numbers."""
PROCESS_VARIABLE: Final = "WATCHLOOP_METRICS_PROCESS"
"""The name of a worker among those that share the folder, without underscores. Its process id if unset."""


def empty_metrics(folder: pathlib.Path) -> None:
    """Make an empty folder for a program that starts; numbers of an earlier run are removed."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink()


def forget_gauges(variables: Mapping[str, str]) -> None:
    """Remove the gauges of the worker that was started with these environment variables, and keep its counters."""
    if FOLDER_VARIABLE in variables and PROCESS_VARIABLE in variables:
        for file in pathlib.Path(variables[FOLDER_VARIABLE]).glob(f"gauge_live*_{variables[PROCESS_VARIABLE]}.db"):
            file.unlink(missing_ok=True)
