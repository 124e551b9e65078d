"""Views and named queries against numbers worked out by hand."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import msgspec
import pytest
from plain_rows import rows_of

from schemas.alert import Alert
from schemas.correction import Correction
from schemas.gate_step import GateStep
from schemas.label import Label
from schemas.manifest import Manifest
from schemas.opinion import CANNOT_TELL, Opinion
from schemas.prediction import Prediction
from schemas.reject import Reject
from schemas.task import Task
from schemas.verdict import Verdict
from schemas.wire import Wire
from warehouse import queries
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.loop_queries import DriftState, drift_states, model_counts
from warehouse.rows import Identity, drift_state_row, report_row
from warehouse.tables import SCHEMA_VERSION, table_of

pytestmark = pytest.mark.servers

DAY0 = 1_704_067_200_000
"""2024-01-01T00:00:00Z"""


def fill(warehouse: Warehouse, topic: str, *values: Wire) -> None:
    rows = [row for offset, value in enumerate(values) for row in rows_of(topic, value, Identity(topic, 0, offset))]
    warehouse.insert(table_of(topic), rows)


def prediction(event_id: str, answer: str, confidence: float) -> Prediction:
    return Prediction(
        event_id=event_id, model="m", time=DAY0 + 1_000, features={"x": 1.0}, prediction=answer, confidence=confidence
    )


def verdict(event_id: str, decision: str, inclusion: float, **more: Any) -> Verdict:
    fixed = {"model": "m", "time": DAY0 + 1_000, "uncertainty": 0.5, "decided_at": DAY0 + 1_000}
    return Verdict(event_id=event_id, decision=decision, inclusion_probability=inclusion, **{**fixed, **more})


def correction(event_id: str, label: str, created_at: int, source: str = "review", **more: Any) -> Correction:
    fixed = {"model": "m", "time": DAY0, "features": {}, "prediction": "up", "confidence": 0.5}
    named = {"inclusion_probability": 1.0, "correction_id": f"c-{event_id}-{created_at}", **fixed, **more}
    if source != "label":
        named["task_id"] = f"t-{event_id}"
    return Correction(event_id=event_id, label=label, created_at=created_at, source=source, **named)


@pytest.fixture
def loop(warehouse: Warehouse) -> Warehouse:
    """Five events: two reviewed, one audited, one accepted, one that may not be reviewed; a sixth of another model."""
    fill(
        warehouse,
        "predictions",
        prediction("a", "up", 0.6),
        prediction("b", "up", 0.9),
        prediction("c", "down", 0.8),
        prediction("d", "down", 0.7),
        prediction("e", "up", 0.5),
        Prediction(event_id="a", model="other", time=DAY0, features={}, prediction="x", confidence=1.0),
    )
    fill(
        warehouse,
        "verdicts",
        verdict("a", "review", 1.0, task_id="t-a"),
        verdict("b", "accept", 0.1, audit=True, task_id="t-b", error_probability=0.2),
        verdict("c", "accept", 0.1, learned_prediction="up", learned_version="v1"),
        verdict("d", "escalate", 1.0, task_id="t-d"),
        verdict("e", "accept", 0.0),
    )
    fill(
        warehouse,
        "corrections",
        correction("a", "up", 5),
        correction("a", "down", 9, source="adjudication"),
        correction("b", "up", 6, inclusion_probability=0.1, audit=True),
        correction("c", "up", 7, source="label"),
    )
    return warehouse


def test_review_outcomes(loop: Warehouse) -> None:
    """The newest human answer counts; late labels do not; unanswered events have NULL."""
    rows = loop.as_analyst().query("SELECT event_id, label, source, was_right FROM review_outcomes ORDER BY event_id")
    assert [(row["event_id"], row["label"], row["was_right"]) for row in rows] == [
        ("a", "down", 0), ("b", "up", 1), ("c", None, None), ("d", None, None), ("e", None, None),
    ]  # fmt: skip
    assert rows[0]["source"] == "adjudication"


def test_what_is_chosen_is_not_what_is_answered(loop: Warehouse) -> None:
    """Of five events three were chosen (a, d, b by the audit), two of them are answered; late labels are none."""
    (found,) = [counts for counts in model_counts(loop.query) if counts.model == "m"]
    chosen = found.events - found.decisions["accept"] + found.audited
    assert (found.events, chosen, found.answered) == (5, 3, 2)


def test_accuracy_daily_is_the_difference_estimator(loop: Warehouse) -> None:
    """Four reviewable events, guesses .6 .8 .8 .7, a wrong at pi 1, b right at pi .1: by hand (-.0 +.8+2 +.8 +.7)/4."""
    (row,) = loop.query("SELECT * FROM accuracy_daily")
    by_hand = ((0.6 + (0 - 0.6) / 1) + (0.8 + (1 - 0.8) / 0.1) + 0.8 + 0.7) / 4
    error = math.sqrt((1 - 0.1) * (1 - 0.8) ** 2 / 0.1**2) / 4
    assert row["right_sum"] / 4 == pytest.approx(by_hand)
    assert math.sqrt(row["variance_sum"]) / 4 == pytest.approx(error)
    assert row["weight_max"] == pytest.approx(0.9 / 0.1**2)
    # d was escalated (pi 1, guess .7) and nobody has answered: all wrong, all right.
    assert (row["right_sum"] - row["right_sum_low"], row["right_sum_high"] - row["right_sum"]) == pytest.approx(
        (0.7, 0.3)
    )
    assert (row["events"], row["not_reviewable"], row["answered"], row["unanswered"]) == (4, 1, 2, 1)
    assert (row["audit_answered"], row["audit_unanswered"]) == (1, 0)
    assert [row[name] for name in ("accuracy", "standard_error", "low", "high")] == [None] * 4
    assert str(row["day"]) == "2024-01-01"


def fill_days(warehouse: Warehouse, days: int, *, events: int, rate: float, unanswered: float = 0.0) -> list[float]:
    """Days of a model that is right on four in five, of which every ``1/rate``-th event is drawn; each day's truth."""
    rng, truths = random.Random(f"{events} {rate}"), []
    predictions, verdicts, corrections = [], [], []
    for day in range(days):
        right = 0
        for n in range(events):
            name, sure = f"{day}-{n}", rng.betavariate(3.2, 0.8)
            is_right, is_drawn = rng.random() < sure, rng.random() < rate
            at, right = DAY0 + 86_400_000 * day + n, right + is_right
            predictions.append(msgspec.structs.replace(prediction(name, "up", sure), time=at))
            verdicts.append(
                verdict(name, "accept", rate, time=at, audit=is_drawn, task_id=f"t-{name}" if is_drawn else "")
            )
            if is_drawn and rng.random() >= unanswered * (1 if is_right else 3):
                corrections.append(correction(name, "up" if is_right else "down", at, inclusion_probability=rate))
        truths.append(right / events)
    fill(warehouse, "predictions", *predictions)
    fill(warehouse, "verdicts", *verdicts)
    fill(warehouse, "corrections", *corrections)
    return truths


