"""What the terminal shows while a demo runs."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console

from review.console.desk import LoopState
from watchloop.live_bar import LiveBar
from watchloop.screen import say

__all__ = ["DemoProgress"]


class DemoProgress:
    """Replayed events, and the state of the loop."""

    def __init__(self, out: Console, events: int) -> None:
        self._out = out
        self._bar = LiveBar(out, "replay", events)

    def __enter__(self) -> DemoProgress:
        self._bar.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.__exit__(exc_type, exc, traceback)

    def show(self, sent: int, state: LoopState | None, answered: int) -> None:
        """Bring the figures up to date."""
        self._bar.show(sent, describe(state, answered))

    def say(self, line: str) -> None:
        """One line of what is waited for."""
        say(self._out, line, "dim")


def describe(state: LoopState | None, answered: int) -> str:
    """The state of the loop in one line."""
    if state is None or not state.models:
        return "waiting for the first verdicts"
    model = state.models[0]
    verdicts = sum(model.decisions.values())
    return (
        f"{verdicts} verdicts, {sum(model.open_tasks.values())} open tasks, "
        f"{answered} answered by simulated reviewers, {model.alerts_firing} alerts firing, in charge: {model.in_charge}"
    )
