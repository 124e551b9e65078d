"""Alert: a signal that left normal, with a life of its own."""

from __future__ import annotations

from typing import Final, Literal

from schemas.wire.base import Count, EpochMs, Id, Name, Wire

__all__ = [
    "ACKNOWLEDGE",
    "CONFIRMED",
    "EXPECTED_CHANGE",
    "FALSE_ALARM",
    "RESOLVE",
    "Alert",
    "AlertState",
    "Severity",
]

ACKNOWLEDGE: Final = "acknowledge"
RESOLVE: Final = "resolve"
"""Requests of people on the page of an alert: opinions about the alert, not answers to its task."""

CONFIRMED: Final = "confirmed"
EXPECTED_CHANGE: Final = "expected change"
FALSE_ALARM: Final = "false alarm"
"""The answers to an alert's task."""

AlertState = Literal["firing", "acknowledged", "resolved"]
Severity = Literal["info", "warning", "critical"]


class Alert(Wire, frozen=True, kw_only=True):
    """One transition of one alert; the newest ``revision`` is its present state.

    ``fired_at_event`` counts the model's events that had been seen when it fired. ``evidence`` holds the numbers behind
    it (means, shift in standard deviations, population stability index). ``report_id`` names the Evidently report,
    ``report_problem`` says why there is none and is empty while one is to come; ``note`` is what people and detectors
    said of the alert. ``task_id`` names the task that asks what it is, ``answer`` is the one that settled it.
    ``judged_until`` is the time in the stream up to which the signal had been judged at this transition, so that
    reading the same blocks again reports nothing twice.

    ``fired_at`` and, where no person did it, ``changed_at`` are times of the stream (for the error rate, those of
    corrections, which are the clock's); ``raised_at`` and ``told_at`` are the clock's, when it began to fire and when
    this transition was published. A replay of old events sets them far apart.
    """

    alert_id: Id
    model: Id
    signal: Id
    detector: Id
    severity: Severity
    state: AlertState
    revision: Count
    fired_at: EpochMs
    fired_at_event: Count
    changed_at: EpochMs
    changed_by: Name = ""
    reference_version: Name = ""
    evidence: dict[str, float] = {}
    report_id: Name = ""
    report_problem: str = ""
    task_id: Name = ""
    note: str = ""
    judged_until: EpochMs = 0
    raised_at: EpochMs = 0
    told_at: EpochMs = 0
    answer: Name = ""
