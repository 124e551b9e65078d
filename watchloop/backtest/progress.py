"""A bar on stderr while a backtest runs, on a terminal only."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.visible import visible
from watchloop.backtest.loop import Loop
from watchloop.screen import printing_console

__all__ = ["BacktestProgress"]


class BacktestProgress:
    """Replayed events, and how the loop stands."""

    def __init__(self, events: int, console: Console | None = None) -> None:
        out = console or printing_console(stderr=True)
        self._bar = Progress(
            TextColumn("backtest"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=out,
            disable=not out.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=events)

    def __enter__(self) -> BacktestProgress:
        self._bar.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, loop: Loop) -> None:
        """Bring the line up to date after a batch; nothing where the output is no terminal."""
        if self._bar.disable:
            return
        score = loop.score
        line = (
            f"{score.reviewed} reviewed, {len(loop.alerts)} alerts, in charge: {loop.served or 'production'},"
            f" accuracy {score.accuracy_model:.3f} → {score.accuracy_learned:.3f}"
        )
        self._bar.update(self._task, completed=score.events, description=visible(line))