def test_a_day_of_few_draws_says_nothing(warehouse: Warehouse) -> None:
    """Below 50 answered draws a day has their number and no accuracy; days together may have enough."""
    truths = fill_days(warehouse, 5, events=280, rate=0.1)
    days = warehouse.query("SELECT * FROM accuracy_daily ORDER BY day")
    assert all(10 < row["audit_answered"] < 50 for row in days)
    assert {row[name] for row in days for name in ("accuracy", "standard_error", "low", "high")} == {None}
    (whole,) = warehouse.query(PERIOD)
    assert whole["draws"] == sum(row["audit_answered"] for row in days) > 50
    assert whole["low"] < sum(truths) / 5 < whole["high"] < whole["low"] + 0.3


PERIOD = """
    WITH if(sum(audit_answered) < 50, NULL, 1.96 * sqrt(sum(variance_sum) + max(weight_max))) AS error
    SELECT sum(events) AS predictions, sum(audit_answered) AS draws, sum(right_sum) / predictions AS estimate,
        (sum(right_sum_low) - error) / predictions AS low, (sum(right_sum_high) + error) / predictions AS high
    FROM accuracy_daily
"""


def test_intervals_of_days_hold(warehouse: Warehouse) -> None:
    """Of 40 days with some 60 draws each the interval holds the truth on 36 or more (19 in 20 are asked)."""
    truths = fill_days(warehouse, 40, events=600, rate=0.1)
    days = warehouse.query("SELECT * FROM accuracy_daily ORDER BY day")
    said = [(row, truth) for row, truth in zip(days, truths, strict=True) if row["accuracy"] is not None]
    assert len(said) > 30
    assert sum(row["low"] <= truth <= row["high"] for row, truth in said) >= 0.9 * len(said)


