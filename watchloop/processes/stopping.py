"""How a program that runs for long is told to stop: by Ctrl-C, by SIGTERM, or because its terminal was closed."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from embedded.kafka.collaborators import Waiting
from watchloop.processes.background import Background

__all__ = ["Stopped", "Stopping", "stoppable"]

T = TypeVar("T")

LOOK_SECONDS: Final = 0.25
"""How often who waits for something looks whether to stop."""


class Stopped(BaseException):
    """The program was told to stop while it started. No error, and for nobody but the program itself to catch:
    everything that has started is stopped in order."""


class Stopping(Waiting):
    """A start that ends once ``stop`` is set; that it does is said."""

    def __init__(self, stop: threading.Event, say: Callable[[str], None]) -> None:
        self._stop = stop
        self._say = say
        self._is_told = False

    def tell(self) -> None:
        """Say, once, that the program stops."""
        if not self._is_told:
            self._is_told = True
            self._say("stopping")

    def check(self) -> None:
        """Raises Stopped once the program is to stop."""
        if self._stop.is_set():
            self.tell()
            raise Stopped

    def wait_for(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises; it is done in another thread, and left alone by a stop.

        For questions to servers, which can take long to answer. Raises Stopped.
        """
        self.check()
        background = Background(work)
        while not background.is_done(LOOK_SECONDS):
            self.check()
        return background.result()


@contextlib.contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Ctrl-C, SIGTERM and the end of the terminal set a flag instead of tearing through what is in hand.

    A program that was started to outlive its terminal (``nohup``) does. The main thread, which signals interrupt, must
    not wait for the flag: it could hold the flag's lock.
    """
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] == signal.SIG_IGN:
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
