"""What the two readers of predictions say, as plain values that must be equal."""

from __future__ import annotations

from typing import Any

from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.prediction import Prediction
from streams.predictions.message_reader import Arrivals
from streams.predictions.parts import rounds
from streams.predictions.prediction_reader import Readings
from tests.support.plain_columns import plain

Placed = tuple[dict[str, Any], list[tuple[int, int, int]]]
"""Columns, and each event's partition, offset and index."""


def plain_parts(readings: Readings) -> dict[str, Placed]:
    """Each model's columns of all parts, in order of arrival, and where each event came from."""
    readable = {}
    for part in (part for parts in rounds(readings.parts) for part in parts):
        for number, model in enumerate(part.columns.models):
            columns, *origins, _ = part.of_model(number)
            readable[model] = plain(columns), list(zip(*(origin.tolist() for origin in origins), strict=True))
    return readable


def plain_arrivals(arrivals: Arrivals) -> dict[str, Placed]:
    """The same of the events of the message reader, which are read one by one."""
    by_model: dict[str, list[tuple[Prediction, tuple[int, int, int]]]] = {}
    where = zip(arrivals.partitions, arrivals.offsets, arrivals.indexes, strict=True)
    for event, origin in zip(arrivals.events, where, strict=True):
        by_model.setdefault(event.model, []).append((event, origin))
    return {
        model: (plain(PredictionColumns.of([event for event, _ in placed])), [origin for _, origin in placed])
        for model, placed in by_model.items()
    }
