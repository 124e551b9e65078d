"""The summary of a demo, printed in a terminal."""

from __future__ import annotations

from rich.console import Console

from warehouse.query.run_summary import RunSummary
from watchloop.recorded.replayable import Replayable, no_change_accuracy
from watchloop.terminal.screen import print_table

__all__ = ["print_summary"]

ALERTS_SHOWN_MAX = 20


def print_summary(out: Console, model: str, summary: RunSummary, source: Replayable) -> None:
    """Print counts, alerts, and accuracies over the same events, from the figures that ClickHouse has."""
    accuracies = summary.accuracies
    was_promoted = any(version.recipe != "production" for version in summary.versions)
    rows = [
        ("events", summary.events),
        ("verdicts", ", ".join(f"{count} {name}" for name, count in summary.verdicts.items())),
        ("rejects", summary.rejects),
        ("tasks answered", summary.tasks_answered),
        ("corrections", ", ".join(f"{count} by {name}" for name, count in summary.corrections.items()) or "0"),
        (
            "model versions",
            f"{len(summary.versions)}" + (f", last {summary.versions[-1].version}" if summary.versions else ""),
        ),
        ("accuracy of the frozen model", share(accuracies.frozen)),
        ("accuracy of the learned model", share(accuracies.learned) if was_promoted else "none was promoted"),
        ("accuracy after review", share(accuracies.after_review)),
        ("repeating the last label", share(no_change_accuracy(source.truths))),
    ]
    print_table(out, (), rows, title=f"{model}: what the loop did (from ClickHouse)")
    if summary.alerts:
        alerts = [
            (alert.fired_at_event, alert.signal, alert.detector, alert.severity, alert.state)
            for alert in summary.alerts[:ALERTS_SHOWN_MAX]
        ]
        heads = ("fired at event", "signal", "detector", "severity", "state")
        print_table(out, heads, alerts, title=f"{len(summary.alerts)} alerts")


def share(value: float | None) -> str:
    """A share with three decimals; ``unknown`` for None."""
    return "unknown" if value is None else f"{value:.3f}"
