"""What the terminal shows while a demo runs."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from review.console.desk import LoopState
from schemas.visible import visible
from watchloop.screen import say

__all__ = ["DemoProgress"]

PLAIN_EVERY_SHARE = 0.1


class DemoProgress:
    """A bar of replayed events with the state of the loop beside it; plain lines where the output is no terminal."""

    def __init__(self, out: Console, events: int) -> None:
        self._out = out
        self._events = events
        self._said = -1
        self._bar = Progress(
            TextColumn("replay"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=out,
            disable=not out.is_terminal,
        )
        self._task = self._bar.add_task("", total=events)

    def __enter__(self) -> DemoProgress:
        self._bar.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, sent: int, state: LoopState | None, answered: int) -> None:
        """Bring the line up to date; where the output is no terminal, a line each time a further share is sent."""
        line = describe(state, answered)
        if self._out.is_terminal:
            self._bar.update(self._task, completed=sent, description=visible(line))
            return
        step = int(sent / max(1, self._events) / PLAIN_EVERY_SHARE)
        if step > self._said:
            self._said = step
            say(self._out, f"replayed {sent} of {self._events}; {line}")

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
