"""Parts: predictions as columns, and where each came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.columns.prediction_columns import PredictionColumns

__all__ = ["Part", "distinct"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


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


def distinct(parts: Sequence[Part]) -> list[Part]:
    """The same events in parts of which no two have a model in common.

    Events of a model that was in several parts are ordered by partition and offset.
    """
    counts = Counter(model for part in parts for model in part.columns.models)
    shared = {model: list[Part]() for model, count in counts.items() if count > 1}
    if not shared:
        return list(parts)
    distinct_parts = []
    for part in parts:
        columns = part.columns
        is_shared = np.array([model in shared for model in columns.models], np.bool_)
        for number in is_shared.nonzero()[0].tolist():
            shared[columns.models[number]].append(part.of_model(number))
        if not is_shared.all():
            alone = (~is_shared).repeat(np.diff(columns.bounds)).nonzero()[0]
            distinct_parts.append(part.take(alone))
    return distinct_parts + [Part.joined(pieces) for pieces in shared.values()]
