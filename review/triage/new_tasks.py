"""The new tasks of a batch, one for every event that a person will see, made from columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from review.settings import QueueSettings
from review.task_life import choices_of, due_at, priority_of, task_id_of
from review.triage.decisions import Decisions
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.wire_rows import WireRows
from schemas.wire.task import Evidence, Task

__all__ = ["LearnedAnswers", "NewTasks", "new_tasks"]

_tasks: Final = WireRows(Task)
_evidence: Final = WireRows(Evidence)


class LearnedAnswers(NamedTuple):
    """What learned models answered about a batch, one answer an event.

    ``version`` and ``answers`` are of the learned model in charge; empty and None where production is in charge.
    ``challenger_version`` and ``challenger_answers`` are of the candidate that challenges production; empty and None
    where there is none, and while a learned model is in charge.
    """

    version: str
    answers: Sequence[str] | None
    challenger_version: str = ""
    challenger_answers: Sequence[str] | None = None


class NewTasks(NamedTuple):
    """The tasks of a batch: the index of each one's event, its id, and a row that encodes as a Task."""

    indexes: list[int]
    ids: list[str]
    rows: list[Any]


def new_tasks(
    events: PredictionColumns,
    decisions: Decisions,
    *,
    created_at: int,
    settings: QueueSettings,
    choices: Sequence[str],
    learned: LearnedAnswers,
) -> NewTasks:
    """The task of each event that people see, in the order of the events.

    ``created_at`` is in epoch milliseconds; ``choices`` are the labels that the model has given so far.
    """
    seen = np.flatnonzero(decisions.seen)
    indexes = seen.tolist()
    if not indexes:
        return NewTasks([], [], [])
    taken = _taker(indexes)
    lanes = decisions.lanes(seen)
    due = {lane: due_at(created_at, settings, lane) for lane in set(lanes)}
    scores = decisions.scores[seen].tolist()
    ids = list(map(task_id_of, repeat(events.model), taken(events.event_ids)))
    columns = {
        "task_id": ids,
        "lane": lanes,
        "due_at": [due[lane] for lane in lanes],
        "priority": list(map(priority_of, lanes, scores)),
        "reasons": taken(decisions.reasons),
        "choices": _choices(events, indexes, tuple(choices), learned.answers),
        "audit_probability": decisions.audit_probability[seen].tolist(),
        "inclusion_probability": decisions.inclusion_probability[seen].tolist(),
        "uncertainty": decisions.uncertainty[seen].tolist(),
        "evidence": list(_evidence_rows(events, seen, indexes, learned)),
    }
    if learned.challenger_answers is not None:
        columns["challenger_prediction"] = taken(learned.challenger_answers)
    constant = {
        "model": events.model,
        "created_at": created_at,
        "changed_at": created_at,
        "challenger_version": learned.challenger_version,
    }
    return NewTasks(indexes, ids, list(_tasks.make(len(indexes), constant=constant, columns=columns)))


def _evidence_rows(
    events: PredictionColumns, seen: npt.NDArray[np.int64], indexes: list[int], learned: LearnedAnswers
) -> Iterator[Any]:
    taken = _taker(indexes)
    columns: dict[str, Any] = {
        "event_id": taken(events.event_ids),
        "time": events.times_ms[seen].tolist(),
        "model_version": taken(events.model_versions),
        "features": events.encodable_features(indexes),
        "prediction": taken(events.labels),
        "confidence": events.confidence[seen].tolist(),
        "learn": events.learnable[seen].tolist(),
    }
    for name in ("probabilities", "slices", "content"):
        given = getattr(events, "contents" if name == "content" else name)
        if given is not None:
            columns[name] = taken(given)
    if learned.answers is not None:
        columns["learned_prediction"] = taken(learned.answers)
    return _evidence.make(len(indexes), constant={"learned_version": learned.version}, columns=columns)


def _choices(
    events: PredictionColumns, indexes: list[int], known: tuple[str, ...], learned: Sequence[str] | None
) -> list[tuple[str, ...]]:
    if events.probabilities is None and learned is None:
        usual = frozenset(known)
        labels = _taker(indexes)(events.labels)
        return [known if label in usual else choices_of(label, None, known, "") for label in labels]
    probabilities = events.probabilities or (None,) * len(events)
    answers = learned or ("",) * len(events)
    return [choices_of(events.labels[index], probabilities[index], known, answers[index]) for index in indexes]


def _taker(indexes: list[int]) -> Any:
    """A function that picks the entries at these indexes out of a column."""
    if len(indexes) == 1:
        index = indexes[0]
        return lambda column: (column[index],)
    return itemgetter(*indexes)
