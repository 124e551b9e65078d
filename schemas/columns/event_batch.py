"""EventBatch: what all predictions of a batch have, whatever their models and features, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.columns.event_ids import EventIds
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.texts import Texts

__all__ = ["EventBatch"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class EventBatch:
    """The n events of some ``pieces``, at least one piece, piece after piece; no model is in two of them.

    The events of ``models[k]`` stand from ``bounds[k]`` to before ``bounds[k + 1]``, in order of arrival;
    ``model_numbers`` has the index in ``models`` of each event's model, shape (n,). ``starts`` says where each piece
    begins, and where the last ends. The other columns mean what those of PredictionColumns do.
    """

    def __init__(self, pieces: Sequence[PredictionColumns]) -> None:
        self.pieces = pieces
        self.starts: list[int] = list(accumulate(map(len, pieces), initial=0))
        self.models: tuple[str, ...] = tuple(chain.from_iterable(piece.models for piece in pieces))
        begins = [piece.bounds[:-1] + start for piece, start in zip(pieces, self.starts, strict=False)]
        self.bounds: Ints = np.concatenate([*begins, self.starts[-1:]])
        self.model_numbers: Ints = np.arange(len(self.models)).repeat(np.diff(self.bounds))
        self.event_ids = EventIds.joined([piece.event_ids for piece in pieces])
        self.times_ms: Ints = _joined([piece.times_ms for piece in pieces])
        self.model_versions = Texts.joined([piece.model_versions for piece in pieces])
        self.labels = Texts.joined([piece.labels for piece in pieces])
        self.confidence: Floats = _joined([piece.confidence for piece in pieces])
        self.learnable: Flags = _joined([piece.learnable for piece in pieces])
        self._holders = [(piece, number) for piece in pieces for number in range(len(piece.models))]

    def __len__(self) -> int:
        return self.starts[-1]

    def of_model(self, number: int) -> PredictionColumns:
        """The events of ``models[number]`` alone."""
        piece, within = self._holders[number]
        return piece.of_model(within)

    def labels_of(self, number: int) -> set[str]:
        """The labels that ``models[number]`` predicts, and those to which it gives a probability."""
        piece, within = self._holders[number]
        some = slice(*piece.bounds[within : within + 2].tolist())
        labels: set[Any] = set(piece.labels.take(some).used)
        if piece.probabilities is not None:
            labels |= piece.probabilities.slice(some.start, some.stop).labels
        return labels

    def model_slice(self, number: int) -> slice:
        """Where the events of ``models[number]`` stand."""
        return slice(*self.bounds[number : number + 2].tolist())

    def probabilities_at(self, indexes: Ints) -> list[dict[str, float] | None] | None:
        """The probabilities of the events at ascending indexes; None if no event of the batch gives any."""
        if all(piece.probabilities is None for piece in self.pieces):
            return None
        rows: list[dict[str, float] | None] = []
        for piece, chosen in self._by_piece(indexes):
            given = piece.probabilities
            rows += [None] * len(chosen) if given is None else given.at(np.array(chosen))
        return rows

    def optional_at(self, name: str, indexes: Ints) -> list[Any] | None:
        """``slices`` or ``contents`` of the events at ascending indexes; None if no event of the batch has any."""
        if all(getattr(piece, name) is None for piece in self.pieces):
            return None
        absent: Any = {} if name == "slices" else None
        values: list[Any] = []
        for piece, chosen in self._by_piece(indexes):
            column = getattr(piece, name)
            values += [absent] * len(chosen) if column is None else map(column.__getitem__, chosen)
        return values

    def encodable_features(self, indexes: Ints) -> list[Any]:
        """Objects that encode as the JSON of the features of the events at ascending indexes."""
        return [features for piece, chosen in self._by_piece(indexes) for features in piece.encodable_features(chosen)]

    def _by_piece(self, indexes: Ints) -> list[tuple[PredictionColumns, list[int]]]:
        """The pieces that have any of the events at ascending indexes, and the events' indexes in them."""
        cuts = indexes.searchsorted(self.starts).tolist()
        return [
            (piece, (indexes[begin:end] - start).tolist())
            for piece, start, begin, end in zip(self.pieces, self.starts, cuts, cuts[1:], strict=False)
            if begin < end
        ]


def _joined(columns: Sequence[Any]) -> Any:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)
