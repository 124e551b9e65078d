"""What tests of the warehouse share."""

from __future__ import annotations

import pytest

from schemas.wire.prediction import Prediction
from tests.support.stored_rows import DAY0, correction, fill, prediction, verdict
from warehouse.client import Warehouse


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
