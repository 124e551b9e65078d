"""What was not sent is NULL in every query that an analyst would write, and what was sent keeps its digits."""

from __future__ import annotations

import io
import json
import re
from importlib import resources
from typing import Any

import pyarrow.parquet
import pytest

from schemas.wire.alert import Alert
from schemas.wire.base import Scalar
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction, epoch_ms
from schemas.wire.task import Evidence, Task
from schemas.wire.verdict import Verdict
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.query.lookups import predictions_of
from warehouse.store.arrow_columns import Identities, prediction_columns
from warehouse.store.inserts import ColumnInsert
from warehouse.store.rows import Identity
from warehouse.store.tables import table_of

T0 = 1_704_067_200_000
LARGE = [1875924584784080993, -1875924584784080993, 2**53 + 1, 2**64 - 1, -(2**63) - 1, 10**30 + 7, -(10**75) - 3]


def store(warehouse: Warehouse, *features: dict[str, Scalar], **more: Any) -> None:
    """Predictions as RECORD stores them."""
    events = [
        Prediction(event_id=f"e{n}", model="m", time=T0 + n, features=event, prediction="x", confidence=0.5, **more)
        for n, event in enumerate(features)
    ]
    batch = prediction_columns(
        events, [epoch_ms(event.time) for event in events], Identities("id", 0, range(len(events)), [0] * len(events))
    )
    warehouse.write("predictions", ColumnInsert(batch))


def fill(warehouse: Warehouse, topic: str, *values: Any) -> None:
    rows = [row for offset, value in enumerate(values) for row in rows_of(topic, value, Identity(topic, 0, offset))]
    warehouse.insert(table_of(topic), rows)


def answer(warehouse: Warehouse, sql: str) -> Any:
    (row,) = warehouse.as_analyst().query(sql)
    return next(iter(row.values()))


@pytest.mark.servers
def test_a_feature_that_half_of_the_events_lack(warehouse: Warehouse) -> None:
    """Averages, quantiles and counts are over the events that have it, sent as null or not sent; unknown is NULL."""
    store(warehouse, {"age": 30, "plan": "a"}, {"age": 50}, {"age": None}, {}, {"plan": "b"})
    asked = {
        "avg(features['age'])": 40.0,
        "min(features['age'])": 30.0,
        "quantileExact(0.5)(features['age'])": 50.0,
        "count(features['age'])": 2,
        "countIf(features['age'] IS NULL)": 3,
        "countIf(features['age'] < 35)": 1,
        "sum(features['age'] + 1)": 82.0,
        "avg(features['nothing'])": None,
        "any(features['nothing'])": None,
        "countIf(features_text['plan'] = '')": 0,
        "uniqExact(features_text['plan'])": 2,
        "countIf(features_text['nothing'] IS NULL)": 5,
        "max(features_integer['age'])": None,
    }
    for sql, right in asked.items():
        assert answer(warehouse, f"SELECT {sql} FROM predictions") == right, sql


@pytest.mark.servers
def test_maps_beside_the_features(warehouse: Warehouse) -> None:
    """A slice, a probability, a piece of evidence that is not there is NULL; an empty slice is there."""
    store(warehouse, {}, slices={"region": "EU", "empty": ""}, probabilities={"x": 0.5, "y": 0.5})
    fill(warehouse, "alerts", alert())
    for column, right in {
        "slices['region']": "EU", "slices['empty']": "", "slices['nothing']": None,
        "probabilities['x']": 0.5, "probabilities['z']": None, "risk": None,
    }.items():  # fmt: skip
        assert answer(warehouse, f"SELECT {column} FROM predictions") == right, column
    assert answer(warehouse, "SELECT countIf(slices['nothing'] = '') FROM predictions") == 0
    assert answer(warehouse, "SELECT evidence['psi'] FROM alerts") == 0.3
    assert answer(warehouse, "SELECT evidence['shift_sd'] FROM alerts") is None


def alert() -> Alert:
    return Alert(
        alert_id="a", model="m", signal="confidence", detector="PSI", severity="high", state="firing", revision=0,
        fired_at=T0, fired_at_event=1, changed_at=T0, evidence={"psi": 0.3},
    )  # fmt: skip


@pytest.mark.servers
def test_what_nobody_said_is_null(warehouse: Warehouse) -> None:
    """No learned model, no error score, a task that nobody drew, a time that never was: NULL, not '', 0 and 1970."""
    store(warehouse, {})
    verdict = Verdict(
        event_id="e0", model="m", time=T0, decision="accept", uncertainty=0.5, inclusion_probability=0.1, decided_at=T0
    )
    fill(warehouse, "verdicts", verdict)
    task = {"lane": "alert", "model": "m", "created_at": T0, "due_at": T0, "priority": 1.0}
    fill(warehouse, "review.alerts", Task(task_id="t", alert_id="a", **task))
    fill(warehouse, "alerts", alert())
    null = {
        "verdicts": ["learned_version", "learned_prediction", "settled_label", "error_probability"],
        "tasks": [
            "inclusion_probability", "uncertainty", "confidence", "event_time", "prediction", "learn", "changed_at",
            "learned_prediction", "features['x']",
        ],
        "alerts": ["raised_at", "told_at", "judged_until"],
        "review_outcomes": ["label", "source", "reliability", "was_right", "learned_prediction", "slices['x']"],
    }  # fmt: skip
    for table, columns in null.items():
        for column in columns:
            assert answer(warehouse, f"SELECT {column} FROM {table}") is None, f"{table}.{column}"
    assert answer(warehouse, "SELECT countIf(learned_prediction != 'x') FROM verdicts") == 0


