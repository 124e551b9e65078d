"""GatheredEvents: collects shaped events of many models until there are enough of one model for columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.columns.prediction_columns import PredictionColumns
from streams.predictions.json.shaped_columns import columns_of
from streams.predictions.json.shapes import Shape

__all__ = ["GatheredEvents"]

Ints = npt.NDArray[np.int64]
ColumnsWithOrigins = tuple[PredictionColumns, Ints, Ints, Ints]
"""Columns, and the partition, offset and index of each event."""

NO_LIMIT_MS = 2**62


@dataclasses.dataclass(slots=True)
class Gathered:
    """Events of one shape, and their partitions, offsets and indexes."""

    shape: Shape
    events: list[Any] = dataclasses.field(default_factory=list)
    origins: list[tuple[Ints, Ints, Ints]] = dataclasses.field(default_factory=list)


class GatheredEvents:
    """Makes columns once there are ``events_at_once`` events of a shape, and at the end of the events that are left.

    Making columns of a few events costs about as much as of many.
    """

    def __init__(self, events_at_once: int) -> None:
        self._events_at_once = events_at_once
        self._waiting: dict[type, Gathered] = {}
        self._made: list[ColumnsWithOrigins] = []
        self.count = 0
        """The number of events added so far."""

    def add(self, shape: Shape, events: Sequence[Any], partitions: Ints, offsets: Ints, indexes: Ints) -> None:
        """Add events of one shape, all of them usual (``shaped_columns.are_usual``)."""
        waiting = self._waiting.setdefault(shape.struct, Gathered(shape))
        waiting.events.extend(events)
        self.count += len(events)
        waiting.origins.append((partitions, offsets, indexes))
        if len(waiting.events) >= self._events_at_once:
            self._make(self._waiting.pop(shape.struct))

    def columns(self) -> list[ColumnsWithOrigins]:
        """Columns of all events that were added; to be called once, at the end."""
        for waiting in self._waiting.values():
            self._make(waiting)
        self._waiting = {}
        return self._made

    def _make(self, waiting: Gathered) -> None:
        columns = columns_of(waiting.shape, waiting.events, NO_LIMIT_MS)
        assert columns is not None, "usual events have columns"
        partitions, offsets, indexes = map(np.concatenate, zip(*waiting.origins, strict=True))
        self._made.append((columns, partitions, offsets, indexes))
