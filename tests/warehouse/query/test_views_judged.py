"""Views and named queries of what was judged and how right it was, against numbers worked out by hand."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import msgspec
import pytest

from schemas.wire.label import Label
from tests.support.plain_rows import rows_of
from tests.support.stored_rows import DAY0, correction, fill, prediction, verdict
from warehouse.client import Warehouse
from warehouse.query.lookups import predictions_of
from warehouse.query.loop_figures import model_counts
from warehouse.query.run_summary import Accuracies, accuracies
from warehouse.store.rows import Identity
from watchloop.warehouse_page import PAGE

pytestmark = pytest.mark.servers

QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_review_outcomes(loop: Warehouse) -> None:
    """The newest human answer counts; late labels do not; unanswered events have NULL."""
    rows = loop.as_analyst().query("SELECT event_id, label, source, was_right FROM review_outcomes ORDER BY event_id")
    assert [(row["event_id"], row["label"], row["was_right"]) for row in rows] == [
        ("a", "down", 0), ("b", "up", 1), ("c", None, None), ("d", None, None), ("e", None, None),
    ]  # fmt: skip
    assert rows[0]["source"] == "adjudication"


def test_what_is_chosen_is_not_what_is_answered(loop: Warehouse) -> None:
    """Of five events three were chosen (a, d, b by the audit) and two answered; late labels do not count as answers."""
    (of_model,) = [counts for counts in model_counts(loop.query) if counts.model == "m"]
    chosen = of_model.events - of_model.decisions["accept"] + of_model.audited
    assert (of_model.events, chosen, of_model.answered) == (5, 3, 2)


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
    WITH if(sum(audit_answered) < 50, NULL, 1.96 * sqrt(sum(variance_sum_high) + 3.84 * max(weight_max))) AS error
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


def test_an_interval_holds_where_errors_are_never_answered(warehouse: Warehouse) -> None:
    """A model surer than it should be, whose errors nobody answers: the truth of 19 days in 20 is within."""
    days, events, rate = 20, 3_000, 0.05
    rng, truths = random.Random(11), []
    predictions, verdicts, corrections = [], [], []
    for day in range(days):
        right = 0
        for n in range(events):
            name, is_right, is_drawn = f"{day}-{n}", rng.random() < 0.8, rng.random() < rate
            at, right = DAY0 + 86_400_000 * day + n, right + is_right
            predictions.append(msgspec.structs.replace(prediction(name, "up", 0.95), time=at))
            task = f"t-{name}" if is_drawn else ""
            verdicts.append(verdict(name, "accept", rate, time=at, audit=is_drawn, task_id=task))
            if is_drawn and is_right:
                corrections.append(correction(name, "up", at, inclusion_probability=rate))
        truths.append(right / events)
    fill(warehouse, "predictions", *predictions)
    fill(warehouse, "verdicts", *verdicts)
    fill(warehouse, "corrections", *corrections)
    rows = warehouse.query("SELECT * FROM accuracy_daily ORDER BY day")
    held = [row["low"] <= truth <= row["high"] for row, truth in zip(rows, truths, strict=True)]
    assert sum(held) >= 0.9 * days, held
    # What was answered alone would say much less of the error.
    assert all(row["variance_sum_high"] > 10 * row["variance_sum"] for row in rows)


def test_where_few_errors_are_drawn_the_interval_is_no_narrower_than_they_allow(warehouse: Warehouse) -> None:
    """Without an error among 60 draws of a sure model, up to four in sixty may be wrong: what a score interval says."""
    predictions = [prediction(str(n), "up", 1.0) for n in range(600)]
    verdicts = [
        verdict(str(n), "accept", 0.1, audit=n % 10 == 0, task_id=f"t-{n}" if n % 10 == 0 else "") for n in range(600)
    ]
    corrections = [correction(str(n), "up", DAY0, inclusion_probability=0.1) for n in range(0, 600, 10)]
    fill(warehouse, "predictions", *predictions)
    fill(warehouse, "verdicts", *verdicts)
    fill(warehouse, "corrections", *corrections)
    (row,) = warehouse.query("SELECT * FROM accuracy_daily")
    assert row["accuracy"] == 1.0
    assert row["low"] == pytest.approx(1 - 1.96**2 * math.sqrt(0.9) / 60, abs=0.001)


def fill_mixed_days(warehouse: Warehouse, days: int) -> list[float]:
    """Days on which the model, sure of all, is right where draws are likely and seldom where not; each day's truth."""
    rng, truths = random.Random(5), []
    predictions, verdicts, corrections = [], [], []
    for day in range(days):
        right = 0
        for n in range(180):
            rate, accuracy = (0.5, 0.9) if n < 120 else (0.02, 0.2)
            name, is_right, is_drawn = f"{day}-{n}", rng.random() < accuracy, rng.random() < rate
            at, right = DAY0 + 86_400_000 * day + n, right + is_right
            task = f"t-{name}" if is_drawn else ""
            predicted = prediction(name, "up", 0.95)
            predictions.append(msgspec.structs.replace(predicted, time=at, slices={"region": "EU"}))
            verdicts.append(verdict(name, "accept", rate, time=at, audit=is_drawn, task_id=task))
            if is_drawn:
                corrections.append(correction(name, "up" if is_right else "down", at, inclusion_probability=rate))
        truths.append(right / 180)
    fill(warehouse, "predictions", *predictions)
    fill(warehouse, "verdicts", *verdicts)
    fill(warehouse, "corrections", *corrections)
    return truths


