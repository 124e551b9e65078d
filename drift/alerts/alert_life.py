"""The life of an alert: one table of transitions, and pure functions that make the next revision."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from schemas.wire.alert import Alert, AlertState, Severity

__all__ = [
    "ON_ITS_OWN",
    "SEVERITIES",
    "TRANSITIONS",
    "Action",
    "Detection",
    "TransitionRefusedError",
    "acknowledge",
    "add_evidence",
    "alert_id_of",
    "annotate",
    "answer",
    "fire",
    "resolve",
]

Action = Literal["acknowledge", "add_evidence", "answer", "resolve"]

SEVERITIES: Final[dict[Severity, int]] = {"info": 0, "warning": 1, "critical": 2}

TRANSITIONS: Final[dict[tuple[AlertState, Action], AlertState]] = {
    ("firing", "acknowledge"): "acknowledged",
    ("firing", "add_evidence"): "firing",
    ("firing", "answer"): "firing",
    ("firing", "resolve"): "resolved",
    ("acknowledged", "add_evidence"): "acknowledged",
    ("acknowledged", "answer"): "acknowledged",
    ("acknowledged", "resolve"): "resolved",
}
"""State and action to the next state; what is not here is refused. ``fire`` makes the first state, ``firing``.

``answer`` is the settled answer of the alert's task: who confirms a firing alert acknowledges it as well.
"""

ON_ITS_OWN: Final = "watchloop"
"""``changed_by`` of an alert that the program changed by itself."""


class TransitionRefusedError(ValueError):
    """The alert's state does not allow the action; the message names both, and the actions that are possible."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A detector's finding about one signal, ready to become an alert."""

    signal: str
    detector: str
    severity: Severity
    evidence: dict[str, float] = field(default_factory=dict)
    anchor: str = ""

    @property
    def size(self) -> float:
        """The largest measure of change in the evidence: it ranks findings of one severity."""
        return max(self.evidence.get(name, 0.0) for name in ("shift_sd", "psi", "rise", "other_share"))


def alert_id_of(model: str, signal: str, detector: str, anchor: str) -> str:
    """The id of the alert about a finding: the same however often the blocks are read, and safe in a URL."""
    text = "\n".join((model, signal, detector, anchor))
    return f"alert-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def fire(detection: Detection, *, model: str, at: int, at_event: int, reference_version: str = "") -> Alert:
    """An alert's first revision; ``at`` is the stream's time in epoch milliseconds, ``at_event`` counts events."""
    anchor = detection.anchor or str(at_event)
    return Alert(
        alert_id=alert_id_of(model, detection.signal, detection.detector, anchor),
        model=model,
        signal=detection.signal,
        detector=detection.detector,
        severity=detection.severity,
        state="firing",
        revision=0,
        fired_at=at,
        fired_at_event=at_event,
        changed_at=at,
        changed_by=ON_ITS_OWN,
        reference_version=reference_version,
        evidence=detection.evidence,
        judged_until=at,
    )


def acknowledge(alert: Alert, *, by: str, at: int, note: str = "", judged_until: int = 0) -> Alert:
    """The next revision: a person has seen the alert. Raises TransitionRefusedError."""
    changed = _next(alert, "acknowledge", by, at, judged_until)
    return msgspec.structs.replace(changed, note=note or changed.note)


def resolve(alert: Alert, *, by: str = ON_ITS_OWN, at: int, note: str = "", judged_until: int = 0) -> Alert:
    """The last revision: the alert is over. Raises TransitionRefusedError."""
    changed = _next(alert, "resolve", by, at, judged_until)
    return msgspec.structs.replace(changed, note=note or changed.note)


def answer(alert: Alert, text: str, *, by: str, at: int, note: str = "", judged_until: int = 0) -> Alert:
    """The next revision: the alert's task was settled with this answer. Raises TransitionRefusedError."""
    changed = _next(alert, "answer", by, at, judged_until)
    return msgspec.structs.replace(changed, answer=text, note=note or changed.note)


def add_evidence(alert: Alert, detection: Detection, *, at: int, note: str = "") -> Alert:
    """The next revision, with newer numbers and the worse of both severities. Raises TransitionRefusedError."""
    changed = _next(alert, "add_evidence", ON_ITS_OWN, at, at)
    worse = max(alert.severity, detection.severity, key=SEVERITIES.__getitem__)
    return msgspec.structs.replace(
        changed, severity=worse, evidence={**alert.evidence, **detection.evidence}, note=note or changed.note
    )


def annotate(alert: Alert, *, report_id: str = "", report_problem: str = "", note: str = "") -> Alert:
    """The next revision, which names the report or says why there is none; possible in every state."""
    return msgspec.structs.replace(
        alert,
        revision=alert.revision + 1,
        report_id=report_id or alert.report_id,
        report_problem=report_problem or alert.report_problem,
        note=note or alert.note,
    )


def _next(alert: Alert, action: Action, by: str, at: int, judged_until: int) -> Alert:
    state = TRANSITIONS.get((alert.state, action))
    if state is None:
        allowed = sorted(verb for now, verb in TRANSITIONS if now == alert.state)
        raise TransitionRefusedError(
            f"alert {alert.alert_id} is {alert.state}: cannot {action.replace('_', ' ')} it"
            f" (possible: {', '.join(allowed).replace('_', ' ') or 'nothing more'})"
        )
    return msgspec.structs.replace(
        alert,
        state=state,
        revision=alert.revision + 1,
        changed_at=at,
        changed_by=by,
        judged_until=max(alert.judged_until, judged_until),
    )
