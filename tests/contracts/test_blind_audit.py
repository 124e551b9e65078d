"""Nobody, person or program, learns what the model says of an audit task before they have answered it."""

from __future__ import annotations

import re

import msgspec
import pytest

from agents.settings import Settings
from console.desk.seen_task import HIDDEN_EVIDENCE, HIDDEN_TASK, SeenEvidence, SeenTask
from review.settings import AgreementSettings, LaneSettings, QueueSettings
from schemas.codec import encode
from schemas.wire.task import Evidence, Task
from tests.support.live_console import BEGIN_MS, LiveConsole, routes

TOKEN = re.compile(r"[0-9a-f]{64,}")
TWO_OPINIONS = Settings(queue=QueueSettings(audit=LaneSettings(opinions_needed=2)), agreement=AgreementSettings())


def task(sure: bool) -> Task:
    """One audit task as a sure or as an unsure model makes it, with different values in every field of the model."""
    says, other = ("up", "down") if sure else ("down", "up")
    return Task(
        task_id="t-1",
        lane="audit",
        model="m",
        created_at=BEGIN_MS,
        due_at=BEGIN_MS + 10**8,
        priority=1.0,
        reasons=("audit sample",) if sure else ("the model is unsure (score 0.87)", "rule: says down"),
        choices=("down", "up"),
        inclusion_probability=0.02 if sure else 1.0,
        uncertainty=0.08 if sure else 0.47,
        evidence=Evidence(
            event_id="e",
            time=BEGIN_MS,
            features={"x": 1.0},
            prediction=says,
            confidence=0.92 if sure else 0.53,
            probabilities={says: 0.92, other: 0.08} if sure else {says: 0.53, other: 0.47},
            learned_prediction="" if sure else "up",
            learned_version="" if sure else "v7",
        ),
        audit_probability=0.02 if sure else 0.06,
        challenger_prediction="" if sure else "down",
        challenger_version="" if sure else "v8",
    )


def everything(console: LiveConsole, person_id: str) -> dict[str, str]:
    """What every GET route answers to this person, pages and their parts, without the tokens of the session."""
    answers = {}
    with console.visit(person_id) as visitor:
        for method, path in routes(console.app):
            address = path.replace("{task_id}", "t-1")
            if method != "GET" or "{" in address:
                continue
            for asked in (address, f"{address}?lane=audit"):
                for headers in ({}, {"hx-request": "true"}):
                    answer = visitor.client.get(asked, headers=headers)
                    answers[f"{asked} {headers}"] = TOKEN.sub("", answer.text)
    return answers


@pytest.mark.parametrize("person_id", ["wilhelmina", "ada"])
def test_what_the_model_says_changes_no_answer(person_id: str) -> None:
    """Two audit tasks that differ in all fields of the model get the same bytes from every GET route."""
    seen = []
    for sure in (True, False):
        console = LiveConsole()
        console.state.hear_task(encode(task(sure)))
        seen.append(everything(console, person_id))
    assert len(seen[0]) > 40
    assert '"model_hidden":true' in seen[0]["/api/tasks/next {}"]
    assert [address for address in seen[0] if seen[0][address] != seen[1][address]] == []


def test_it_is_told_once_the_answer_stands() -> None:
    """Whoever has answered and looks again sees what the model says, and can no longer take the answer back."""
    console = LiveConsole(TWO_OPINIONS)
    console.state.hear_task(encode(task(sure=False)))
    with console.visit("wilhelmina") as visitor:
        assert visitor.client.get("/api/tasks/t-1").json()["task"]["evidence"]["prediction"] is None
        body = {"answer": "up", "seconds_spent": 1}
        assert visitor.client.post("/api/tasks/t-1/opinion", json=body).status_code == 200
        after = visitor.client.get("/api/tasks/t-1").json()
        assert (after["model_hidden"], after["mine"]["answer"]) == (False, "up")
        assert after["task"]["evidence"]["prediction"] == "down"
        assert after["task"]["evidence"]["probabilities"] == {"down": 0.53, "up": 0.47}
        assert after["task"]["reasons"] == ["the model is unsure (score 0.87)", "rule: says down"]
        refused = visitor.client.post("/api/tasks/t-1/withdraw")
        assert (refused.status_code, refused.json()["detail"]) == (409, "This answer can no longer be taken back.")
    with console.visit("ottokar") as visitor:
        second = visitor.client.get("/api/tasks/t-1").json()
        assert (second["model_hidden"], second["earlier"]) == (True, [])


def test_unseen_it_can_be_taken_back() -> None:
    """An answer can be taken back by whoever has not looked at the task since, and the model stays hidden."""
    console = LiveConsole()
    console.state.hear_task(encode(task(sure=True)))
    with console.visit("wilhelmina") as visitor:
        visitor.client.get("/api/tasks/t-1")
        visitor.client.post("/api/tasks/t-1/opinion", json={"answer": "up", "seconds_spent": 1})
        assert visitor.client.post("/api/tasks/t-1/withdraw").status_code == 200
        assert visitor.client.get("/api/tasks/t-1").json()["model_hidden"]


def test_other_lanes_hide_nothing() -> None:
    """A task of the review lane is seen whole: its answers are corrections, not a measurement."""
    console = LiveConsole()
    asked = msgspec.structs.replace(task(sure=True), lane="review")
    console.state.hear_task(encode(asked))
    with console.visit("wilhelmina") as visitor:
        shown = visitor.client.get("/api/tasks/t-1").json()
        whole = msgspec.convert(asked, SeenTask, from_attributes=True)
        assert shown["task"] == msgspec.json.decode(msgspec.json.encode(whole))
        assert visitor.client.get("/api/tasks").json()[0]["prediction"] == "up"


def test_every_field_of_a_task_is_decided_about() -> None:
    """Every field of a task is listed here as shown or as hidden, so that a new one cannot be shown by accident."""
    assert set(SeenTask.__struct_fields__) == set(Task.__struct_fields__)
    assert set(SeenEvidence.__struct_fields__) == set(Evidence.__struct_fields__)
    shown = {"task_id", "lane", "model", "state", "revision", "created_at", "due_at", "priority", "choices"}
    shown |= {"evidence", "alert_id", "answer", "changed_at", "correction_id"}
    assert set(Task.__struct_fields__) - set(HIDDEN_TASK) == shown
    of_event = {"event_id", "time", "model_version", "features", "slices", "content", "learn"}
    assert set(Evidence.__struct_fields__) - set(HIDDEN_EVIDENCE) == of_event