def test_who_does_not_answer_widens_the_interval(warehouse: Warehouse) -> None:
    """Where the wrong ones are answered less often the estimate is too high, and the interval says that it may be."""
    truths = fill_days(warehouse, 8, events=1_500, rate=0.1, unanswered=0.1)
    for row, truth in zip(warehouse.query("SELECT * FROM accuracy_daily ORDER BY day"), truths, strict=True):
        assert row["audit_unanswered"] > 0
        assert row["low"] <= truth <= row["high"]
        assert row["low"] < row["accuracy"] - 1.96 * row["standard_error"] - 0.02


def test_accuracies_from_late_labels(loop: Warehouse) -> None:
    """Labels up for a, b, c: frozen right on a and b, learned on c too; after review a is wrong, people said down."""
    times = enumerate(("a", "b", "c"))
    fill(
        loop,
        "labels",
        Label(event_id="a", model="m", label="down", time=DAY0),
        *(Label(event_id=name, model="m", label="up", time=DAY0 + 1 + n) for n, name in times),
        Label(event_id="unknown", model="m", label="up", time=DAY0),
        Label(event_id="a", model="other", label="y", time=DAY0),
    )
    found = queries.accuracies(loop.query, "m")
    assert found.labelled == 3
    assert (found.frozen, found.learned, found.after_review) == (2 / 3, 3 / 3, 1 / 3)
    # Nobody judged the event of the other model.
    assert queries.accuracies(loop.query).labelled == 3
    assert queries.accuracies(loop.query, "nobody") == queries.Accuracies(
        labelled=0, frozen=None, learned=None, after_review=None
    )


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
    one, two = warehouse.query("SELECT * FROM alert_history ORDER BY fired_at")
    assert (one["state"], one["acknowledged_by"], one["resolved_by"]) == ("resolved", "ana", "bob")
    assert (one["seconds_to_acknowledge"], one["seconds_to_resolve"]) == (30, 90)
    assert (two["state"], two["acknowledged_at"], two["seconds_to_resolve"]) == ("firing", None, None)
    lines = queries.recent_alerts(warehouse.query, "m")
    assert [(line.alert_id, line.state, line.fired_at, line.fired_at_event) for line in lines] == [
        ("two", "firing", DAY0 + 1, 77), ("one", "resolved", DAY0, 77),
    ]  # fmt: skip
    assert len(queries.recent_alerts(warehouse.query, limit=1)) == 1


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
    lines = {line.alert_id: line.fired_at for line in queries.recent_alerts(warehouse.query, "m")}
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
        (line.alert_id, line.raised_at, line.told_at, line.fired_at)
        for line in queries.recent_alerts(warehouse.query, "m")
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
    assert queries.archived_tasks(warehouse.query, ["t1", "t2", "t3", "nope"]) == {"t1": 1, "t3": 1}
    assert queries.archived_tasks(warehouse.query, []) == {}
    with pytest.raises(WarehouseError, match="at most 5000"):
        queries.archived_tasks(warehouse.query, ["x"] * 5_001)


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
    assert [line.version for line in queries.versions(warehouse.query, "m")] == ["v1", "production"]
    bad = {"source_topic": "predictions", "source_partition": 0, "source_offset": 1, "time": DAY0}
    fill(
        warehouse,
        "rejects",
        *(Reject(original=b"{", reason="truncated", **bad) for _ in range(2)),
        Reject(original=b"[]", reason="empty", **bad),
    )
    rows = warehouse.query("SELECT reason, rejects, example FROM reject_reasons")
    assert [tuple(row.values()) for row in rows] == [("truncated", 2, "{"), ("empty", 1, "[]")]


