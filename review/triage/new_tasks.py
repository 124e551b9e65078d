"""The new tasks of a batch, one for every event that a person will see, made from columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from review.settings import QueueSettings
from review.task_life import choices_of, due_at, priority_of, task_id_of
from review.triage.decisions import Decisions
from review.triage.learned_answers import LearnedAnswers
from schemas.columns.event_batch import EventBatch
from schemas.columns.wire_rows import WireRows
from schemas.wire.task import Evidence, Task

__all__ = ["NewTasks", "new_tasks"]

Ints = npt.NDArray[np.int64]

_tasks: Final = WireRows(Task)
_evidence: Final = WireRows(Evidence)


class NewTasks(NamedTuple):
    """The tasks of a batch: the indexes of their events, ascending, their ids, and rows that encode as Tasks."""

    indexes: Ints
    ids: list[str]
    rows: list[Any]


def new_tasks(
    events: EventBatch,
    decisions: Decisions,
    *,
    created_at: int,
    settings: QueueSettings,
    choices: Sequence[tuple[str, ...]],
    learned: LearnedAnswers,
) -> NewTasks:
    """The task of each event that people see, in the order of the events.

    ``created_at`` is in epoch milliseconds; ``choices`` are, for each model of the batch, the labels that it has given
    so far.
    """
    seen = np.flatnonzero(decisions.seen)
    if not len(seen):
        return NewTasks(seen, [], [])
    numbers = events.model_numbers[seen].tolist()
    models = list(map(events.models.__getitem__, numbers))
    event_ids = events.event_ids.at(seen)
    ids = list(map(task_id_of, models, event_ids))
    lanes = decisions.lanes(seen)
    due = {lane: due_at(created_at, settings, lane) for lane in set(lanes)}
    columns = {
        "model": models,
        "task_id": ids,
        "lane": lanes,
        "due_at": [due[lane] for lane in lanes],
        "priority": list(map(priority_of, lanes, decisions.scores[seen].tolist())),
        "reasons": list(map(decisions.reason_texts.__getitem__, decisions.reason_codes[seen].tolist())),
        "choices": _choices(events, seen, [choices[number] for number in numbers], learned),
        "audit_probability": decisions.audit_probability[seen].tolist(),
        "inclusion_probability": decisions.inclusion_probability[seen].tolist(),
        "uncertainty": decisions.uncertainty[seen].tolist(),
        "evidence": list(_evidence_rows(events, seen, event_ids, learned)),
    }
    if not learned.is_none:
        columns["challenger_version"] = learned.challenger_versions.at(seen)
        columns["challenger_prediction"] = learned.challenger_answers.at(seen)
    constant = {"created_at": created_at, "changed_at": created_at}
    return NewTasks(seen, ids, list(_tasks.make(len(seen), constant=constant, columns=columns)))


def _evidence_rows(events: EventBatch, seen: Ints, event_ids: list[str], learned: LearnedAnswers) -> Any:
    columns: dict[str, Any] = {
        "event_id": event_ids,
        "time": events.times_ms[seen].tolist(),
        "model_version": events.model_versions.at(seen),
        "features": events.encodable_features(seen),
        "prediction": events.labels.at(seen),
        "confidence": events.confidence[seen].tolist(),
        "learn": events.learnable[seen].tolist(),
    }
    if not learned.is_none:
        columns |= {"learned_version": learned.versions.at(seen), "learned_prediction": learned.answers.at(seen)}
    given = {
        "probabilities": events.probabilities_at(seen),
        "slices": events.optional_at("slices", seen),
        "content": events.optional_at("contents", seen),
    }
    columns |= {name: values for name, values in given.items() if values is not None}
    return _evidence.make(len(seen), constant={}, columns=columns)


def _choices(
    events: EventBatch, seen: Ints, known: Sequence[tuple[str, ...]], learned: LearnedAnswers
) -> list[tuple[str, ...]]:
    labels: list[Any] = events.labels.at(seen)
    probabilities = events.probabilities_at(seen)
    if probabilities is None and learned.answers.names == ("",):
        return [
            usual if label in usual else choices_of(label, None, usual, "")
            for label, usual in zip(labels, known, strict=True)
        ]
    answers: list[Any] = learned.answers.at(seen)
    return list(map(choices_of, labels, probabilities or repeat(None), known, answers))
