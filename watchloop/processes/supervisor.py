"""Supervisor: restarts each server or worker of one ``up`` that ends, and keeps their logs small."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from watchloop.errors import KeepsEnding
from watchloop.processes.stopping import Background

__all__ = ["LOG_BYTES_MAX", "Supervisor", "Watched"]

RESTARTS_MAX: Final = 5
RESTARTS_WINDOW_SECONDS: Final = 60.0
STEP_SECONDS: Final = 0.25
LEAVE_SECONDS_MAX: Final = 10.0
"""How long the work of ``during`` may take to end after a stop."""
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
"""A larger log is moved to NAME.old, which replaces the one before."""


class Watched(Protocol):
    """A process that is to run for as long as the program does."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def log(self) -> pathlib.Path | None:
        """The log that the supervisor has to keep small; None if the process does so itself."""

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""

    def start(self) -> None:
        """Start it, without waiting for an answer."""

    def last_words(self) -> str:
        """The last line that says why it ended, and where its log is."""


@dataclasses.dataclass(slots=True)
class Kept:
    """A process, and the times of its recent starts."""

    watched: Watched
    starts: list[float]


class Supervisor:
    """Watches processes and restarts them. Call it from the main thread, to which child processes are bound.

    Each check calls ``news`` too, and says the line that it returns, unless it is empty.
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
        """Watch processes that were just started; those that others depend on come first."""
        self._kept += [Kept(process, [self._clock()]) for process in processes]

    def check(self) -> None:
        """Restart every process that has ended. Raises KeepsEnding for one that ends again and again."""
        if news := self._news():
            self._say(news)
        for kept in self._kept:
            if kept.watched.log is not None:
                set_aside(kept.watched.log)
            code = kept.watched.ended()
            if code is not None:
                self._start_again(kept, code)

    def during(self, work: Callable[[], None], stop: threading.Event) -> None:
        """Do ``work`` in another thread and check meanwhile, until it is done or ``stop`` is set; then set ``stop``.

        ``work`` may wait for Kafka, so it must not run in the thread that restarts Kafka. Raises what ``work`` or a
        check raises.
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
    """Copy a large log to NAME.old and empty it. Its writer goes on; a few lines in between may be lost."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        shutil.copyfile(log, log.with_suffix(".old"))
        with log.open("ab") as file:
            file.truncate(0)
