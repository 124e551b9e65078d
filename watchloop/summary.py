"""What a replay did, from ClickHouse, as a person reads it."""

from __future__ import annotations

import itertools

from rich.console import Console
from rich.table import Table

from warehouse.queries import RunSummary
from watchloop.frozen import Replayable

__all__ = ["print_summary"]

ALERTS_SHOWN_MAX = 20


def print_summary(out: Console, model: str, summary: RunSummary, source: Replayable) -> None:
    """Counts, alerts, and three accuracies over the same events."""
    table = Table(title=f"{model}: what the loop did (from ClickHouse)", show_header=False, title_justify="left")
    table.add_row("events", f"{summary.events}")
    table.add_row("verdicts", ", ".join(f"{count} {name}" for name, count in summary.verdicts.items()))
    table.add_row("rejects", f"{summary.rejects}")
    table.add_row("tasks answered", f"{summary.tasks_answered}")
    table.add_row("corrections", ", ".join(f"{count} by {name}" for name, count in summary.corrections.items()) or "0")
    table.add_row(
        "model versions",
        f"{len(summary.versions)}" + (f", last {summary.versions[-1].version}" if summary.versions else ""),
    )
    found = summary.accuracies
    table.add_row("accuracy of the frozen model", share(found.frozen))
    table.add_row("accuracy of the learned model", share(found.learned))
    table.add_row("accuracy after review", share(found.after_review))
    table.add_row("repeating the last label", share(no_change(source.truths)))
    out.print(table)
    alerts = Table(title=f"{len(summary.alerts)} alerts", title_justify="left")
    for name in ("fired at event", "signal", "detector", "severity", "state"):
        alerts.add_column(name)
    for alert in summary.alerts[:ALERTS_SHOWN_MAX]:
        alerts.add_row(f"{alert.fired_at_event}", alert.signal, alert.detector, alert.severity, alert.state)
    if summary.alerts:
        out.print(alerts)


def share(value: float | None) -> str:
    """A share with three decimals."""
    return "unknown" if value is None else f"{value:.3f}"


def no_change(labels: list[str]) -> float | None:
    """Accuracy of saying what the last label was: the baseline of an autocorrelated stream."""
    if len(labels) < 2:
        return None
    return sum(a == b for a, b in itertools.pairwise(labels)) / (len(labels) - 1)