def test_summary(loop: Warehouse) -> None:
    """The summary of a run, for one model and for all."""
    fill(loop, "review.events", task("t-a", 0, "open"), task("t-a", 1, "settled", "up"), task("t-b", 0, "open"))
    of_model = queries.run_summary(loop.query, "m")
    assert (of_model.events, of_model.verdicts) == (5, {"accept": 3, "escalate": 1, "review": 1})
    assert of_model.corrections == {"adjudication": 1, "label": 1, "review": 2}
    summary = queries.run_summary(loop.query)
    assert (summary.events, summary.tasks_answered, summary.rejects, summary.alerts) == (6, 1, 0, [])


def test_predictions_for_late_labels(loop: Warehouse) -> None:
    """What learning needs of events by id, each once; ids that are not there are not answered."""
    rows = queries.predictions_of(loop.query, "m", ["a", "c", "nope"])
    by_id = {row["event_id"]: row for row in rows}
    assert set(by_id) == {"a", "c"}
    assert by_id["a"]["time"] == DAY0 + 1_000
    assert by_id["a"]["features"] == {"x": 1.0}
    assert by_id["c"]["learned_prediction"] == "up"


def test_what_comes_again_under_an_id_changes_nothing(loop: Warehouse) -> None:
    """Other answers under ids of judged events, at an earlier, the same and a later time: what was judged counts."""

    def answers() -> tuple[Any, ...]:
        outcomes = "SELECT event_id, prediction, confidence, was_right FROM review_outcomes ORDER BY event_id"
        learned = queries.predictions_of(loop.query, "m", ["a", "b", "c", "d", "e"])
        return (
            loop.query(outcomes),
            loop.query("SELECT * FROM accuracy_daily"),
            queries.accuracies(loop.query, "m"),
            sorted((row["event_id"], row["prediction"], row["time"], row["consent_learn"]) for row in learned),
        )

    fill(loop, "labels", *[Label(event_id=name, model="m", label="up", time=DAY0 + 9_000) for name in "abcde"])
    before = answers()
    for shift in (-3_600_000, 0, 3_600_000):
        again = [
            msgspec.structs.replace(prediction(name, "sideways", 0.1), time=DAY0 + 1_000 + shift, producer="stranger")
            for name in "abcde"
        ]
        rows = [row for at, one in enumerate(again) for row in rows_of("predictions", one, Identity("later", 0, at))]
        loop.insert("predictions", rows)
        loop.command("OPTIMIZE TABLE predictions FINAL")
        assert answers() == before


def test_a_retry_that_has_a_second_verdict_is_no_second_event(loop: Warehouse) -> None:
    """c was not drawn by its first verdict; a draw of a late retry and its answer change neither c nor the others."""

    def said() -> tuple[Any, ...]:
        outcomes = loop.query("SELECT * FROM review_outcomes ORDER BY event_id")
        return outcomes, loop.query("SELECT * FROM accuracy_daily")

    before = said()
    late: dict[str, Any] = {"decided_at": DAY0 + 900_000}
    again = [
        verdict("a", "review", 1.0, task_id="t-a", **late),
        verdict("c", "accept", 0.1, audit=True, task_id="t-c", **late),
        verdict("b", "accept", 0.1, time=DAY0 + 800_000, **late),
    ]
    rows = [row for at, one in enumerate(again) for row in rows_of("verdicts", one, Identity("later", 0, at))]
    loop.insert("verdicts", rows)
    answer = correction("c", "up", 20, inclusion_probability=0.1, audit=True)
    loop.insert("corrections", rows_of("corrections", answer, Identity("later", 0, 0)))
    assert said() == before


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
    assert queries.report_html(warehouse.query, "r") == "<p>"
    assert queries.report_html(warehouse.query, "x") is None


def test_install_may_be_repeated(warehouse: Warehouse) -> None:
    """A second install changes nothing and keeps the rows; the version of the tables is recorded once."""
    fill(warehouse, "labels", Label(event_id="a", model="m", label="y", time=DAY0))
    warehouse.install()
    assert warehouse.query("SELECT count() AS n FROM labels") == [{"n": 1}]
    assert [row["version"] for row in warehouse.query("SELECT version FROM schema_versions")] == [SCHEMA_VERSION]
