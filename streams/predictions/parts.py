"""Parts: predictions as columns, and where each came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from schemas.columns.prediction_columns import PredictionColumns

__all__ = ["CELLS_MAX", "Part", "rounds", "within_cells"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Item = TypeVar("Item")

CELLS_MAX: Final = 4_000_000
"""Events of a part times the names of their features, at most: a column has an entry for every event, also where each
event brings names of its own."""


class Part(NamedTuple):
    """Events, and where each came from: partition, offset, and index in an array message, shape (n,).

    ``from_arrow`` marks those that came in Arrow messages, shape (n,); None where none did.
    """

    columns: PredictionColumns
    partitions: Ints
    offsets: Ints
    indexes: Ints
    from_arrow: Flags | None = None

    def arrow_marks(self) -> Flags:
        """``from_arrow`` as an array, also where no event came in an Arrow message."""
        return np.zeros(len(self.offsets), np.bool_) if self.from_arrow is None else self.from_arrow

    def take(self, chosen: Ints) -> Part:
        """The events at these positions of the part, in order of models."""
        return self._some(self.columns.take(chosen), chosen)

    def of_model(self, number: int) -> Part:
        """The events of ``columns.models[number]`` alone."""
        return self._some(self.columns.of_model(number), slice(*self.columns.bounds[number : number + 2].tolist()))

    def _some(self, columns: PredictionColumns, some: Ints | slice) -> Part:
        from_arrow = None if self.from_arrow is None else self.from_arrow[some]
        return Part(columns, self.partitions[some], self.offsets[some], self.indexes[some], from_arrow)

    @classmethod
    def joined(cls, parts: Sequence[Part]) -> Part:
        """The events of several parts of one model, ordered by partition and offset."""
        if len(parts) == 1:
            return parts[0]
        partitions, offsets, indexes = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("partitions", "offsets", "indexes")
        )
        from_arrow = None
        if any(part.from_arrow is not None for part in parts):
            from_arrow = np.concatenate([part.arrow_marks() for part in parts])
        columns = PredictionColumns.joined([part.columns for part in parts])
        joined = cls(columns, partitions, offsets, indexes, from_arrow)
        step, back = np.diff(partitions), offsets[1:] < offsets[:-1]
        if ((step < 0) | ((step == 0) & back)).any():
            # Arrow messages come after the rest of their run, and gathered events at the end.
            return joined.take(np.lexsort((indexes, offsets, partitions)))
        return joined


def rounds(parts: Sequence[Part]) -> list[list[Part]]:
    """The same events in rounds to be judged one after the other, one round as a rule; empty where there are none.

    No two parts of a round have a model in common. Events of a model that was in several parts are ordered by partition
    and offset, in one part unless it would have more than ``CELLS_MAX`` cells.
    """
    counts = Counter(model for part in parts for model in part.columns.models)
    shared = {model: list[Part]() for model, count in counts.items() if count > 1}
    if not shared:
        return [list(parts)] if parts else []
    first = []
    for part in parts:
        columns = part.columns
        is_shared = np.array([model in shared for model in columns.models], np.bool_)
        for number in is_shared.nonzero()[0].tolist():
            shared[columns.models[number]].append(part.of_model(number))
        if not is_shared.all():
            alone = (~is_shared).repeat(np.diff(columns.bounds)).nonzero()[0]
            first.append(part.take(alone))
    made = [first]
    for pieces in shared.values():
        in_bounds = within_cells(pieces, lambda piece: piece.columns.features.keys(), lambda piece: len(piece.columns))
        for number, some in enumerate(in_bounds):
            if number == len(made):
                made.append([])
            made[number].append(Part.joined(some))
    return made


def within_cells(
    items: Iterable[Item], names_of: Callable[[Item], Collection[str]], events_of: Callable[[Item], int]
) -> Iterator[list[Item]]:
    """Items that follow each other, as many as have ``CELLS_MAX`` cells together, or a single one.

    ``names_of`` returns the names of an item's features, ``events_of`` the number of its events.
    """
    some: list[Item] = []
    names: set[str] = set()
    events = 0
    for item in items:
        own, count = names_of(item), events_of(item)
        names.update(own)
        if some and len(names) * (events + count) > CELLS_MAX:
            yield some
            some, names, events = [], set(own), 0
        some.append(item)
        events += count
    yield some
