"""Views and named queries of alerts, tasks, people, models and reports, against numbers worked out by hand."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from schemas.codec import encode
from schemas.wire.alert import Alert
from schemas.wire.gate_step import GateStep
from schemas.wire.label import Label
from schemas.wire.manifest import Manifest
from schemas.wire.opinion import CANNOT_TELL, Opinion
from schemas.wire.reject import Reject
from schemas.wire.task import Task
from tests.support.stored_rows import DAY0, correction, fill, verdict
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.query.lookups import archived_tasks, predictions_of, report_html
from warehouse.query.loop_figures import DriftState, drift_states
from warehouse.query.run_summary import is_answered, recent_alerts, run_summary, versions
from warehouse.store.rows import drift_state_row, report_row
from warehouse.store.tables import SCHEMA_VERSION

pytestmark = pytest.mark.servers


def alert(alert_id: str, revision: int, state: str, told_at: int, by: str = "", fired_at: int = DAY0) -> Alert:
    return Alert(
        alert_id=alert_id, model="m", signal="confidence", detector="ADWIN", severity="warning", state=state,
        revision=revision, fired_at=fired_at, fired_at_event=77, changed_at=told_at, changed_by=by, report_id="r1",
        raised_at=fired_at, told_at=told_at, judged_until=fired_at,
    )  # fmt: skip


def test_alert_history_and_recent_alerts(warehouse: Warehouse) -> None:
    """Times to acknowledge and resolve in seconds; what has not happened is NULL; the newest revision is the state."""
    fill(
        warehouse,
        "alerts",
        alert("one", 0, "firing", DAY0),
        alert("one", 1, "acknowledged", DAY0 + 30_000, "ana"),
        alert("one", 2, "resolved", DAY0 + 90_000, "bob"),
        alert("two", 0, "firing", DAY0 + 1, fired_at=DAY0 + 1),
    )
    first, second = warehouse.query("SELECT * FROM alert_history ORDER BY fired_at")
    assert (first["state"], first["acknowledged_by"], first["resolved_by"]) == ("resolved", "ana", "bob")
    assert (first["seconds_to_acknowledge"], first["seconds_to_resolve"]) == (30, 90)
    assert (second["state"], second["acknowledged_at"], second["seconds_to_resolve"]) == ("firing", None, None)
    lines = recent_alerts(warehouse.query, "m")
    assert [(line.alert_id, line.state, line.fired_at, line.fired_at_event) for line in lines] == [
        ("two", "firing", DAY0 + 1, 77), ("one", "resolved", DAY0, 77),
    ]  # fmt: skip
    assert len(recent_alerts(warehouse.query, limit=1)) == 1


def test_times_of_the_clock_and_of_the_stream_stand_apart(warehouse: Warehouse) -> None:
    """Views have no time of mixed kind: the error rate has no place in the stream, and what nobody told is NULL."""
    error = msgspec.structs.replace(alert("wrong", 0, "firing", DAY0 + 9_000), signal="error", fired_at=DAY0 + 8_000)
    untold = msgspec.structs.replace(alert("untold", 1, "resolved", DAY0 + 5_000, "ana"), raised_at=0, told_at=0)
    fill(warehouse, "alerts", error, untold, alert("plain", 0, "firing", DAY0 + 1))
    plain, quiet, wrong = warehouse.as_analyst().query("SELECT * FROM alerts_now ORDER BY alert_id")
    assert "changed_at" not in plain
    assert (wrong["fired_at"], wrong["judged_until"]) == (None, None)
    assert plain["fired_at"] == plain["judged_until"] == plain["raised_at"]
    assert (quiet["raised_at"], quiet["told_at"]) == (None, None)
    plain, quiet, wrong = warehouse.query("SELECT * FROM alert_history ORDER BY alert_id")
    assert (quiet["raised_at"], quiet["resolved_at"], quiet["seconds_to_resolve"]) == (None, None, None)
    assert (quiet["state"], quiet["resolved_by"]) == ("resolved", "ana")
    assert (plain["fired_at"], wrong["fired_at"]) == (plain["raised_at"], None)
    lines = {line.alert_id: line.fired_at for line in recent_alerts(warehouse.query, "m")}
    assert lines == {"plain": DAY0, "untold": DAY0, "wrong": 0}


def test_a_replay_of_old_events_is_timed_by_the_clock(warehouse: Warehouse) -> None:
    """Seconds until somebody acted are the clock's throughout, and the newest by the clock comes first."""
    year_ms = 365 * 86_400_000
    told = {0: DAY0 + year_ms, 1: DAY0 + year_ms + 20_000, 2: DAY0 + year_ms + 50_000}
    stages = [("firing", DAY0, ""), ("acknowledged", told[1], "ana"), ("resolved", DAY0 + 3_600_000, "")]
    fill(
        warehouse,
        "alerts",
        *(
            msgspec.structs.replace(
                alert("old", revision, state, changed_at, by), raised_at=told[0], told_at=told[revision]
            )
            for revision, (state, changed_at, by) in enumerate(stages)
        ),
        msgspec.structs.replace(
            alert("new", 0, "firing", DAY0 + 7_000, fired_at=DAY0 + 7_000),
            raised_at=told[0] - 1_000, told_at=told[0] - 1_000,
        ),
    )  # fmt: skip
    new, old = warehouse.query("SELECT * FROM alert_history ORDER BY raised_at")
    assert (old["acknowledged_by"], old["resolved_by"]) == ("ana", "")
    assert (old["seconds_to_acknowledge"], old["seconds_to_resolve"]) == (20, 50)
    assert new["seconds_to_resolve"] is None
    assert [
        (line.alert_id, line.raised_at, line.told_at, line.fired_at) for line in recent_alerts(warehouse.query, "m")
    ] == [("old", told[0], told[2], DAY0), ("new", told[0] - 1_000, told[0] - 1_000, DAY0 + 7_000)]


