"""GatheredEvents: shaped events of many models, until there are enough of one to make columns of them."""

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
Placed = tuple[PredictionColumns, Ints, Ints, Ints]
"""Columns, and each event's partition, offset and index."""

NO_LIMIT_MS = 2**62


@dataclasses.dataclass(slots=True)
class Gathered:
    """Events of one shape, and where they came from."""

    shape: Shape
    events: list[Any] = dataclasses.field(default_factory=list)
    places: list[tuple[Ints, Ints, Ints]] = dataclasses.field(default_factory=list)


class GatheredEvents:
    """Makes columns of ``events_at_once`` events of a shape or a few more, and at the end of what is left.

    A few events of each of many models would each time cost as much as many of one.
    """

    def __init__(self, events_at_once: int) -> None:
        self._events_at_once = events_at_once
        self._waiting: dict[type, Gathered] = {}
        self._made: list[Placed] = []
        self.count = 0
        """Events added so far."""

    def add(self, shape: Shape, events: Sequence[Any], partitions: Ints, offsets: Ints, indexes: Ints) -> None:
        """Events of one shape, all of them usual."""
        waiting = self._waiting.setdefault(shape.struct, Gathered(shape))
        waiting.events.extend(events)
        self.count += len(events)
        waiting.places.append((partitions, offsets, indexes))
        if len(waiting.events) >= self._events_at_once:
            self._make(self._waiting.pop(shape.struct))

    def columns(self) -> list[Placed]:
        """Columns of everything added since the beginning; call it once, at the end."""
        for waiting in self._waiting.values():
            self._make(waiting)
        self._waiting = {}
        return self._made

    def _make(self, waiting: Gathered) -> None:
        columns = columns_of(waiting.shape, waiting.events, NO_LIMIT_MS)
        assert columns is not None, "usual events have columns"
        partitions, offsets, indexes = map(np.concatenate, zip(*waiting.places, strict=True))
        self._made.append((columns, partitions, offsets, indexes))
