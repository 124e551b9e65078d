"""Sums over first verdicts: asked again only where something was stored, in slices of bounded number and size."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

import warehouse.query.first_verdicts as counted
from schemas.wire.verdict import Verdict
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.query.first_verdicts import (
    COUNT_TWICE,
    HOUR_MS,
    MOVED,
    SUMS_OF_ALL,
    SUMS_OF_FIRST,
    FirstVerdicts,
    runs_of,
)
from warehouse.store.rows import Identity

DAY0 = 1_704_067_200_000
"""2024-01-01T00:00:00Z"""


def store(warehouse: Warehouse, name: str, *verdicts: Verdict) -> None:
    rows = [row for at, verdict in enumerate(verdicts) for row in rows_of("verdicts", verdict, Identity(name, 0, at))]
    warehouse.insert("verdicts", rows)


def verdict(event_id: str, hour: int, model: str = "m", **more: Any) -> Verdict:
    told = {"decision": "accept", "uncertainty": 0.25, "inclusion_probability": 0.5, "decided_at": DAY0, **more}
    return Verdict(event_id=event_id, model=model, time=DAY0 + hour * HOUR_MS, **told)


class Asked:
    """Asks ClickHouse, and remembers the spans of time that were asked for."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.spans: list[tuple[int, int]] = []

    def __call__(self, sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        if sql in (SUMS_OF_ALL, SUMS_OF_FIRST):
            self.spans.append(((params["begin"] - DAY0) // HOUR_MS, (params["end"] - DAY0) // HOUR_MS))
        return self.warehouse.query(sql, params)


def events(rows: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    return {row["model"]: (row["events"], row["audited"]) for row in rows}


@pytest.mark.servers
def test_only_what_changed_is_asked_for_again(warehouse: Warehouse) -> None:
    """A second verdict counts for nothing, in an hour that was counted before and in a new one; still hours rest."""
    store(warehouse, "a", *(verdict(f"e{n}", n // 2) for n in range(10)), verdict("e1", 0, "other"))
    asked, sums = Asked(warehouse), FirstVerdicts()
    assert events(sums.of_models(asked)) == {"m": (10, 0), "other": (1, 0)}
    assert asked.spans == [(0, 5)]
    sums.of_models(asked)
    assert len(asked.spans) == 1, "nothing was stored"
    late: dict[str, Any] = {"decided_at": DAY0 + 1, "audit": True, "task_id": "t"}
    store(warehouse, "b", verdict("e4", 2, **late), verdict("new", 100, **late), verdict("new", 100, **late))
    assert events(sums.of_models(asked)) == {"m": (11, 1), "other": (1, 0)}
    assert asked.spans[1:] == [(2, 3), (100, 101)]
    assert sums.of_models(warehouse.query) == FirstVerdicts().of_models(warehouse.query)


@pytest.mark.servers
def test_too_many_slices_are_made_wider(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit an hour becomes a day, a week, a year; what is counted stays the same."""
    monkeypatch.setattr(counted, "SLICES_MAX", 3)
    store(warehouse, "a", *(verdict(f"e{n}", n) for n in range(40)), *(verdict(f"e{n}", n) for n in range(40)))
    sums = FirstVerdicts()
    assert events(sums.of_models(warehouse.query)) == {"m": (40, 0)}
    assert len(sums._sums) <= 3
    store(warehouse, "b", *(verdict("e", 0, f"model-{n}") for n in range(9)), verdict("e", 30_000))
    totals = events(sums.of_models(warehouse.query))
    assert (len(totals), totals["m"]) == (10, (41, 0))


@pytest.mark.servers
def test_an_event_counts_where_it_was_judged_first(warehouse: Warehouse) -> None:
    """Again under a later time, an earlier one, and a first verdict that is stored last: one event, by its first."""
    sums = FirstVerdicts()
    store(warehouse, "a", *(verdict(f"e{n}", 5, decided_at=DAY0 + 10) for n in range(4)), verdict("e0", 5, "other"))
    assert events(sums.of_models(warehouse.query)) == {"m": (4, 0), "other": (1, 0)}
    later: dict[str, Any] = {"decided_at": DAY0 + 20, "audit": True, "task_id": "t"}
    store(warehouse, "b", verdict("e0", 30, **later), verdict("e1", 2, **later), verdict("new", 30))
    assert events(sums.of_models(warehouse.query)) == {"m": (5, 0), "other": (1, 0)}
    first: dict[str, Any] = {"decided_at": DAY0, "audit": True, "task_id": "t"}
    store(warehouse, "c", verdict("e2", 40, **first))
    asked = Asked(warehouse)
    assert events(sums.of_models(asked)) == {"m": (5, 1), "other": (1, 0)}
    assert asked.spans == [(40, 41), (5, 6)], "the hour that it was taken from is asked for again"


@pytest.mark.servers
@pytest.mark.parametrize("rows_max", [500_000, 20])
def test_in_whatever_order_verdicts_are_stored_each_event_counts_once(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    """Forty events at random times, in random order, round by round, in one part and in several: what is remembered is
    what a new count finds."""
    monkeypatch.setattr(counted, "RUN_ROWS_MAX", rows_max)
    rng, sums = random.Random(3), FirstVerdicts()
    firsts: dict[tuple[str, str], Verdict] = {}
    decided = rng.sample(range(10_000), 180)
    for turn in range(4):
        stored = [
            verdict(
                f"e{rng.randrange(40)}", rng.choice((0, 1, 2, 9, 400)), rng.choice(("m", "other")),
                decided_at=DAY0 + decided.pop(), audit=rng.random() < 0.5,
            )
            for _ in range(30)
        ]  # fmt: skip
        store(warehouse, f"turn-{turn}", *stored)
        for judged in stored:
            known = firsts.get((judged.model, judged.event_id))
            if known is None or judged.decided_at < known.decided_at:
                firsts[judged.model, judged.event_id] = judged
        expected = {
            model: (
                sum(name == model for name, _ in firsts),
                sum(judged.audit for (name, _), judged in firsts.items() if name == model),
            )
            for model in ("m", "other")
        }
        totals = sums.of_models(warehouse.query)
        assert events(totals) == expected
        assert totals == FirstVerdicts().of_models(warehouse.query)


@pytest.mark.servers
@pytest.mark.parametrize("failing", [COUNT_TWICE, MOVED, SUMS_OF_FIRST])
def test_a_question_that_fails_loses_nothing(warehouse: Warehouse, failing: str) -> None:
    """Whatever question ClickHouse does not answer, the next refresh finds what a new count does."""
    store(warehouse, "a", *(verdict(f"e{n}", n, decided_at=DAY0 + 10) for n in range(9)))
    sums = FirstVerdicts()
    sums.of_models(warehouse.query)
    store(warehouse, "b", verdict("e3", 30), verdict("e1", 0, decided_at=DAY0 + 20))

    def ask(sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        if sql == failing:
            raise WarehouseError("no answer")
        return warehouse.query(sql, params)

    with pytest.raises(WarehouseError, match="no answer"):
        sums.of_models(ask)
    assert sums.of_models(warehouse.query) == FirstVerdicts().of_models(warehouse.query)
    assert events(sums.of_models(warehouse.query)) == {"m": (9, 0)}


@pytest.mark.servers
def test_an_event_is_looked_for_among_so_many_verdicts(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more lie between than the limit an event counts again; where as many do it does not."""
    store(warehouse, "a", verdict("far", 0), verdict("near", 1), *(verdict(f"e{n}", n) for n in range(1, 5)))
    store(warehouse, "b", *(verdict(name, 9, decided_at=DAY0 + 1) for name in ("far", "near")))
    monkeypatch.setattr(counted, "SEARCHED_ROWS_MAX", 5)
    assert events(FirstVerdicts().of_models(warehouse.query)) == {"m": (7, 0)}
    monkeypatch.setattr(counted, "SEARCHED_ROWS_MAX", 6)
    assert events(FirstVerdicts().of_models(warehouse.query)) == {"m": (6, 0)}


def test_runs_are_few_and_bounded() -> None:
    """Hours far apart are joined where they would be too many questions, and parted where they hold too many rows."""
    scattered = list(range(0, 100_000, 50))
    few = runs_of(scattered, dict.fromkeys(scattered, 1))
    assert len(few) <= counted.RUNS_MAX
    assert (few[0][0], few[-1][1]) == (scattered[0], scattered[-1])
    full = list(range(30))
    assert len(runs_of(full, dict.fromkeys(full, counted.RUN_ROWS_MAX))) == 30
    assert runs_of([], {}) == []
