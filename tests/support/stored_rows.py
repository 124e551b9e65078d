"""Rows of topics put into ClickHouse, of a model at the beginning of 2024."""

from __future__ import annotations

from typing import Any

from schemas.wire.base import Wire
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction
from schemas.wire.verdict import Verdict
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.store.rows import Identity
from warehouse.store.tables import table_of

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