def test_an_interval_holds_where_no_unlikely_event_was_drawn(warehouse: Warehouse) -> None:
    """Fifty draws of likely events say nothing of unlikely ones: the view and the page's queries leave them open."""
    truths = fill_mixed_days(warehouse, 40)
    analyst = warehouse.as_analyst()
    rows = analyst.query("SELECT * FROM accuracy_daily ORDER BY day")
    assert [row["weight_max"] for row in rows] == pytest.approx([0.98 / 0.02**2] * 40)
    said = [(row, truth) for row, truth in zip(rows, truths, strict=True) if row["accuracy"] is not None]
    assert len(said) > 30
    assert sum(row["low"] <= truth <= row["high"] for row, truth in said) >= 0.9 * len(said)
    of_page = [query for query in QUERIES if "AS error" in query]
    assert len(of_page) == 2
    for query in of_page:
        for day in range(3):
            of_day = "toDate(time)" if "accuracy_terms" in query else "day"
            span = f"'m' AND {of_day} = toDate('2024-01-01') + {day}"
            (row,) = analyst.query(query.replace("'elec2'", span))
            assert (row["accuracy"], row["low"], row["high"]) == tuple(
                rows[day][name] and pytest.approx(rows[day][name]) for name in ("accuracy", "low", "high")
            )


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
    shares = accuracies(loop.query, "m")
    assert shares.labelled == 3
    assert (shares.frozen, shares.learned, shares.after_review) == (2 / 3, 3 / 3, 1 / 3)
    # Nobody judged the event of the other model.
    assert accuracies(loop.query).labelled == 3
    assert accuracies(loop.query, "nobody") == Accuracies(labelled=0, frozen=None, learned=None, after_review=None)


def test_what_comes_again_under_an_id_changes_nothing(loop: Warehouse) -> None:
    """Other answers under ids of judged events, at an earlier, the same and a later time: what was judged counts."""

    def answers() -> tuple[Any, ...]:
        outcomes = "SELECT event_id, prediction, confidence, was_right FROM review_outcomes ORDER BY event_id"
        learned = predictions_of(loop.query, "m", ["a", "b", "c", "d", "e"])
        return (
            loop.query(outcomes),
            loop.query("SELECT * FROM accuracy_daily"),
            accuracies(loop.query, "m"),
            sorted((row["event_id"], row["prediction"], row["time"], row["consent_learn"]) for row in learned),
        )

    fill(loop, "labels", *[Label(event_id=name, model="m", label="up", time=DAY0 + 9_000) for name in "abcde"])
    before = answers()
    for shift in (-3_600_000, 0, 3_600_000):
        again = [
            msgspec.structs.replace(prediction(name, "sideways", 0.1), time=DAY0 + 1_000 + shift, producer="stranger")
            for name in "abcde"
        ]
        rows = [
            row for at, value in enumerate(again) for row in rows_of("predictions", value, Identity("later", 0, at))
        ]
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
    rows = [row for at, value in enumerate(again) for row in rows_of("verdicts", value, Identity("later", 0, at))]
    loop.insert("verdicts", rows)
    answer = correction("c", "up", 20, inclusion_probability=0.1, audit=True)
    loop.insert("corrections", rows_of("corrections", answer, Identity("later", 0, 0)))
    assert said() == before
