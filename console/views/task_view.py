"""A task as its page shows it: choices with keys, features beside their ranges, content and evidence."""

from __future__ import annotations

import msgspec

from console.desk.protocol import LeasedTask
from console.settings import ConsoleSettings
from console.views.content import Content, content_of
from console.views.evidence_words import evidence_lines
from console.views.feature_rows import FeatureRow, rows_of
from schemas.texts.look_alikes import told_apart
from schemas.wire.opinion import CANNOT_TELL

__all__ = ["Choice", "TaskView", "view_of_task"]

KEYS = "123456789"
KEY_CANNOT_TELL = "0"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that is offered, with the key that chooses it (none beyond nine) and the model's probability for it.

    ``name`` is shown on the page; answers that look alike are told apart by code points in it.
    """

    answer: str
    name: str
    key: str
    probability: float | None = None
    of_model: bool = False
    chosen: bool = False


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """What the template needs beside the task itself."""

    leased: LeasedTask
    choices: tuple[Choice, ...]
    rows: list[FeatureRow]
    content: Content | None
    alert_lines: list[str]


def view_of_task(leased: LeasedTask, settings: ConsoleSettings) -> TaskView:
    """What the page of a task shows to the person who holds it, or looks at it."""
    evidence = leased.task.evidence
    return TaskView(
        leased=leased,
        choices=choices_of(leased),
        rows=rows_of(evidence.features, leased.ranges) if evidence else [],
        content=content_of(evidence.content, settings) if evidence and evidence.content else None,
        alert_lines=evidence_lines(leased.alert) if leased.alert else [],
    )


def choices_of(leased: LeasedTask) -> tuple[Choice, ...]:
    """The task's choices in their order, then "cannot tell".

    The person's own answer is preselected, else the model's prediction; nothing while the prediction is hidden.
    """
    task, evidence = leased.task, leased.task.evidence
    predicted = (evidence.prediction if evidence else None) or ""
    probabilities = (evidence.probabilities if evidence else None) or {}
    chosen = leased.mine.answer if leased.mine else predicted
    names = told_apart(task.choices)
    offered = [
        Choice(
            answer=answer,
            name=names[answer],
            key=KEYS[index] if index < len(KEYS) else "",
            probability=probabilities.get(answer),
            of_model=answer == predicted,
            chosen=answer == chosen,
        )
        for index, answer in enumerate(task.choices)
    ]
    cannot_tell = Choice(answer=CANNOT_TELL, name="Cannot tell", key=KEY_CANNOT_TELL, chosen=chosen == CANNOT_TELL)
    return (*offered, cannot_tell)
