"""The progress of something long: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.texts.visible import visible
from watchloop.terminal.screen import line_of, say
from watchloop.terminal.table_layout import lines_of

__all__ = ["LiveBar"]

BAR_CELLS: Final = 20
LINE_SECONDS: Final = 10.0
"""The time between two lines where there is no terminal."""
DRAWS_A_SECOND: Final = 4


class LiveBar:
    """The progress of ``what`` through ``total`` events, with a line of details below it.

    On a terminal both are redrawn in place, and removed at the end if ``transient``. Elsewhere a line is printed every
    ten seconds, measured by ``clock`` (in seconds).
    """

    def __init__(
        self,
        out: Console,
        what: str,
        total: int,
        *,
        transient: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = out
        self._what = what
        self._total = total
        self._line = ""
        self._clock = clock
        self._said_at = clock()
        self._bar = Progress(
            TextColumn(what), BarColumn(bar_width=BAR_CELLS), MofNCompleteColumn(), TimeElapsedColumn(), console=out
        )
        self._task = self._bar.add_task("", total=total)
        self._live = Live(
            console=out, transient=transient, refresh_per_second=DRAWS_A_SECOND, get_renderable=self._drawn
        )

    def __enter__(self) -> LiveBar:
        if self._out.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, done: int, line: str) -> None:
        """Show that ``done`` events are done, with ``line`` as the details."""
        self._line = line
        if self._out.is_terminal:
            self._bar.update(self._task, completed=done)
        elif self._clock() - self._said_at >= LINE_SECONDS:
            self._said_at = self._clock()
            say(self._out, f"{self._what}: {done} of {self._total}; {line}")

    def _drawn(self) -> Group:
        below = lines_of(visible(self._line), self._out.width) if self._line else []
        return Group(self._bar.get_renderable(), *(line_of(line, "dim") for line in below))
