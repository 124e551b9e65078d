"""Tasks made from columns: what the one made for a single prediction says, for a whole batch."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.settings import QueueSettings, TriageSettings
from review.triage.decisions import Decisions
from review.triage.learned_answers import LearnedAnswers
from review.triage.new_tasks import new_tasks
from review.triage.triage import Triage
from schemas.codec import decode
from schemas.columns.event_batch import EventBatch
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.texts import Texts
from schemas.wire.prediction import Consent, Prediction
from schemas.wire.task import Task
from tests.support.plain_tasks import new_task_for

SETTINGS = QueueSettings()
KNOWN = ("stay", "go")
LABELS = st.sampled_from(["stay", "go", "other", 3, True, ""])

events_of = st.lists(
    st.builds(
        Prediction,
        event_id=st.uuids().map(str),
        model=st.just("churn"),
        time=st.integers(0, 10**12),
        features=st.dictionaries(st.sampled_from("abc"), st.sampled_from([1, 2.5, "x", None, True])),
        prediction=LABELS,
        model_version=st.sampled_from(["", "3"]),
        confidence=st.floats(0, 1),
        slices=st.dictionaries(st.sampled_from("rs"), st.just("EU")),
        risk=st.none() | st.just(1.0),
        consent=st.builds(Consent, review=st.booleans(), learn=st.booleans()),
        content=st.none() | st.just("a text"),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda event: event.event_id,
)


def with_probabilities(event: Prediction) -> Prediction:
    """The same with the probabilities of its label and of another."""
    return msgspec.structs.replace(event, confidence=None, probabilities={str(event.prediction): 0.75, "rare": 0.25})


def one_by_one(events: list[Prediction], decisions: Decisions, learned: LearnedAnswers) -> dict[int, Task]:
    """What ``new_task_for`` makes of each event that is seen."""
    indexes = np.flatnonzero(decisions.seen)
    return {
        index: new_task_for(
            events[index],
            lane=lane,
            created_at=7,
            settings=SETTINGS,
            score=float(decisions.scores[index]),
            uncertainty=float(decisions.uncertainty[index]),
            inclusion_probability=float(decisions.inclusion_probability[index]),
            reasons=decisions.reasons[index],
            choices=KNOWN,
            learned=(learned.answers.tolist()[index], learned.versions.tolist()[index]),
            audit_probability=float(decisions.audit_probability[index]),
            challenger_prediction=learned.challenger_answers.tolist()[index],
            challenger_version=learned.challenger_versions.tolist()[index],
        )
        for index, lane in zip(indexes.tolist(), decisions.lanes(indexes), strict=True)
    }


@given(events_of, st.sampled_from(["", "v1"]), st.booleans())
def test_a_batch_has_the_tasks_of_its_events(events: list[Prediction], version: str, likely: bool) -> None:
    """Row by row they decode to the task of the single prediction, whatever is known of it."""
    if likely:
        events = [with_probabilities(event) for event in events if type(event.prediction) is str and event.prediction]
    if not events:
        return
    columns = PredictionColumns.of(events)
    decisions = Triage(TriageSettings(budget=0.5, audit_rate=0.2), model="churn").decide(columns)
    answers = Texts.constant("maybe", len(events))
    learned = LearnedAnswers.in_charge(version, answers) if version else LearnedAnswers.challenging("v2", answers)
    batch = EventBatch([columns])
    made = new_tasks(batch, decisions, created_at=7, settings=SETTINGS, choices=[KNOWN], learned=learned)
    expected = one_by_one(events, decisions, learned)
    assert made.indexes.tolist() == list(expected)
    assert made.ids == [task.task_id for task in expected.values()]
    assert [decode(Task, msgspec.json.encode(row)) for row in made.rows] == list(expected.values())


def test_defaults_do_not_travel() -> None:
    """A row leaves out what a Task has by default: it is read by whoever reads Tasks, and is a fifth shorter."""
    event = Prediction("e1", "churn", 5, {"age": 3}, "stay", confidence=0.5)
    columns = PredictionColumns.of([event])
    decisions = Triage(TriageSettings(), model="churn").decide(columns)
    seen = dataclasses.replace(decisions, audit=np.array([True]))
    learned = LearnedAnswers.none(1)
    batch = EventBatch([columns])
    (row,) = new_tasks(batch, seen, created_at=7, settings=SETTINGS, choices=[KNOWN], learned=learned).rows
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(row))
    assert "state" not in data
    assert data["evidence"] == {
        "event_id": "e1", "time": 5, "features": {"age": 3}, "prediction": "stay", "confidence": pytest.approx(0.5)
    }  # fmt: skip
