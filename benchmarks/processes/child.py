"""Child: a measured process, seen from the one that started it. It ends with it, and with its part."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from embedded.leash import spawn, stop

__all__ = ["Child", "FailedError"]

ROOT: Final = Path(__file__).resolve().parents[2]
STOP_SECONDS: Final = 2.0
LAST_CHARS: Final = 2_000
ONE_THREAD: Final = {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
"""As the program starts its own workers."""


class FailedError(Exception):
    """A measured process ended, or said nothing in time; the text has its last words."""


class Child:
    """``python -m benchmarks.processes.MODULE SPEC``: what it says are JSON objects, one a line."""

    def __init__(self, module: str, spec: Mapping[str, object], folder: Path, *, python: str = sys.executable) -> None:
        self.module = module
        self._words = folder / f"{module}-{time.monotonic_ns()}.log"
        with self._words.open("wb") as words:
            self.process = spawn(
                [python, "-m", f"benchmarks.processes.{module}", json.dumps(spec)],
                stdout=subprocess.PIPE,
                stderr=words,
                cwd=ROOT,
                env={**os.environ, **ONE_THREAD},
            )
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_for(self, what: str, seconds_max: float, **wanted: object) -> dict[str, Any]:
        """Its next line of that kind, with those values; others are passed over. Raises FailedError."""
        deadline = time.monotonic() + seconds_max
        while True:
            try:
                said = self._said.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise self._failed(f"did not say {what!r} within {seconds_max:g} s") from None
            if said is None:
                raise self._failed(f"ended before it said {what!r}")
            if said["what"] == what and wanted.items() <= said.items():
                return said

    def stop(self) -> None:
        """End it, kindly for a moment."""
        stop(self.process, STOP_SECONDS)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                self._said.put(json.loads(line))
            except ValueError:
                continue
        self._said.put(None)

    def _failed(self, how: str) -> FailedError:
        words = self._words.read_text(errors="replace")[-LAST_CHARS:].strip()
        return FailedError(f"the {self.module} process {how}" + (f"; its last words:\n{words}" if words else ""))
