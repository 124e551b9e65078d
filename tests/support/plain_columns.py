"""Predictions' columns as plain values, for tests that compare them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.columns.prediction_columns import PredictionColumns


def plain(columns: PredictionColumns) -> dict[str, Any]:
    """Columns as plain values; NaN and None compare as they should."""
    rows = range(len(columns))
    return {
        "ids": list(columns.event_ids.texts),
        "times": columns.times_ms.tolist(),
        "versions": columns.model_versions.tolist(),
        "labels": columns.labels.tolist(),
        "confidence": columns.confidence.tolist(),
        "probabilities": any_of(columns.probabilities and columns.probabilities.tolist()),
        "risk": [None if math.isnan(risk) else risk for risk in columns.risk.tolist()],
        "reviewable": columns.reviewable.tolist(),
        "learnable": columns.learnable.tolist(),
        "slices": any_of(columns.slices),
        "contents": any_of(columns.contents),
        "features": {
            name: list(column.values)
            for name, column in columns.features.items()
            if any(value is not None for value in column.values)
        },
        "encoded": [
            msgspec.json.decode(msgspec.json.encode(features)) for features in columns.encodable_features(rows)
        ],
        "row_features": [sorted(map(repr, columns.row_features(row).items())) for row in rows],
        "hashes": columns.hashes.tolist(),
    }


def any_of(column: Sequence[Any] | None) -> list[Any] | None:
    """A column as a list, None if no event has anything in it."""
    return list(column) if column is not None and any(value not in (None, {}) for value in column) else None
