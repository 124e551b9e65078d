"""Worker processes of one ``up``, on a leash, so that none outlives the program."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from agents.shared.metric_files import PROCESS_VARIABLE, forget_gauges
from embedded.leash import spawn, stop
from watchloop.processes.parent import PARENT_VARIABLE

__all__ = ["Worker", "WorkerSpec", "Workers"]

LINE_CHARS_SHOWN = 300


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerSpec:
    """The name and the roles of one worker."""

    name: str
    roles: tuple[str, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of ``watchloop worker``."""
        return tuple(part for role in self.roles for part in ("--role", role))


class Worker:
    """One worker process, which waits for its servers itself and writes to the file ``log``."""

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
        """Ask it to finish its work and end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self, seconds_max: float) -> None:
        """End it; kill it after that time."""
        if self._process is not None:
            stop(self._process, seconds_max)


class Workers:
    """The workers of one program, each with its own environment variables; ``folder`` is for their logs."""

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
        """Start all, in the order of their specs, and return them without waiting for an answer."""
        for worker in self._workers:
            worker.start()
        return self._workers

    def stop(self) -> None:
        """Stop all, the last one first; each has ``stop_seconds_max`` to finish its work."""
        for worker in self._workers:
            worker.terminate()
        for worker in reversed(self._workers):
            worker.stop(self._stop_seconds_max)