@pytest.mark.parametrize("path", [file.name for file in resources.files("warehouse").joinpath("sql").iterdir()])
def test_no_map_has_a_silent_default(path: str) -> None:
    """In every table a value of a map may be absent, except in counts by decision, where it means 0."""
    text = resources.files("warehouse").joinpath("sql", path).read_text()
    for line in re.findall(r"^ +\w+ Map\(.*", text, re.MULTILINE):
        assert "Nullable(" in line or line.split()[0] == "decisions", line


@pytest.mark.servers
def test_integers_beyond_a_double(warehouse: Warehouse) -> None:
    """Every digit is there in every format, in columns that are alike and that are not; sums and joins are exact."""
    store(warehouse, *({"id": value, "n": 7} for value in LARGE))
    store(warehouse, {"id": LARGE[0], "n": 1.5}, {"id": 5, "t": "x"}, {"id": None})
    asked = (
        "SELECT features_integer['id'] AS id FROM predictions WHERE id IS NOT NULL ORDER BY _stored_at, _offset LIMIT 7"
    )
    analyst = warehouse.as_analyst()
    digits = [str(value) for value in LARGE]
    assert [str(int(row["id"])) for row in analyst.query(asked)] == digits
    assert analyst.raw(asked, "CSVWithNames").decode().split()[1:] == digits
    read = [json.loads(line, parse_int=str) for line in analyst.raw(asked, "JSONEachRow").splitlines()]
    assert [row["id"] for row in read] == digits
    table = pyarrow.parquet.read_table(io.BytesIO(analyst.raw(asked, "Parquet")))
    assert [str(int(value)) for value in table["id"].to_pylist()] == digits
    assert answer(warehouse, f"SELECT countIf(features_integer['id'] = {LARGE[0]}) FROM predictions") == 2
    assert answer(warehouse, f"SELECT countIf(features_integer['id'] = {LARGE[0] + 1}) FROM predictions") == 0
    assert answer(warehouse, "SELECT avg(features['n']) FROM predictions") == pytest.approx((7 * 7 + 1.5) / 8)
    assert answer(warehouse, "SELECT groupArray(features['id']) FROM predictions") == [5.0]


@pytest.mark.servers
def test_integers_in_tasks_and_corrections(warehouse: Warehouse) -> None:
    """What reviewers saw and what is learned from has the same digits, and a late label finds them."""
    seen = Evidence(event_id="e0", time=T0, features={"id": LARGE[0], "x": 1}, prediction="x", confidence=0.5)
    task = {"lane": "review", "model": "m", "created_at": T0, "due_at": T0, "priority": 1.0}
    fill(warehouse, "review.events", Task(task_id="t", evidence=seen, **task))
    correction = Correction(
        correction_id="c", model="m", event_id="e0", time=T0, created_at=T0, label="y", source="review",
        features=seen.features, prediction="x", confidence=0.5, inclusion_probability=1.0,
    )  # fmt: skip
    fill(warehouse, "corrections", correction)
    store(warehouse, seen.features)
    for table in ("tasks", "corrections", "predictions"):
        assert int(answer(warehouse, f"SELECT features_integer['id'] FROM {table}")) == LARGE[0]
        assert answer(warehouse, f"SELECT features['x'] FROM {table}") == 1.0
    (row,) = predictions_of(warehouse.query, "m", ["e0"])
    assert int(row["features_integer"]["id"]) == LARGE[0]


@pytest.mark.servers
def test_a_database_of_before_is_brought_up_to_date(warehouse: Warehouse) -> None:
    """Tables whose maps had silent defaults keep their rows; what was absent is NULL; a second time is nothing."""
    store(warehouse, {"age": 30.0}, {}, slices={"region": "EU"})
    for statement in (
        "ALTER TABLE predictions DROP COLUMN features_integer",
        "ALTER TABLE predictions MODIFY COLUMN features Map(LowCardinality(String), Float64)",
        "ALTER TABLE predictions MODIFY COLUMN slices Map(LowCardinality(String), String)",
        "ALTER TABLE verdicts DROP COLUMN learned_prediction",
        "ALTER TABLE verdicts ADD COLUMN learned_prediction LowCardinality(String)",
    ):
        warehouse.command(statement)
    assert answer(warehouse, "SELECT avg(features['age']) FROM predictions") == 15.0
    assert "predictions.features_integer" in warehouse.lacking()
    warehouse.install()
    assert warehouse.lacking() == []
    assert answer(warehouse, "SELECT avg(features['age']) FROM predictions") == 30.0
    assert answer(warehouse, "SELECT any(slices['nothing']) FROM predictions") is None
    store(warehouse, {"id": LARGE[0]})
    before = answer(warehouse, "SELECT count() FROM predictions")
    changes = warehouse.query("SELECT count() AS n FROM system.mutations WHERE database = currentDatabase()")
    warehouse.install()
    assert answer(warehouse, "SELECT count() FROM predictions") == before
    assert warehouse.query("SELECT count() AS n FROM system.mutations WHERE database = currentDatabase()") == changes
