"""The life of a task: one table of transitions, and how tasks begin."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from review.settings import LaneSettings, QueueSettings
from schemas.wire.alert import CONFIRMED, EXPECTED_CHANGE, FALSE_ALARM, Alert
from schemas.wire.task import Lane, Task

__all__ = [
    "ALERT_CHOICES",
    "TRANSITIONS",
    "Stage",
    "Step",
    "after",
    "alert_task",
    "choices_of",
    "due_at",
    "ended_alert_task",
    "is_addressable",
    "lane_settings",
    "priority_of",
    "task_id_of",
]

Stage = Literal["open", "leased", "answered", "settled", "expired"]
Step = Literal["lease", "release", "skip", "lapse", "hear", "suffice", "withdraw", "settle", "expire"]

TRANSITIONS: Final[dict[tuple[Stage, Step], Stage]] = {
    ("open", "lease"): "leased",
    ("open", "hear"): "open",
    ("open", "suffice"): "answered",
    ("open", "withdraw"): "open",
    ("open", "expire"): "expired",
    ("leased", "release"): "open",
    ("leased", "skip"): "open",
    ("leased", "lapse"): "open",
    ("leased", "hear"): "open",
    ("leased", "suffice"): "answered",
    ("leased", "withdraw"): "leased",
    ("answered", "hear"): "open",
    ("answered", "suffice"): "answered",
    ("answered", "withdraw"): "open",
    ("answered", "settle"): "settled",
}
"""Stage and step to next stage. ``hear`` is an opinion after which more are needed, ``suffice`` one that is enough.

The stages open, leased and answered are all ``open`` on the wire: leases and the seconds in which an answer may be
taken back are the queue's own business. An answered task goes back to open when an opinion that was given earlier but
heard later disagrees.
"""

ALERT_CHOICES: Final = (CONFIRMED, EXPECTED_CHANGE, FALSE_ALARM)
"""The answers offered for an alert."""

_ADDRESSABLE: Final = re.compile(r"[A-Za-z0-9._~-]+")
SEVERITY_PRIORITY: Final = {"info": 3.0, "warning": 4.0, "critical": 5.0}
LANE_PRIORITY: Final[dict[Lane, float]] = {"review": 0.0, "audit": 1.0, "escalate": 2.0}
"""Added to the score: escalations first, then the audit sample (live accuracy rests on it), then reviews by score."""


def after(stage: Stage, step: Step) -> Stage | None:
    """The stage after a step; None if the step is not possible.

    >>> after("open", "lease")
    'leased'
    """
    return TRANSITIONS.get((stage, step))


def task_id_of(model: str, subject_id: str) -> str:
    """The id of the one task about an event or an alert of a model: a hash, safe in a URL.

    >>> task_id_of("churn", "e-1")
    't-a1d6ed652c415e799b886e2d'
    """
    return "t-" + hashlib.sha256(f"{model}\0{subject_id}".encode()).hexdigest()[:24]


def is_addressable(task_id: str) -> bool:
    """Whether an id can stand in an address as it is (RFC 3986, unreserved characters); every id made here can.

    A task with another id could be handed out, but no page and no program could name it to answer it.

    >>> is_addressable("t-1"), is_addressable("t/1")
    (True, False)
    """
    return _ADDRESSABLE.fullmatch(task_id) is not None and task_id not in (".", "..")


def lane_settings(settings: QueueSettings, lane: Lane) -> LaneSettings:
    """When tasks of this lane are due, how many opinions settle one, and who gets them."""
    chosen: LaneSettings = getattr(settings, lane)
    return chosen


def ended_alert_task(alert: Alert, *, settings: QueueSettings) -> Task:
    """The last revision of the task about an alert that is resolved: nothing is left to decide."""
    task = alert_task(alert, settings=settings)
    why = f"resolved by {alert.changed_by}: nothing is left to decide"
    return msgspec.structs.replace(task, state="expired", reasons=(*task.reasons, why))


def due_at(created_at: int, settings: QueueSettings, lane: Lane) -> int:
    """When a task should be answered; ``created_at`` and the result are in epoch milliseconds.

    >>> due_at(0, QueueSettings(review=LaneSettings(due_seconds=60)), "review")
    60000
    """
    return created_at + lane_settings(settings, lane).due_seconds * 1_000


def priority_of(lane: Lane, score: float) -> float:
    """The priority of a task: by lane, then by score; tasks of the audit sample all have the same.

    >>> priority_of("review", 0.7), priority_of("escalate", 0.7), priority_of("audit", 0.7)
    (0.7, 2.7, 1.0)
    """
    return LANE_PRIORITY[lane] + (0.0 if lane == "audit" else score)


def choices_of(
    label: str, probabilities: Mapping[str, float] | None, known: Sequence[str], learned_prediction: str
) -> tuple[str, ...]:
    """The answers offered: the known labels, then the other labels of the prediction.

    The latter are sorted, so that their order does not show which of them the model gave.

    >>> choices_of("yes", {"yes": 0.7, "maybe": 0.3}, ["no"], "")
    ('no', 'maybe', 'yes')
    """
    offered = {label, learned_prediction, *(probabilities or ())}
    return (*known, *sorted(label for label in offered if label and label not in known))


def alert_task(alert: Alert, *, settings: QueueSettings) -> Task:
    """The task about one alert, for the person on call; it becomes more urgent with the alert's severity.

    It is due from when the alert was raised or, if that is not known, from the alert's time in the stream.
    """
    created_at = alert.raised_at or alert.fired_at
    reasons = [f"{alert.signal} left normal ({alert.detector}, {alert.severity})"]
    if alert.state == "acknowledged":
        reasons.append("acknowledged: somebody looks into it")
    return Task(
        task_id=task_id_of(alert.model, alert.alert_id),
        lane="alert",
        model=alert.model,
        revision=alert.revision,
        created_at=created_at,
        due_at=created_at + settings.alert.due_seconds * 1_000,
        priority=SEVERITY_PRIORITY[alert.severity],
        reasons=tuple(reasons),
        choices=ALERT_CHOICES,
        alert_id=alert.alert_id,
        changed_at=alert.told_at or alert.changed_at,
    )
