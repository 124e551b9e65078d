"""A valid prediction as a producer writes it; tests say what of it is otherwise."""

from __future__ import annotations

from typing import Any

__all__ = ["NOW_MS", "prediction_fields"]

NOW_MS = 1_700_000_000_000


def prediction_fields(number: int = 0, model: str = "churn", **changes: Any) -> dict[str, Any]:
    """The fields of event ``e-<number>``, ``number`` milliseconds after ``NOW_MS``; one changed to ``...`` is absent.

    >>> sorted(prediction_fields(confidence=...))
    ['event_id', 'features', 'model', 'prediction', 'time']
    """
    whole = {
        "event_id": f"e-{number}",
        "model": model,
        "time": NOW_MS + number,
        "features": {"age": 41.5, "plan": "gold"},
        "prediction": "stay",
        "confidence": 0.875,
    }
    return {name: value for name, value in (whole | changes).items() if value is not ...}
