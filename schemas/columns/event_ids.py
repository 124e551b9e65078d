"""EventIds: the ids of n events, as Python texts or as an Arrow array, whichever they came as."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.hashing import id_hashes

__all__ = ["EventIds"]

Indexes = npt.NDArray[np.int64]


class EventIds:
    """n ids. Both forms can be asked for; the one that is not there is made once.

    >>> ids = EventIds(["e-1", "e-2", "e-3"])
    >>> ids.at(np.array([2, 0])), ids.arrow.type, len(ids)
    (['e-3', 'e-1'], DataType(string), 3)
    """

    def __init__(self, ids: Sequence[str] | Any) -> None:
        """``ids`` are texts, or a pyarrow array of type ``string`` or ``large_string`` without null."""
        self._texts: Sequence[str] | None = ids if isinstance(ids, list | tuple) else None
        self._arrow: Any = None if self._texts is not None else ids
        self._hashes: npt.NDArray[np.uint64] | None = None

    def __len__(self) -> int:
        return len(self._arrow if self._texts is None else self._texts)

    @property
    def either(self) -> Any:
        """The form that is at hand; the Arrow array if both are."""
        return self._texts if self._arrow is None else self._arrow

    @property
    def texts(self) -> Sequence[str]:
        """The ids as texts."""
        if self._texts is None:
            self._texts = self._arrow.to_numpy(zero_copy_only=False).tolist()
        assert self._texts is not None
        return self._texts

    @property
    def arrow(self) -> Any:
        """The ids as a pyarrow array."""
        if self._arrow is None:
            self._arrow = pa.array(self._texts, pa.string())
        return self._arrow

    @property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """``schemas.hashing.id_hashes`` of the ids, computed once."""
        if self._hashes is None:
            self._hashes = id_hashes(self.either)
        return self._hashes

    def take(self, indexes: Indexes) -> EventIds:
        """The ids at these indexes, in this order."""
        if self._texts is not None:
            return EventIds(list(map(self._texts.__getitem__, indexes.tolist())))
        return EventIds(self._arrow.take(pa.array(indexes)))

    def slice(self, start: int, stop: int) -> EventIds:
        """The ids from ``start`` to before ``stop``."""
        if self._texts is not None:
            return EventIds(self._texts[start:stop])
        return EventIds(self._arrow.slice(start, stop - start))

    def at(self, indexes: Indexes) -> list[str]:
        """The ids at these indexes, as texts."""
        if self._texts is not None:
            return list(map(self._texts.__getitem__, indexes.tolist()))
        return list(self.take(indexes).texts)

    @classmethod
    def joined(cls, pieces: Sequence[EventIds]) -> EventIds:
        """The ids of all pieces, piece after piece."""
        if len(pieces) == 1:
            return pieces[0]
        if all(piece._texts is not None for piece in pieces):
            return cls(list(chain.from_iterable(piece.texts for piece in pieces)))
        arrays = [piece.arrow for piece in pieces]
        if len({array.type for array in arrays}) > 1:
            arrays = [array.cast(pa.large_string()) for array in arrays]
        return cls(pa.concat_arrays(arrays))
