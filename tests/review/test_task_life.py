from __future__ import annotations

from typing import Any, get_args

import pytest

from review.settings import QueueSettings
from review.task_life import TRANSITIONS, Stage, Step, after, alert_task, task_id_of
from schemas.codec import decode, encode
from schemas.wire.alert import Alert
from schemas.wire.prediction import Consent
from schemas.wire.task import Task
from tests.support.plain_tasks import new_task_for


def test_the_table_is_whole() -> None:
    """Every stage can be reached, ended stages lead nowhere, every step is used."""
    assert {"open", *TRANSITIONS.values()} == set(get_args(Stage))
    assert {step for _, step in TRANSITIONS} == set(get_args(Step))
    assert not [stage for stage, _ in TRANSITIONS if stage in ("settled", "expired")]
    assert after("settled", "lease") is None
    assert after("open", "lease") == "leased"


def test_every_stage_can_still_end() -> None:
    """From each stage that is not an end there is a way to settled or expired."""
    ending = {"settled", "expired"}
    for _ in range(len(get_args(Stage))):
        ending |= {stage for (stage, _), later in TRANSITIONS.items() if later in ending}
    assert ending == set(get_args(Stage))


def test_a_task_says_what_the_reviewer_and_learning_need(prediction: Any) -> None:
    """Evidence, choices, due time and order come from the prediction; the id from model and event alone."""
    event = prediction(
        7, prediction=True, features={"x": None}, slices={"r": "EU"}, consent=Consent(learn=False), content="text"
    )
    made = new_task_for(
        event,
        lane="review",
        created_at=1_000,
        settings=QueueSettings(),
        score=0.7,
        uncertainty=0.1,
        inclusion_probability=0.5,
        reasons=("why",),
        choices=("false",),
        learned=("maybe", "m-1"),
    )
    assert made.task_id == task_id_of("m", "e7") != task_id_of("m2", "e7")
    assert made.choices == ("false", "maybe", "true")
    assert made.due_at == 1_000 + 86_400_000
    assert made.priority == pytest.approx(0.7)
    assert made.evidence is not None
    assert (made.evidence.prediction, made.evidence.learn, made.evidence.content) == ("true", False, "text")
    assert decode(Task, encode(made)) == made


def test_lanes_go_before_one_another(prediction: Any) -> None:
    """Alerts go before escalations, those before the audit sample, that before reviews, whatever their scores."""
    chosen = QueueSettings()
    alert = Alert(
        alert_id="a", model="m", signal="confidence", detector="adwin", severity="info", state="firing",
        revision=0, fired_at=5, fired_at_event=1, changed_at=5,
    )  # fmt: skip
    order = [alert_task(alert, settings=chosen).priority]
    for lane, score in (("escalate", 0.0), ("audit", 1.0), ("review", 0.99)):
        made = new_task_for(
            prediction(), lane=lane, created_at=0, settings=chosen, score=score, uncertainty=0, inclusion_probability=1
        )
        order.append(made.priority)
    assert order == sorted(order, reverse=True)
    assert len(set(order)) == 4
    assert alert_task(alert, settings=chosen).lane == "alert"
