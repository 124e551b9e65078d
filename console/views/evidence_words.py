"""The numbers behind an alert, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from console.views.wording import beside, count, number, percent
from schemas.wire.alert import Alert

__all__ = ["evidence_lines", "what_changed"]


def whole(value: float) -> str:
    """A count that is stored as a float."""
    return count(round(value))


WORDS: dict[str, tuple[str, Callable[[float], str]]] = {
    "shift_sd": ("shift of the mean: {} standard deviations of the reference", number),
    "constant_before": ("was {} in all of the reference", number),
    "missing_before": ("was missing in all of the reference", number),
    "other_share": ("{} of the newest events have another value", percent),
    "psi": ("population stability index: {} (above 0.1 moderate, above 0.25 large)", number),
    "reference_mean": ("mean in the reference: {}", number),
    "mean_before": ("mean before the change: {}", number),
    "mean_after": ("mean after the change: {}", number),
    "psi_threshold": ("the index that counts as a change here: {}", number),
    "error_before": ("the model was wrong before: {}", percent),
    "error_after": ("the model is wrong now: {}", percent),
    "corrections_after": ("corrections since the change: {}", whole),
    "corrections": ("corrections compared: {}", whole),
    "steps_after": ("windows since the change: {}", whole),
}
"""Names in the evidence, with the sentence for each and how its number is written, in the order of the page."""

MEANS: frozenset[str] = frozenset({"reference_mean", "mean_before", "mean_after"})
"""These are read beside each other: each has so many digits that it differs from the nearest of the others."""


def evidence_lines(alert: Alert) -> list[str]:
    """A line for each number of the evidence: those in ``WORDS`` first, in that order; others keep their name."""
    evidence = alert.evidence
    known = [
        text.format(beside(evidence[name], _nearest_mean(name, evidence)) if name in MEANS else write(evidence[name]))
        for name, (text, write) in WORDS.items()
        if name in evidence
    ]
    rest = [f"{name.replace('_', ' ')}: {number(value)}" for name, value in evidence.items() if name not in WORDS]
    return known + rest


def what_changed(before: Alert | None, now: Alert) -> str:
    """What a revision of an alert changed, apart from its state; empty if the state changed."""
    if before is None or before.state != now.state:
        return ""
    news = []
    if now.answer and not before.answer:
        news.append(f"answered by {now.changed_by}" if now.changed_by else "answered")
    if before.severity != now.severity:
        news.append(f"severity {before.severity} to {now.severity}")
    if now.report_id and not before.report_id:
        news.append("report added")
    if now.report_problem and not before.report_problem:
        news.append("no report can be made")
    if before.evidence != now.evidence:
        news.append("newer evidence")
    return ", ".join(news)


def _nearest_mean(name: str, evidence: Mapping[str, float]) -> float | None:
    """The mean that is closest to that of this name but differs from it; None if there is no such mean."""
    others = [evidence[other] for other in MEANS & evidence.keys() if evidence[other] != evidence[name]]
    return min(others, key=lambda other: abs(other - evidence[name]), default=None)