def task(task_id: str, revision: int, state: str, answer: str = "", lane: str = "review") -> Task:
    return Task(
        task_id=task_id, lane=lane, model="m", state=state, revision=revision, created_at=DAY0, due_at=DAY0,
        priority=1.0, answer=answer, changed_at=DAY0 + revision,
    )  # fmt: skip


def opinion(opinion_id: str, task_id: str, person: str, answer: str, seconds: float) -> Opinion:
    return Opinion(
        opinion_id=opinion_id, task_id=task_id, model="m", person=person, answer=answer, time=DAY0,
        seconds_spent=seconds, simulated=person == "sim",
    )  # fmt: skip


def test_all_is_answered_once_every_task_is_stored_and_settled(warehouse: Warehouse) -> None:
    """A task that is not stored yet is not answered, nor is one whose correction is not; alerts' tasks do not count."""

    def answered() -> bool:
        return is_answered(warehouse.query, "m")

    fill(warehouse, "verdicts", verdict("a", "review", 1.0, task_id="t-a"), verdict("b", "accept", 0.1))
    fill(warehouse, "review.alerts", task("alert", 0, "open", lane="alert"))
    seen = [answered()]
    for topic, value in (
        ("review.events", task("t-a", 0, "open")),
        ("review.events", task("t-a", 1, "settled", "up")),
        ("corrections", correction("a", "up", 5)),
    ):
        fill(warehouse, topic, value)
        seen.append(answered())
    assert seen == [False, False, False, True]


