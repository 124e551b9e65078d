"""A backtest in a terminal: its progress, and its report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from review.settings import TriageSettings
from watchloop.backtest.report import BacktestReport
from watchloop.terminal.screen import print_table, printing_console, say

if TYPE_CHECKING:
    from rich.console import Console

    from watchloop.backtest.loop import Loop

__all__ = ["backtest_line", "conclusion", "figures", "left_out", "percent", "print_report"]

ALERTS_SHOWN_MAX = 20
SLICES_SHOWN_MAX = 20


def backtest_line(loop: Loop) -> str:
    """The line below the progress bar: reviews, alerts, the version in charge, and accuracies so far."""
    score = loop.score
    return (
        f"{score.reviewed} reviewed, {len(loop.alerts)} alerts, in charge: {loop.served or 'production'},"
        f" accuracy {score.accuracy_model:.3f} → {score.accuracy_learned:.3f}"
    )


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage; a dash for None.

    >>> percent(0.1234), percent(0.5, 2), percent(None)
    ('12.3 %', '50.00 %', '–')
    """
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def conclusion(report: BacktestReport, triage: TriageSettings) -> str:
    """What the review budget would have bought, in one line."""
    caught = percent(report.errors_caught / report.errors if report.errors else None)
    gain = report.accuracy_learned - report.accuracy_model
    learned = (
        f"a learned model at {percent(report.accuracy_learned)} ({100 * gain:+.1f} points)"
        if report.gate.promoted
        else "no learned model in its place, because nothing was promoted"
    )
    return (
        f"A review budget of {triage.budget * 100:g} % would have bought: {report.errors_caught} of {report.errors}"
        f" errors caught ({caught}) in {report.reviewed} reviews of {report.events} events, accuracy after review"
        f" {percent(report.accuracy_after_review)} instead of {percent(report.accuracy_model)}, and {learned}."
    )


def figures(report: BacktestReport) -> list[tuple[str, str]]:
    """Names and values of the figures in the order in which they are shown; indented names detail the one above."""
    last = report.live_accuracy[-1] if report.live_accuracy else None
    share = report.errors_caught / report.errors if report.errors else None
    by_confidence = report.errors_caught_by_confidence / report.errors if report.errors else None
    gate = report.gate
    return [
        ("events", f"{report.events}"),
        ("reviewed", f"{report.reviewed} ({percent(report.review_rate, 2)})"),
        ("errors of the model", f"{report.errors}"),
        ("errors caught", f"{report.errors_caught} ({percent(share)})"),
        ("  by least confidence, with hindsight", f"{report.errors_caught_by_confidence} ({percent(by_confidence)})"),
        ("accuracy of the model", f"{report.accuracy_model:.4f}"),
        ("accuracy after review", f"{report.accuracy_after_review:.4f}"),
        (
            "accuracy of what the loop learned",
            f"{report.accuracy_learned:.4f}" + ("" if gate.promoted else " (nothing was promoted: that of the model)"),
        ),
        (
            "  of repeating the last label",
            "–" if report.accuracy_no_change is None else f"{report.accuracy_no_change:.4f}",
        ),
        (
            "live accuracy at the end",
            "too few random reviews" if last is None else f"{last.estimate:.4f} ({last.low:.4f} to {last.high:.4f})",
        ),
        (
            "gate",
            f"{len(gate.promoted)} promoted, {len(gate.refused)} refused, {len(gate.rolled_back)} rolled back,"
            f" {gate.refreshed} refreshed",
        ),
        ("alerts", f"{len(report.alerts)}"),
        ("seconds", f"{report.seconds:.1f}"),
    ]


def left_out(report: BacktestReport) -> str:
    """A line that counts the slices without an estimate."""
    many = report.slices_left_out
    return (
        f"{many} more slice{'s have' if many > 1 else ' has'} no estimate: the first {len(report.slices)} have one"
        " (accuracy.slices_max)"
    )


def print_report(report: BacktestReport, model: str, triage: TriageSettings, out: Console | None = None) -> None:
    """Print figures, alerts, slices, and the conclusion; on standard output where ``out`` is None."""
    console = out or printing_console()
    print_table(console, (), figures(report), title=f"{model}: what the loop would have done")
    if report.alerts:
        alerts: list[tuple[object, ...]] = [
            (alert.at, alert.signal, alert.detector, alert.severity) for alert in report.alerts
        ]
        _print_first(console, ("after event", "signal", "detector", "severity"), alerts, ALERTS_SHOWN_MAX, "alerts")
    if report.slices:
        slices: list[tuple[object, ...]] = [
            (
                slice_.slice,
                slice_.events,
                "–" if slice_.estimate is None else f"{slice_.estimate:.3f}",
                "too few random reviews" if slice_.low is None else f"{slice_.low:.3f} to {slice_.high:.3f}",
                f"{slice_.truth:.3f}",
            )
            for slice_ in report.slices
        ]
        _print_first(console, ("slice", "events", "estimate", "interval", "truth"), slices, SLICES_SHOWN_MAX, "slices")
    if report.slices_left_out:
        say(console, left_out(report))
    say(console, conclusion(report, triage))


def _print_first(
    out: Console, heads: Sequence[str], rows: Sequence[Sequence[object]], shown_max: int, title: str
) -> None:
    """The first rows as a table, and how many more there are."""
    more = len(rows) - shown_max
    print_table(out, heads, rows[:shown_max], title=title, caption=f"{more} more are in the JSON" if more > 0 else "")
