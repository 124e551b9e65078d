"""Supervisor: starts again whatever process of one ``up`` ends, server or worker, and keeps their logs small."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from watchloop.errors import KeepsEnding
from watchloop.processes.background import Background

__all__ = ["LOG_BYTES_MAX", "Supervisor", "Watched"]

RESTARTS_MAX: Final = 5
RESTARTS_WINDOW_SECONDS: Final = 60.0
STEP_SECONDS: Final = 0.25
LEAVE_SECONDS_MAX: Final = 10.0
"""How long work may take to end once everything is to stop."""
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
"""What is beyond it is set aside as NAME.old, in the place of what was set aside before."""


class Watched(Protocol):
    """A process that is to run as long as the program does."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def log(self) -> pathlib.Path | None:
        """The file that it appends to, if nobody else keeps that small."""

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""

    def start(self) -> None:
        """Start it; whether it answers is not waited for."""

    def last_words(self) -> str:
        """Why it ended as far as it said, and where its log is."""


@dataclasses.dataclass(slots=True)
class Kept:
    """A process, and when it was started of late."""

    watched: Watched
    starts: list[float]


class Supervisor:
    """Call it from the main thread: processes are bound to the thread that starts them.

    ``news`` is asked each time for what else a person should know, an empty text for nothing.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        news: Callable[[], str] = lambda: "",
    ) -> None:
        self._say = say
        self._clock = clock
        self._news = news
        self._kept: list[Kept] = []

    def watch(self, processes: Iterable[Watched]) -> None:
        """Watch processes that were just started; whom the others need comes first."""
        self._kept += [Kept(one, [self._clock()]) for one in processes]

    def check(self) -> None:
        """Start again what has ended. Raises KeepsEnding when that does not help."""
        if news := self._news():
            self._say(news)
        for kept in self._kept:
            if kept.watched.log is not None:
                set_aside(kept.watched.log)
            code = kept.watched.ended()
            if code is not None:
                self._start_again(kept, code)

    def during(self, work: Callable[[], None], stop: threading.Event) -> None:
        """Do ``work`` in another thread and check meanwhile, until it is done or ``stop`` is set; sets it at the end.

        Work may wait for Kafka: who waits for it must not be who starts it again. Raises what either raises.
        """
        background = Background(work)
        try:
            while not (background.is_done(STEP_SECONDS) or stop.is_set()):
                self.check()
        finally:
            stop.set()
            ended = background.is_done(LEAVE_SECONDS_MAX)
        if ended:
            background.result()

    def _start_again(self, kept: Kept, code: int) -> None:
        now, watched = self._clock(), kept.watched
        kept.starts = [start for start in kept.starts if now - start < RESTARTS_WINDOW_SECONDS]
        if len(kept.starts) >= RESTARTS_MAX:
            raise KeepsEnding(
                f"{watched.name} ended {RESTARTS_MAX} times within {RESTARTS_WINDOW_SECONDS:g} s "
                f"(exit code {code}): {watched.last_words()}"
            )
        self._say(f"{watched.name} ended (exit code {code}); starting it again")
        kept.starts.append(now)
        watched.start()


def set_aside(log: pathlib.Path) -> None:
    """Copy a large log to NAME.old and empty it: who appends to it goes on, and a few lines between may be lost."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        shutil.copyfile(log, log.with_suffix(".old"))
        with log.open("ab") as file:
            file.truncate(0)