def test_tasks_and_reviewers(warehouse: Warehouse) -> None:
    """The present state of tasks; who agreed with what was settled; which tasks are archived."""
    fill(
        warehouse,
        "review.events",
        task("t1", 0, "open"),
        task("t1", 1, "settled", "up"),
        task("t2", 0, "open", lane="audit"),
        task("t3", 0, "open"),
        task("t3", 1, "expired"),
    )
    fill(
        warehouse,
        "review.opinions",
        opinion("1", "t1", "ana", "up", 2.0),
        opinion("2", "t1", "sim", "down", 1.0),
        opinion("3", "t2", "ana", CANNOT_TELL, 4.0),
    )
    now = warehouse.query("SELECT task_id, state FROM tasks_now ORDER BY task_id")
    assert [tuple(row.values()) for row in now] == [("t1", "settled"), ("t2", "open"), ("t3", "expired")]
    ana, sim = warehouse.query("SELECT * FROM reviewer_activity ORDER BY person")
    assert (ana["opinions"], ana["cannot_tell"], ana["on_settled_tasks"], ana["compared"]) == (2, 1, 1, 0)
    assert (sim["opinions"], sim["compared"], sim["agreed"], sim["simulated"]) == (1, 1, 0, True)
    assert archived_tasks(warehouse.query, ["t1", "t2", "t3", "nope"]) == {"t1": 1, "t3": 1}
    assert archived_tasks(warehouse.query, []) == {}
    with pytest.raises(WarehouseError, match="at most 5000"):
        archived_tasks(warehouse.query, ["x"] * 5_001)


def test_model_history_and_rejects(warehouse: Warehouse) -> None:
    """A version stands beside the gate's last decision about it; rejects are counted by reason."""
    fill(
        warehouse,
        "models",
        Manifest(model="m", version="v1", recipe="forest", created_at=DAY0),
        Manifest(model="m", version="production", recipe="production", created_at=DAY0 + 5, reason="rolled back"),
    )
    step = {"model": "m", "gate": "g", "corrections": 9, "champion": "production", "log_threshold": 3.0}
    fill(
        warehouse,
        "gates",
        GateStep(step=1, challenger="v1", log_evidence=1.0, decision="continue", time=DAY0, **step),
        GateStep(step=2, challenger="v1", log_evidence=3.5, decision="promoted", time=DAY0 + 1, **step),
    )
    first, second = warehouse.query("SELECT version, gate_decision, log_evidence, reason FROM model_history")
    assert tuple(first.values()) == ("v1", "promoted", 3.5, "")
    assert tuple(second.values()) == ("production", None, None, "rolled back")
    assert [line.version for line in versions(warehouse.query, "m")] == ["v1", "production"]
    bad = {"source_topic": "predictions", "source_partition": 0, "source_offset": 1, "time": DAY0}
    fill(
        warehouse,
        "rejects",
        *(Reject(original=b"{", reason=f"got {n}; expected a text; or not", **bad) for n in ("1", "'a; b'")),
        Reject(original=b"[]", reason="empty", **bad),
    )
    rows = warehouse.query("SELECT reason, rejects, example FROM reject_reasons")
    assert [tuple(row.values()) for row in rows] == [("expected a text; or not", 2, "{"), ("empty", 1, "[]")]


def test_summary(loop: Warehouse) -> None:
    """The summary of a run, for one model and for all."""
    fill(loop, "review.events", task("t-a", 0, "open"), task("t-a", 1, "settled", "up"), task("t-b", 0, "open"))
    of_model = run_summary(loop.query, "m")
    assert (of_model.events, of_model.verdicts) == (5, {"accept": 3, "escalate": 1, "review": 1})
    assert of_model.corrections == {"adjudication": 1, "label": 1, "review": 2}
    summary = run_summary(loop.query)
    assert (summary.events, summary.tasks_answered, summary.rejects, summary.alerts) == (6, 1, 0, [])


def test_predictions_for_late_labels(loop: Warehouse) -> None:
    """What learning needs of events by id, each once; ids that are not there are not answered."""
    rows = predictions_of(loop.query, "m", ["a", "c", "nope"])
    by_id = {row["event_id"]: row for row in rows}
    assert set(by_id) == {"a", "c"}
    assert by_id["a"]["time"] == DAY0 + 1_000
    assert by_id["a"]["features"] == {"x": 1.0}
    assert by_id["c"]["learned_prediction"] == "up"


