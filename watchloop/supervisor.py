"""Worker processes of one ``up``: started on a leash, watched, started again when they die."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from agents.orphans import PARENT_VARIABLE
from streams.local.leash import spawn, stop
from watchloop.errors import WorkerFailed

__all__ = ["Supervisor", "WorkerSpec"]

RESTARTS_MAX = 5
RESTARTS_WINDOW_SECONDS = 60.0
LOG_BYTES_MAX = 16 * 1024 * 1024
"""A log beyond it is set aside as NAME.old at the next start of its worker."""


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker: its name, and the arguments of ``watchloop worker``."""

    name: str
    arguments: tuple[str, ...]


@dataclasses.dataclass(slots=True)
class Running:
    """A worker that runs, and when it was started."""

    spec: WorkerSpec
    process: subprocess.Popen[bytes]
    starts: list[float]


class Supervisor:
    """Starts and watches workers. Call it from the main thread: the leash is bound to it."""

    def __init__(self, environment: Mapping[str, str], log: pathlib.Path, stop_seconds_max: float) -> None:
        self._environment = {**os.environ, **environment, PARENT_VARIABLE: str(os.getpid())}
        self._log = log
        self._stop_seconds_max = stop_seconds_max
        self._running: list[Running] = []

    def start(self, specs: Sequence[WorkerSpec]) -> None:
        """Start workers; they wait for their servers themselves."""
        self._log.mkdir(parents=True, exist_ok=True)
        for spec in specs:
            self._running.append(Running(spec, self._spawn(spec), [time.monotonic()]))

    def check(self) -> None:
        """Start again who has died. Raises WorkerFailed when one dies again and again."""
        for running in self._running:
            code = running.process.poll()
            if code is None:
                continue
            now = time.monotonic()
            running.starts = [start for start in running.starts if now - start < RESTARTS_WINDOW_SECONDS]
            if len(running.starts) >= RESTARTS_MAX:
                raise WorkerFailed(
                    f"worker {running.spec.name} ended {RESTARTS_MAX} times within {RESTARTS_WINDOW_SECONDS:g} s "
                    f"(exit code {code}): {self.last_line(running.spec)}; its log is {self.log_file(running.spec)}"
                )
            running.starts.append(now)
            running.process = self._spawn(running.spec)

    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return {running.spec.name: running.process.pid for running in self._running}

    def stop(self) -> None:
        """Stop all, newest first, each with its time to finish what is in hand."""
        for running in self._running:
            if running.process.poll() is None:
                running.process.terminate()
        for running in reversed(self._running):
            stop(running.process, self._stop_seconds_max)
        self._running = []

    def log_file(self, spec: WorkerSpec) -> pathlib.Path:
        """Where a worker's log goes."""
        return self._log / f"{spec.name}.log"

    def last_line(self, spec: WorkerSpec) -> str:
        """The last line of a worker's log."""
        lines = self.log_file(spec).read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "no log"

    def _spawn(self, spec: WorkerSpec) -> subprocess.Popen[bytes]:
        file = self.log_file(spec)
        if file.exists() and file.stat().st_size > LOG_BYTES_MAX:
            file.replace(file.with_suffix(".old"))
        with file.open("ab") as out:
            return spawn(
                [sys.executable, "-m", "watchloop", "worker", *spec.arguments],
                stdout=out,
                stderr=out,
                env=self._environment,
            )
