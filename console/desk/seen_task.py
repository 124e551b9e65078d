"""A task as one person may see it: the model's prediction for an audit task is shown only after their own answer."""

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
"""The fields of a task and of its evidence that reveal the model's prediction or how sure it was, with their values
while it is hidden. The reasons reveal it too: a rule may name the prediction, and a reason beside the draw shows that
the model was in doubt."""


class SeenEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence of a task about a prediction; some fields are null while the model's prediction is hidden."""

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
    """A Task; some fields are null, and ``reasons`` is empty, while the model's prediction is hidden."""

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
    """Whether the model's prediction is hidden: it is for an open audit task until the person has answered.

    The estimate of the model's accuracy rests on these answers. People, and programs, tend to confirm a prediction that
    they see, also where they would have found an error, and the model would look better than it is.

    >>> is_blind("audit"), is_blind("review"), is_blind("audit", "settled")
    (True, False, False)
    """
    return lane == "audit" and state == "open" and mine is None


def seen_task(task: Task, *, blind: bool) -> SeenTask:
    """The task with the fields that may be seen."""
    evidence = task.evidence and _seen(SeenEvidence, task.evidence, HIDDEN_EVIDENCE if blind else {})
    return _seen(SeenTask, task, {"evidence": evidence, **(HIDDEN_TASK if blind else {})})


def _seen(struct: type[T], whole: Task | Evidence, instead: dict[str, Any]) -> T:
    names = struct.__struct_fields__  # type: ignore[attr-defined]
    return struct(**{name: instead[name] if name in instead else getattr(whole, name) for name in names})
