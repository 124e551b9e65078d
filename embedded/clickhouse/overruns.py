"""Statements that do not stop in time: the engine looks at its clock between blocks, and one block may take for ever.

``arrayMap(x -> has(range(1000000), x), range(1000000))`` is one row, and 10¹² steps that nothing interrupts; some such
statements, and no processor is left for anybody. A thread of the engine cannot be ended, so the process is: whoever
started it starts it again, and what was stored is whole.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Overruns"]


class Overruns:
    """Statements that run; ``give_up`` is called with the seconds of one that ran longer than ``seconds_max``."""

    def __init__(
        self, seconds_max: float, give_up: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds_max = seconds_max
        self._give_up = give_up
        self._clock = clock
        self._began: dict[int, float] = {}
        self._numbers = itertools.count()

    @contextmanager
    def running(self) -> Iterator[None]:
        """A statement runs within; threads may share this."""
        number = next(self._numbers)
        self._began[number] = self._clock()
        try:
            yield
        finally:
            del self._began[number]

    def check(self) -> None:
        """Give up where a statement has run for too long."""
        oldest = min(list(self._began.values()), default=None)
        if oldest is not None and self._clock() - oldest > self._seconds_max:
            self._give_up(self._clock() - oldest)

    def watch(self, every_seconds: float = 1.0) -> None:
        """Check now and then, in a thread of its own, as long as the process lives."""

        def watching() -> None:
            while True:
                time.sleep(every_seconds)
                self.check()

        threading.Thread(target=watching, name="clickhouse-overruns", daemon=True).start()
