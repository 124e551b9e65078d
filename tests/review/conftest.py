from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.wire.opinion import Opinion
from schemas.wire.prediction import Prediction
from schemas.wire.task import Evidence, Task


@pytest.fixture(scope="session")
def prediction() -> Callable[..., Prediction]:
    """Makes a prediction; every field can be given."""

    def make(number: int = 0, **fields: Any) -> Prediction:
        given = {"event_id": f"e{number}", "model": "m", "time": number, "features": {}, "prediction": "a"}
        return Prediction(**{**given, "confidence": 0.9, **fields})

    return make


@pytest.fixture(scope="session")
def task() -> Callable[..., Task]:
    """Makes a task about a prediction; every field can be given."""

    def make(number: int = 0, **fields: Any) -> Task:
        evidence = Evidence(
            event_id=f"e{number}", time=number, features={"x": 1.0}, prediction="a", confidence=0.6, slices={"r": "EU"}
        )
        given = {
            "task_id": f"t-{number}",
            "lane": "review",
            "model": "m",
            "created_at": number,
            "due_at": 86_400_000,
            "priority": 0.5,
            "choices": ("a", "b"),
            "inclusion_probability": 0.25,
            "evidence": evidence,
        }
        return Task(**{**given, **fields})

    return make


@pytest.fixture(scope="session")
def opinion() -> Callable[..., Opinion]:
    """Makes an opinion; every field can be given."""

    def make(task_id: str, person: str, answer: str = "a", time: int = 0, **fields: Any) -> Opinion:
        given = {"opinion_id": f"{task_id}/{person}/{time}", "task_id": task_id, "model": "m", "person": person}
        return Opinion(**{**given, "answer": answer, "time": time, **fields})

    return make
