"""docs/warehouse.md says what the tables and views hold, and its queries answer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from schemas.wire.alert import Alert
from schemas.wire.base import Wire
from schemas.wire.correction import Correction
from schemas.wire.opinion import Opinion
from schemas.wire.prediction import Prediction
from schemas.wire.task import Task
from schemas.wire.verdict import Verdict
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.store.rows import Identity
from warehouse.store.tables import SAME_ROWS, TABLE_OF_TOPIC, table_of
from watchloop.warehouse_page import PAGE, warehouse_page

pytestmark = pytest.mark.servers

QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
DAY0 = 1_704_067_200_000


def described(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Every column of the database, as DESCRIBE tells it."""
    sql = "SELECT table, name, type, comment FROM system.columns WHERE database = {name:String}"
    return warehouse.as_analyst().query(sql, {"name": warehouse.settings.database})


def test_page_is_up_to_date(warehouse: Warehouse) -> None:
    """The page is what the tables say of themselves; `python -m watchloop.warehouse_page` writes it anew."""
    page = PAGE.read_text()
    assert page == warehouse_page(page, warehouse.query, warehouse.settings.database)


def test_every_table_view_and_column_says_what_it_is(warehouse: Warehouse) -> None:
    """Nothing that an analyst can query is without words, and each has its section on the page."""
    sql = "SELECT name, comment FROM system.tables WHERE database = {name:String}"
    tables = warehouse.query(sql, {"name": warehouse.settings.database})
    assert [row["name"] for row in tables if not row["comment"]] == []
    assert [(row["table"], row["name"]) for row in described(warehouse) if not row["comment"]] == []
    sections = re.findall(r"^### `(\w+)`$", PAGE.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(row["name"] for row in tables)
    assert set(TABLE_OF_TOPIC.values()) | set(SAME_ROWS) <= set(sections)


def test_every_time_says_whose_it_is_and_every_null_when(warehouse: Warehouse) -> None:
    """A column of times names the clock, the producer or both; one that can be NULL says when it is."""
    for row in described(warehouse):
        words = (row["table"], row["name"], row["comment"])
        if "DateTime64" in row["type"] or row["type"] == "Date":
            assert "the clock" in row["comment"] or "producer's" in row["comment"] or "stream" in row["comment"], words
        if row["type"].startswith(("Nullable(", "LowCardinality(Nullable(")):
            assert "NULL" in row["comment"], words


def test_an_older_database_gets_the_words(warehouse: Warehouse) -> None:
    """A table that was made before its columns had words, or with others, is brought up to date by an install."""
    before = described(warehouse)
    warehouse.command("ALTER TABLE labels COMMENT COLUMN label 'old', COMMENT COLUMN _offset '', MODIFY COMMENT 'old'")
    warehouse.command("ALTER TABLE accuracy_daily COMMENT COLUMN low ''")
    warehouse.install()
    assert described(warehouse) == before
    sql = "SELECT comment FROM system.tables WHERE database = {name:String} AND name = 'labels'"
    (row,) = warehouse.query(sql, {"name": warehouse.settings.database})
    assert row["comment"].startswith("One row for each late label")


def fill(warehouse: Warehouse, events: int = 120) -> None:
    """A little of all that the queries of the page ask for; every other event is drawn and answered."""
    ids = [f"e{n}" for n in range(events)]
    drawn = ids[::2]
    at: dict[str, Any] = {"model": "elec2", "time": DAY0}
    values: dict[str, list[Wire]] = {
        "predictions": [
            Prediction(
                event_id=event_id, features={"nswdemand": 0.5}, prediction="UP", confidence=0.8,
                slices={"region": "NSW"}, **at,
            )
            for event_id in ids
        ],
        "verdicts": [
            Verdict(
                event_id=event_id, decision="accept", uncertainty=0.2, inclusion_probability=0.5,
                audit=event_id in drawn, task_id=f"t-{event_id}" if event_id in drawn else "", decided_at=DAY0, **at,
            )
            for event_id in ids
        ],
        "corrections": [
            Correction(
                correction_id=f"c-{event_id}", event_id=event_id, created_at=DAY0,
                label="UP" if event_id != "e8" else "DOWN", source="review", features={}, prediction="UP",
                confidence=0.8, inclusion_probability=0.5, task_id=f"t-{event_id}", **at,
            )
            for event_id in drawn
        ],
        "review.events": [
            Task(
                task_id="t-e2", lane="audit", model="elec2", state="settled", revision=1, created_at=DAY0,
                due_at=DAY0, priority=1.0, answer="UP", changed_at=DAY0 + 9_000,
            )
        ],
        "review.opinions": [
            Opinion(opinion_id="o", task_id="t-e2", model="elec2", person="ana", answer="UP", time=DAY0)
        ],
        "alerts": [
            Alert(
                alert_id="a", model="elec2", signal="confidence", detector="psi", severity="info", state="firing",
                revision=0, fired_at=DAY0, fired_at_event=9, changed_at=DAY0, raised_at=DAY0, told_at=DAY0,
            )
        ],
    }  # fmt: skip
    for topic, some in values.items():
        rows = [row for offset, value in enumerate(some) for row in rows_of(topic, value, Identity(topic, 0, offset))]
        warehouse.insert(table_of(topic), rows)


def test_queries_answer(warehouse: Warehouse) -> None:
    """Each query of the page runs as `analyst`, and has rows where there is something to tell."""
    fill(warehouse)
    analyst = warehouse.as_analyst()
    assert 6 <= len(QUERIES) <= 12
    answers = [analyst.query(query) for query in QUERIES]
    assert all(answers), [query for query, rows in zip(QUERIES, answers, strict=True) if not rows]
    so_far, weeks, regions, mistakes, *_ = answers
    for (row,) in (so_far, weeks, regions):
        assert row["low"] < row["accuracy"] < 1.0 == row["high"]
    assert [(row["label"], row["answers"], row["events_like_it"]) for row in mistakes] == [
        ("UP", 59, 118),
        ("DOWN", 1, 2),
    ]


@pytest.mark.parametrize(("events", "draws", "speaks"), [(98, 49, False), (100, 50, True)])
def test_below_fifty_draws_accuracy_is_not_said(warehouse: Warehouse, events: int, draws: int, speaks: bool) -> None:
    """Every query of the page that gives an interval says NULL below fifty answered draws, and the number of draws."""
    fill(warehouse, events)
    analyst = warehouse.as_analyst()
    asked = [query for query in QUERIES if "accuracy" in query and "low" in query]
    assert len(asked) == 3
    for query in asked:
        (row,) = analyst.query(query)
        assert draws in (row.get("draws"), row.get("audit_answered"))
        assert [row[name] is not None for name in ("accuracy", "low", "high")] == [speaks] * 3, query
