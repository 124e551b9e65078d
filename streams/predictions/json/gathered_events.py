"""GatheredEvents: collects shaped events of many models; those with the same features become columns together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.predictions.json.shaped_columns import columns_of
from streams.predictions.json.shapes import Shape
from streams.predictions.parts import Part

__all__ = ["GatheredEvents"]

Ints = npt.NDArray[np.int64]

NO_LIMIT_MS = 2**62


@dataclasses.dataclass(slots=True)
class _OfShape:
    """Events of one shape, and their partitions, offsets and indexes."""

    shape: Shape
    events: list[Any] = dataclasses.field(default_factory=list)
    origins: list[tuple[Ints, Ints, Ints]] = dataclasses.field(default_factory=list)


class GatheredEvents:
    """Gathers events until ``parts`` makes one part of all models with the same features, in the same order.

    Making columns of a few events costs about as much as of many. ``count`` is the number of events added so far; the
    elements that may be read at once bound it.
    """

    def __init__(self) -> None:
        self._alike: dict[tuple[str, ...], dict[type, _OfShape]] = {}
        self.count = 0

    def add(self, shape: Shape, events: Sequence[Any], partitions: Ints, offsets: Ints, indexes: Ints) -> None:
        """Add events of one shape, all of them usual (``shaped_columns.are_usual``)."""
        of_shape = self._alike.setdefault(shape.names, {}).setdefault(shape.struct, _OfShape(shape))
        of_shape.events.extend(events)
        of_shape.origins.append((partitions, offsets, indexes))
        self.count += len(events)

    def parts(self) -> list[Part]:
        """All events that were added, model after model in each part; to be called once, at the end."""
        return [_part(list(of_shapes.values())) for of_shapes in self._alike.values()]


def _part(of_shapes: Sequence[_OfShape]) -> Part:
    """The events of shapes with the same names."""
    shapes = [(of_shape.shape, len(of_shape.events)) for of_shape in of_shapes]
    events = list(chain.from_iterable(of_shape.events for of_shape in of_shapes))
    columns = columns_of(shapes, events, NO_LIMIT_MS)
    assert columns is not None, "usual events have columns"
    origins = chain.from_iterable(of_shape.origins for of_shape in of_shapes)
    return Part(columns, *map(np.concatenate, zip(*origins, strict=True)))
