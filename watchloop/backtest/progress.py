"""What stderr shows while a backtest runs."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console

from watchloop.backtest.loop import Loop
from watchloop.live_bar import LiveBar
from watchloop.screen import printing_console

__all__ = ["BacktestProgress"]


class BacktestProgress:
    """Replayed events, and how the loop stands; gone from a terminal at the end."""

    def __init__(self, events: int, console: Console | None = None) -> None:
        self._bar = LiveBar(console or printing_console(stderr=True), "backtest", events, transient=True)

    def __enter__(self) -> BacktestProgress:
        self._bar.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.__exit__(exc_type, exc, traceback)

    def show(self, loop: Loop) -> None:
        """Bring the line up to date after a batch."""
        score = loop.score
        self._bar.show(
            score.events,
            f"{score.reviewed} reviewed, {len(loop.alerts)} alerts, in charge: {loop.served or 'production'},"
            f" accuracy {score.accuracy_model:.3f} → {score.accuracy_learned:.3f}",
        )
