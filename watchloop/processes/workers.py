"""Worker processes of one ``up``, on a leash: none outlives the program."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from agents.shared.metric_files import PROCESS_VARIABLE, forget_gauges
from embedded.leash import spawn, stop
from watchloop.processes.orphans import PARENT_VARIABLE

__all__ = ["Worker", "WorkerSpec", "Workers"]

LINE_CHARS_SHOWN = 300


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker: its name, and its roles."""

    name: str
    roles: tuple[str, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of ``watchloop worker``."""
        return tuple(part for role in self.roles for part in ("--role", role))


class Worker:
    """One worker process; it waits for its servers itself. ``log`` is where it writes."""

    def __init__(self, spec: WorkerSpec, environment: Mapping[str, str], log: pathlib.Path) -> None:
        self.name = f"worker {spec.name}"
        self.log = log
        self._command = [sys.executable, "-P", "-m", "watchloop", "worker", *spec.arguments]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it, for the first time or again, from the main thread."""
        forget_gauges(self._environment)
        with self.log.open("ab") as out:
            self._process = spawn(self._command, stdout=out, stderr=out, env=self._environment)

    def last_words(self) -> str:
        """The last line of its log, and where that is."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1][:LINE_CHARS_SHOWN] if lines else 'it said nothing'}; its log is {self.log}"

    def terminate(self) -> None:
        """Ask it to finish what is in hand."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self, seconds_max: float) -> None:
        """End it; after that time by force."""
        if self._process is not None:
            stop(self._process, seconds_max)


class Workers:
    """The workers of one program, each with variables of its own; ``folder`` is for their logs."""

    def __init__(
        self,
        specs: Sequence[WorkerSpec],
        environment_of: Callable[[WorkerSpec], Mapping[str, str]],
        folder: pathlib.Path,
        stop_seconds_max: float,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        common = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
        self._workers = [
            Worker(spec, {**common, PROCESS_VARIABLE: spec.name, **environment_of(spec)}, folder / f"{spec.name}.log")
            for spec in specs
        ]
        self._stop_seconds_max = stop_seconds_max

    def start(self) -> Sequence[Worker]:
        """Start all, in the order of their specs, and return them; they may not answer yet."""
        for worker in self._workers:
            worker.start()
        return self._workers

    def stop(self) -> None:
        """Stop all, newest first, each with its time to finish what is in hand."""
        for worker in self._workers:
            worker.terminate()
        for worker in reversed(self._workers):
            worker.stop(self._stop_seconds_max)
