"""Live accuracy as the Loop page and analysts see it: one estimate, and an interval for each question."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from agents.desk.loop_watch import LoopWatch
from console.desk.protocol import Interval
from review.accuracy import KNOWN_SHARE_MIN, RESIDUAL_VARIANCE, AccuracyEstimate
from review.settings import AccuracySettings
from schemas.wire.base import Wire
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction
from schemas.wire.verdict import Verdict
from streams.settings import KafkaSettings
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.query.loop_figures import model_counts
from warehouse.query.run_summary import run_summary
from warehouse.store.rows import Identity
from warehouse.store.tables import ACCURACY, AUDIT_ANSWERED_MIN, table_of

pytestmark = pytest.mark.servers

DAY_MS = 86_400_000
DAY0 = 1_704_067_200_000
"""2024-01-01T00:00:00Z"""
NOT_REVIEWABLE = 30
"""Every fiftieth of the events of three days."""


def fill(warehouse: Warehouse, topic: str, values: list[Wire], name: str = "first") -> None:
    rows = [row for offset, value in enumerate(values) for row in rows_of(topic, value, Identity(name, 0, offset))]
    warehouse.insert(table_of(topic), rows)


def events(days: int = 3, each: int = 500) -> tuple[list[Wire], list[Wire], list[Wire], AccuracyEstimate]:
    """Predictions, verdicts and answers of some days; and what the estimate makes of them, event by event.

    A tenth is reviewed (pi 1), of the others a tenth is drawn, some of it while the floor was lower; an eighth of what
    people were asked is not answered, and some events may not be reviewed.
    """
    rng = random.Random(5)
    estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=0.05)
    predictions: list[Wire] = []
    verdicts: list[Wire] = []
    answers: list[Wire] = []
    for n in range(days * each):
        at, sure = DAY0 + DAY_MS * (n // each) + n % each, rng.betavariate(3.2, 0.8)
        pi = 0.0 if n % 50 == 0 else 1.0 if n % 10 == 1 else 0.05 if n % 3 == 0 else 0.1
        asked, is_right, has_answer = rng.random() < pi, rng.random() < sure, rng.random() > 0.125
        task_id = f"t-{n}" if asked else ""
        error = round(1 - sure, 3) if n % 2 else None
        predictions.append(
            Prediction(event_id=str(n), model="m", time=at, features={}, prediction="up", confidence=sure)
        )
        verdicts.append(
            Verdict(
                event_id=str(n), model="m", time=at, decision="review" if pi == 1 else "accept", uncertainty=1 - sure,
                error_probability=error, inclusion_probability=pi, audit=asked and pi < 1, task_id=task_id,
                decided_at=at,
            )
        )  # fmt: skip
        guess = sure if error is None else 1 - error
        estimate.update(guess, pi, reviewed=asked, correct=is_right if asked and has_answer else None)
        if asked and has_answer:
            answers.append(
                Correction(
                    correction_id=f"c-{n}", model="m", event_id=str(n), time=at, created_at=at, task_id=task_id,
                    label="up" if is_right else "down", source="review", features={}, prediction="up", confidence=sure,
                    inclusion_probability=pi,
                )
            )  # fmt: skip
    return predictions, verdicts, answers, estimate


@pytest.fixture
def measured(warehouse: Warehouse) -> tuple[Warehouse, AccuracyEstimate]:
    """Three days in ClickHouse, and the estimate that was told of each event."""
    predictions, verdicts, answers, estimate = events()
    fill(warehouse, "predictions", predictions)
    fill(warehouse, "verdicts", verdicts)
    fill(warehouse, "corrections", answers)
    return warehouse, estimate


def on_the_page(warehouse: Warehouse) -> Interval:
    """What the Loop page shows of the model."""
    (counts,) = model_counts(warehouse.query)
    watch = LoopWatch(KafkaSettings(), lambda: warehouse, AccuracySettings())
    shown = watch._figures(counts).accuracy
    assert shown is not None
    return shown


def test_page_and_analyst_see_the_same_interval(measured: tuple[Warehouse, AccuracyEstimate]) -> None:
    """Of all events so far the page, the view and the estimate itself say the same three numbers."""
    warehouse, estimate = measured
    by_event = estimate.interval()
    shown = on_the_page(warehouse)
    (row,) = warehouse.as_analyst().query("SELECT * FROM accuracy_so_far")
    assert by_event is not None
    assert (row["events"], row["not_reviewable"]) == (estimate.events, NOT_REVIEWABLE)
    assert (row["audit_answered"], row["unanswered"]) == (estimate.audit_hits, estimate.unanswered)
    assert (row["accuracy"], row["low"], row["high"]) == pytest.approx(by_event, rel=1e-9)
    assert (shown.estimate, shown.low, shown.high) == pytest.approx(by_event, rel=1e-9)


@pytest.mark.parametrize("unanswered", [0, 7])
def test_where_nearly_all_is_answered_the_accuracy_is_known(warehouse: Warehouse, unanswered: int) -> None:
    """Without a draw page and view say the share of right answers, and what the few others may turn out to be."""
    predictions, verdicts, answers, total = [], [], [], 100
    for n in range(total):
        name = str(n)
        predictions.append(
            Prediction(event_id=name, model="m", time=DAY0 + n, features={}, prediction="up", confidence=0.5)
        )
        verdicts.append(
            Verdict(
                event_id=name, model="m", time=DAY0 + n, decision="review", uncertainty=0.5, inclusion_probability=1.0,
                task_id=f"t-{n}", decided_at=DAY0 + n,
            )
        )  # fmt: skip
        if n >= unanswered:
            answers.append(
                Correction(
                    correction_id=f"c-{n}", model="m", event_id=name, time=DAY0 + n, created_at=DAY0, task_id=f"t-{n}",
                    label="up" if n % 4 else "down", source="review", features={}, prediction="up", confidence=0.5,
                    inclusion_probability=1.0,
                )
            )  # fmt: skip
    fill(warehouse, "predictions", predictions)
    fill(warehouse, "verdicts", verdicts)
    fill(warehouse, "corrections", answers)
    right = sum(n % 4 > 0 for n in range(unanswered, total))
    shown = on_the_page(warehouse)
    (row,) = warehouse.query("SELECT * FROM accuracy_so_far")
    assert (row["low"], row["high"]) == pytest.approx((right / total, (right + unanswered) / total))
    assert row["low"] <= row["accuracy"] <= row["high"]
    assert (shown.estimate, shown.low, shown.high) == pytest.approx((row["accuracy"], row["low"], row["high"]))
    (day,) = warehouse.query("SELECT * FROM accuracy_daily")
    assert day["accuracy"] is None, "which speaks of draws alone"


def test_the_view_has_the_settings_as_they_are_delivered() -> None:
    """The numbers that the view is made with are the defaults of the settings that the page follows."""
    settings = AccuracySettings()
    delivered = (settings.alpha, settings.tuned_audit_hits, RESIDUAL_VARIANCE, KNOWN_SHARE_MIN)
    assert tuple(ACCURACY.values()) == delivered
    assert AccuracySettings().audit_hits_min == AUDIT_ANSWERED_MIN


def test_days_add_up_to_the_estimate_of_all(measured: tuple[Warehouse, AccuracyEstimate]) -> None:
    """Both views have one estimate; the interval of a single look at all days is the narrower one, and says so."""
    warehouse, _ = measured
    (whole,) = warehouse.query("SELECT * FROM accuracy_so_far")
    (days,) = warehouse.query(
        "SELECT sum(right_sum) / sum(events) AS accuracy, sum(right_sum_low) AS low, sum(right_sum_high) AS high,"
        " sum(variance_sum) AS variance, sum(variance_sum_high) AS variance_high,"
        " 1.96 * sqrt(variance_high + 3.84 * max(weight_max)) / sum(events) AS radius"
        " FROM accuracy_daily"
    )
    assert days["accuracy"] == pytest.approx(whole["accuracy"])
    assert (days["low"], days["high"]) == pytest.approx((whole["right_sum_low"], whole["right_sum_high"]))
    assert days["variance"] == pytest.approx(whole["variance_sum"])
    assert days["variance_high"] == pytest.approx(whole["variance_sum"] + whole["open_variance_sum"])
    assert days["radius"] < whole["high"] - whole["right_sum_high"] / whole["events"]
    sql = "SELECT name, comment FROM system.tables WHERE database = {name:String}"
    words = {row["name"]: row["comment"] for row in warehouse.query(sql, {"name": warehouse.settings.database})}
    assert "ONE look" in words["accuracy_daily"]
    assert "EVERY look" in words["accuracy_so_far"]


def test_below_fifty_answered_draws_nothing_is_said(warehouse: Warehouse) -> None:
    """Few draws have their number and no accuracy, as on the page."""
    predictions, verdicts, answers, _ = events(days=1, each=300)
    fill(warehouse, "predictions", predictions)
    fill(warehouse, "verdicts", verdicts)
    fill(warehouse, "corrections", answers)
    (row,) = warehouse.query("SELECT * FROM accuracy_so_far")
    assert 0 < row["audit_answered"] < AUDIT_ANSWERED_MIN
    assert {row["accuracy"], row["low"], row["high"]} == {None}
    watch = LoopWatch(KafkaSettings(), lambda: warehouse, AccuracySettings())
    assert watch._figures(model_counts(warehouse.query)[0]).accuracy is None


def test_a_late_retry_is_no_second_event_on_the_page(measured: tuple[Warehouse, AccuracyEstimate]) -> None:
    """Second verdicts, of events that were drawn by the first or are by the second, change no figure of a model."""
    warehouse, _ = measured
    _, verdicts, _, _ = events()
    before = model_counts(warehouse.query)
    decided = run_summary(warehouse.query).verdicts
    drawn: dict[str, Any] = {"decision": "accept", "audit": True, "inclusion_probability": 0.1}
    again: list[Wire] = [
        msgspec.structs.replace(
            verdict,
            decided_at=DAY0 + 10 * DAY_MS,
            task_id=f"t-{verdict.event_id}",
            **drawn,  # type: ignore[attr-defined]
        )
        for verdict in verdicts[:400]
    ]
    fill(warehouse, "verdicts", again, "again")
    answers: list[Wire] = [
        Correction(
            correction_id=f"c-{n}", model="m", event_id=str(n), time=DAY0 + n, created_at=DAY0, task_id=f"t-{n}",
            label="down", source="review", features={}, prediction="up", confidence=0.5, inclusion_probability=0.1,
        )
        for n in range(400)
        if not verdicts[n].task_id  # type: ignore[attr-defined]
    ]  # fmt: skip
    fill(warehouse, "corrections", answers, "again")
    (counts,), (known,) = model_counts(warehouse.query), before
    told = {"corrections": len(answers) + known.corrections, "answered": len(answers) + known.answered}
    for name in counts.__struct_fields__:
        right = told.get(name, getattr(known, name))
        assert getattr(counts, name) == (pytest.approx(right) if isinstance(right, float) else right), name
    assert run_summary(warehouse.query).verdicts == decided
    assert sum(decided.values()) == known.events
    warehouse.command("OPTIMIZE TABLE verdicts FINAL")
    assert model_counts(warehouse.query)[0].events == known.events


def rows_of_views(warehouse: Warehouse) -> list[dict[str, Any]]:
    """What analysts read of accuracy, in all and by day."""
    return [row for view in ("accuracy_so_far", "accuracy_daily") for row in warehouse.query(f"SELECT * FROM {view}")]


@pytest.mark.parametrize("shift_ms", [0, 5, DAY_MS, -30 * DAY_MS])
def test_what_comes_again_is_no_second_event(measured: tuple[Warehouse, AccuracyEstimate], shift_ms: int) -> None:
    """A table replayed once more under other times, with tasks and answers as before: page and views stay as they are.

    Task ids are made of model and event, so that the second verdict's task is the first's; the second prediction is
    another, and the answers are given to what that was.
    """
    warehouse, _ = measured
    predictions, verdicts, answers, _ = events()
    shown, known = on_the_page(warehouse), model_counts(warehouse.query)[0]
    views = rows_of_views(warehouse)

    def again(values: list[Wire], **more: Any) -> list[Wire]:
        return [msgspec.structs.replace(value, time=value.time + shift_ms, **more) for value in values]  # type: ignore[attr-defined]

    fill(warehouse, "predictions", again(predictions, prediction="down"), "again")
    fill(warehouse, "verdicts", again(verdicts, decided_at=DAY0 + 10 * DAY_MS), "again")
    fill(warehouse, "corrections", again(answers, prediction="down", created_at=DAY0 + 10 * DAY_MS), "again")
    assert rows_of_views(warehouse) == [
        {name: pytest.approx(value) if isinstance(value, float) else value for name, value in row.items()}
        for row in views
    ]
    now = on_the_page(warehouse)
    assert (now.estimate, now.low, now.high) == pytest.approx((shown.estimate, shown.low, shown.high))
    (counts,) = model_counts(warehouse.query)
    for name in counts.__struct_fields__:
        right = getattr(known, name)
        assert getattr(counts, name) == (pytest.approx(right) if isinstance(right, float) else right), name
