"""Predictions' columns as plain values, for tests that compare them."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from schemas.columns.prediction_columns import PredictionColumns


def plain(columns: PredictionColumns) -> dict[str, Any]:
    """Columns as plain values; NaN and None compare as they should."""
    rows = range(len(columns))
    return {
        "ids": list(columns.event_ids),
        "times": columns.times_ms.tolist(),
        "versions": list(columns.model_versions),
        "labels": list(columns.labels),
        "confidence": columns.confidence.tolist(),
        "probabilities": None if columns.probabilities is None else list(columns.probabilities),
        "risk": [None if math.isnan(risk) else risk for risk in columns.risk.tolist()],
        "reviewable": columns.reviewable.tolist(),
        "learnable": columns.learnable.tolist(),
        "slices": None if columns.slices is None else [dict(event_slices) for event_slices in columns.slices],
        "contents": None if columns.contents is None else list(columns.contents),
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
