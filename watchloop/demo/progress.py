"""How a demo stands, on the line below its bar."""

from __future__ import annotations

from console.desk.protocol import LoopState

__all__ = ["demo_line"]


def demo_line(state: LoopState | None, answered: int) -> str:
    """The state of the loop in one line; ``answered`` counts the answers of simulated reviewers."""
    if state is None or not state.models:
        return "waiting for the first verdicts"
    model = state.models[0]
    verdicts = sum(model.decisions.values())
    return (
        f"{verdicts} verdicts, {sum(model.open_tasks.values())} open tasks, "
        f"{answered} answered by simulated reviewers, {model.alerts_firing} alerts firing, in charge: {model.in_charge}"
    )
