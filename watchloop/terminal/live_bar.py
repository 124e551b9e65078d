"""How far something long has come: a bar on a terminal, a line every so often elsewhere."""

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
"""Between two lines where there is no terminal."""
DRAWN_A_SECOND: Final = 4


class LiveBar:
    """``what`` has come so far, of ``total`` events, and below it a line on how it stands.

    On a terminal both are drawn again and again, and are gone at the end where they are ``transient``; elsewhere there
    is a line every ten seconds by ``clock``.
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
            console=out, transient=transient, refresh_per_second=DRAWN_A_SECOND, get_renderable=self._drawn
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
        """Bring the figures up to date."""
        self._line = line
        if self._out.is_terminal:
            self._bar.update(self._task, completed=done)
        elif self._clock() - self._said_at >= LINE_SECONDS:
            self._said_at = self._clock()
            say(self._out, f"{self._what}: {done} of {self._total}; {line}")

    def _drawn(self) -> Group:
        below = lines_of(visible(self._line), self._out.width) if self._line else []
        return Group(self._bar.get_renderable(), *(line_of(line, "dim") for line in below))
