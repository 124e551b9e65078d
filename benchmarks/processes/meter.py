"""Meter: when a measured process had how much in hand. Only the standard library: peers import it too."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["Meter", "cpu_seconds", "say", "spec_of"]

USER_TICKS, SYSTEM_TICKS = 11, 12
"""Fields of proc(5)'s stat, counted behind the name."""


class Mark(NamedTuple):
    """A moment: seconds on the wall, seconds of CPU of the whole process, events that were in hand before."""

    wall: float
    cpu: float
    events: int


@dataclasses.dataclass(slots=True)
class Meter:
    """Marks every batch when it is in hand: the first one after ``warm_up`` events begins the measurement.

    The last one ends it, so that whole rounds are counted: as many batches taken as handled.
    """

    expected: int
    warm_up: int = 0
    seen: int = 0
    begin: Mark | None = None
    end: Mark | None = None

    def mark(self, events: int) -> None:
        """A batch of ``events`` events is in hand."""
        now = Mark(time.perf_counter(), time.process_time(), self.seen)
        self.seen += events
        if self.begin is not None:
            self.end = now
        elif now.events >= self.warm_up or self.complete:
            self.begin = now

    @property
    def complete(self) -> bool:
        """Everything has been in hand."""
        return self.seen >= self.expected

    def result(self) -> dict[str, float]:
        """Events counted, events a second, microseconds of CPU an event; call it when the last batch is handled."""
        if self.begin is None:
            raise SystemExit("nothing was measured: not one batch came")
        begin, end = self.begin, self.end or Mark(time.perf_counter(), time.process_time(), self.seen)
        events = end.events - begin.events
        return {
            "events": events,
            "rate": events / (end.wall - begin.wall),
            "cpu_us": (end.cpu - begin.cpu) / events * 1e6,
        }


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used so far, all its threads, as Linux counts it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / os.sysconf("SC_CLK_TCK")


def say(what: str, **values: object) -> None:
    """Tell the process that started this one: a JSON object on a line."""
    sys.stdout.write(json.dumps({"what": what, **values}) + "\n")
    sys.stdout.flush()


def spec_of(arguments: list[str]) -> dict[str, object]:
    """What this process is to do: one JSON object, the only argument."""
    spec = json.loads(arguments[1])
    assert isinstance(spec, dict)
    return spec
