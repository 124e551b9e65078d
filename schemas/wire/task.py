"""Task: one thing for people to decide."""

from __future__ import annotations

from typing import Literal

from schemas.wire.base import Count, EpochMs, Id, Name, Probability, Scalar, Wire

__all__ = ["Evidence", "Lane", "Task", "TaskState"]

Lane = Literal["review", "escalate", "audit", "alert"]
TaskState = Literal["open", "settled", "expired"]


class Evidence(Wire, frozen=True, kw_only=True):
    """What the reviewer of a prediction sees, and what learning will need of it."""

    event_id: Id
    time: EpochMs
    model_version: Name = ""
    features: dict[str, Scalar]
    prediction: Name
    confidence: Probability
    probabilities: dict[str, float] | None = None
    slices: dict[str, str] = {}
    content: str | None = None
    learn: bool = True
    learned_prediction: Name = ""
    learned_version: Name = ""


class Task(Wire, frozen=True, kw_only=True):
    """A question about a prediction (``evidence``) or about an alert (``alert_id``).

    ``choices`` are the answers offered. ``priority`` orders the queue, higher first. A task is ``open`` until opinions
    settle it or its time runs out; audit tasks do not expire. Leases are the queue's own business and do not travel.
    ``audit_probability`` is the chance with which the audit sample drew the event, 0 where it did not.
    ``challenger_prediction`` is what the model that wants to be in charge answered when the prediction came.
    """

    task_id: Id
    lane: Lane
    model: Id
    state: TaskState = "open"
    revision: Count = 0
    created_at: EpochMs
    due_at: EpochMs
    priority: float
    reasons: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    inclusion_probability: Probability = 1.0
    uncertainty: Probability = 0.0
    evidence: Evidence | None = None
    alert_id: Name = ""
    answer: Name = ""
    changed_at: EpochMs = 0
    correction_id: Name = ""
    audit_probability: Probability = 0.0
    challenger_prediction: Name = ""
    challenger_version: Name = ""
