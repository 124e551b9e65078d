"""A task as one person may see it: what the model says of an audit task comes after their own answer."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from schemas.wire.base import Scalar
from schemas.wire.opinion import Opinion
from schemas.wire.task import Evidence, Lane, Task, TaskState

__all__ = ["HIDDEN_EVIDENCE", "HIDDEN_TASK", "SeenEvidence", "SeenTask", "is_blind", "seen_task"]

T = TypeVar("T")

HIDDEN_TASK: Final = {
    "reasons": (),
    "inclusion_probability": None,
    "uncertainty": None,
    "audit_probability": None,
    "challenger_prediction": None,
    "challenger_version": None,
}
HIDDEN_EVIDENCE: Final = {
    "prediction": None,
    "confidence": None,
    "probabilities": None,
    "learned_prediction": None,
    "learned_version": None,
}
"""The fields of a task and of its evidence that tell what the model answered, or how sure it was, and what stands there
while that is hidden. Reasons are among them: a rule may name the answer, and an event that was drawn and would be
reviewed anyway is a doubtful one."""


class SeenEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence of a task about a prediction, of which some fields are null while what the model says is hidden."""

    event_id: str
    time: int
    model_version: str
    features: dict[str, Scalar]
    prediction: str | None
    confidence: float | None
    probabilities: dict[str, float] | None
    slices: dict[str, str]
    content: str | None
    learn: bool
    learned_prediction: str | None
    learned_version: str | None


class SeenTask(msgspec.Struct, frozen=True, kw_only=True):
    """A Task, of which some fields are null (``reasons``: empty) while what the model says is hidden."""

    task_id: str
    lane: Lane
    model: str
    state: TaskState
    revision: int
    created_at: int
    due_at: int
    priority: float
    reasons: tuple[str, ...]
    choices: tuple[str, ...]
    inclusion_probability: float | None
    uncertainty: float | None
    evidence: SeenEvidence | None
    alert_id: str
    answer: str
    changed_at: int
    correction_id: str
    audit_probability: float | None
    challenger_prediction: str | None
    challenger_version: str | None


def is_blind(lane: Lane, state: TaskState = "open", mine: Opinion | None = None) -> bool:
    """Whether what the model says stays hidden: in the audit lane, from whoever has not answered.

    The model's accuracy rests on these answers. An answer that is shown draws people, and programs, to it: errors that
    they would have found are confirmed, and the model looks better than it is.
    """
    return lane == "audit" and state == "open" and mine is None


def seen_task(task: Task, *, blind: bool) -> SeenTask:
    """The task with what may be seen of it."""
    evidence = task.evidence and _seen(SeenEvidence, task.evidence, HIDDEN_EVIDENCE if blind else {})
    return _seen(SeenTask, task, {"evidence": evidence, **(HIDDEN_TASK if blind else {})})


def _seen(struct: type[T], whole: Task | Evidence, instead: dict[str, Any]) -> T:
    names = struct.__struct_fields__  # type: ignore[attr-defined]
    return struct(**{name: instead[name] if name in instead else getattr(whole, name) for name in names})
