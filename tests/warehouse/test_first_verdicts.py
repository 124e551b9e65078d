"""Sums over first verdicts: asked again only where something was stored, in slices of bounded number and size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from plain_rows import rows_of

import warehouse.first_verdicts as counted
from schemas.verdict import Verdict
from warehouse.client import Warehouse
from warehouse.first_verdicts import COUNTS, HOUR_MS, FirstVerdicts, runs_of
from warehouse.rows import Identity

DAY0 = 1_704_067_200_000
"""2024-01-01T00:00:00Z"""


def store(warehouse: Warehouse, name: str, *verdicts: Verdict) -> None:
    rows = [row for at, one in enumerate(verdicts) for row in rows_of("verdicts", one, Identity(name, 0, at))]
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
        if sql != COUNTS:
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
    found = events(sums.of_models(warehouse.query))
    assert (len(found), found["m"]) == (10, (41, 0))


def test_runs_are_few_and_bounded() -> None:
    """Hours far apart are joined where they would be too many questions, and parted where they hold too many rows."""
    scattered = list(range(0, 100_000, 50))
    few = runs_of(scattered, dict.fromkeys(scattered, 1))
    assert len(few) <= counted.RUNS_MAX
    assert (few[0][0], few[-1][1]) == (scattered[0], scattered[-1])
    full = list(range(30))
    assert len(runs_of(full, dict.fromkeys(full, counted.RUN_ROWS_MAX))) == 30
    assert runs_of([], {}) == []