def test_how_drift_stands(warehouse: Warehouse) -> None:
    """The newest row of each model counts, for the figures of the Loop page."""
    assert drift_states(warehouse.query) == {}
    old: dict[str, Any] = {"events_seen": 1, "windows_seen": 0, "late_blocks": 0, "late_events": 0, "forced_blocks": 0}
    old |= {"time_resets": 0, "features_unwatched": 0, "unwatched": []}
    new = old | {
        "late_blocks": 2,
        "late_events": 150,
        "forced_blocks": 1,
        "time_resets": 3,
        "features_unwatched": 7,
        "unwatched": ["a'b"],
    }
    now_ms = time.time_ns() // 1_000_000  # rows of a month ago are dropped
    rows = [
        drift_state_row(told_at=at, model=model, **figures)
        for at, model, figures in ((now_ms, "m", old), (now_ms + 5_000, "m", new), (now_ms, "n", old))
    ]
    warehouse.insert("drift_states", rows)
    told = DriftState(
        late_blocks=2, late_events=150, forced_blocks=1, time_resets=3, features_unwatched=7, unwatched=("a'b",)
    )
    assert drift_states(warehouse.query) == {"m": told, "n": DriftState()}


def test_reports(warehouse: Warehouse) -> None:
    """A report is found by its id, or is None."""
    warehouse.insert(
        "reports", [report_row(report_id="r", alert_id="a", model="m", created_at=DAY0, json="{}", html="<p>")]
    )
    assert report_html(warehouse.query, "r") == "<p>"
    assert report_html(warehouse.query, "x") is None


def test_install_may_be_repeated(warehouse: Warehouse) -> None:
    """A second install changes nothing and keeps the rows; the version of the tables is recorded once."""
    fill(warehouse, "labels", Label(event_id="a", model="m", label="y", time=DAY0))
    warehouse.install()
    assert warehouse.query("SELECT count() AS n FROM labels") == [{"n": 1}]
    assert [row["version"] for row in warehouse.query("SELECT version FROM schema_versions")] == [SCHEMA_VERSION]


def test_views_of_before_are_replaced(warehouse: Warehouse) -> None:
    """A database whose views were made by an older version has those of this one after an install, and its version."""
    warehouse.command("CREATE OR REPLACE VIEW accuracy_terms AS SELECT event_id, model FROM review_outcomes")
    warehouse.command("TRUNCATE TABLE schema_versions")
    warehouse.insert("schema_versions", [{"version": SCHEMA_VERSION - 1}])
    warehouse.install()
    assert warehouse.query("SELECT weight FROM accuracy_terms") == []
    assert warehouse.query("SELECT weight_max FROM accuracy_daily") == []
    versions = warehouse.query("SELECT version FROM schema_versions ORDER BY version")
    assert [row["version"] for row in versions] == [SCHEMA_VERSION - 1, SCHEMA_VERSION]


def test_labels_that_were_refused_for_their_spelling_are_none(warehouse: Warehouse) -> None:
    """An event's newest label counts, also if no prediction was found for it, but not if its spelling was refused."""
    labels = [
        Label(event_id=event, model="m", label=text, time=DAY0 + late)
        for event, text, late in (
            ("a", "up", 0),
            ("a", "down", 1),
            ("b", "up", 0),
            ("b", "UP", 1),
            ("c", "UP", 0),
            ("d", "up", 0),
        )
    ]
    fill(warehouse, "labels", *labels)
    fill(
        warehouse,
        "rejects",
        *(
            Reject(
                original=encode(labels[offset]), reason="why", field=field, role=role,
                source_topic="labels", source_partition=0, source_offset=offset, time=DAY0,
            )
            for offset, role, field in (
                (3, "labels", "$.label"), (4, "labels", "$.label"), (2, "intake", "$.label"),
                (5, "labels", "$.event_id"),
            )
        ),
    )  # fmt: skip
    rows = warehouse.as_analyst().query("SELECT event_id, label FROM labels_now ORDER BY event_id")
    assert [(row["event_id"], row["label"]) for row in rows] == [("a", "down"), ("b", "up"), ("d", "up")]
