"""How a program that runs for long is stopped: by Ctrl-C, by SIGTERM, or because its terminal was closed."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from embedded.kafka.collaborators import Waiting

__all__ = ["Background", "Stopped", "Stopping", "stoppable"]

T = TypeVar("T")

LOOK_SECONDS: Final = 0.25
"""How often a wait looks whether the program is to stop."""


class Stopped(BaseException):
    """The program was stopped while it started. Only the program itself catches it: what has started is then stopped
    in order."""


class Stopping(Waiting):
    """Ends a start once ``stop`` is set, and says so with ``say``."""

    def __init__(self, stop: threading.Event, say: Callable[[str], None]) -> None:
        self._stop = stop
        self._say = say
        self._is_said = False

    def tell(self) -> None:
        """Say that the program stops; later calls say nothing."""
        if not self._is_said:
            self._is_said = True
            self._say("stopping")

    def check(self) -> None:
        """Raises Stopped once the program is to stop."""
        if self._stop.is_set():
            self.tell()
            raise Stopped

    def wait_for(self, work: Callable[[], T]) -> T:
        """Returns or raises what ``work`` does, which runs in another thread; a stop leaves it running there.

        For questions to servers, which may answer late. Raises Stopped once the program is to stop.
        """
        self.check()
        background = Background(work)
        while not background.is_done(LOOK_SECONDS):
            self.check()
        return background.result()


class Background(Generic[T]):
    """Runs ``work`` in a thread of its own, from now on; the program does not wait for the thread when it ends."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:  # noqa: BLE001  # result() raises it again
            self._error = error

    def is_done(self, seconds: float) -> bool:
        """Whether the work has ended, after waiting for it at most so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> T:
        """Wait for the work, then return its value or raise its error."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]


@contextlib.contextmanager
def stoppable() -> Iterator[threading.Event]:
    """A flag that Ctrl-C, SIGTERM and the end of the terminal set, instead of interrupting the program.

    A program that was started to outlive its terminal (``nohup``) outlives it. The main thread handles the signals, and
    must not wait for the flag: a signal could find it holding the flag's lock.
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
