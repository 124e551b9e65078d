"""EventBatch: what all predictions of a batch have, whatever their models and features, in one pass."""

from __future__ import annotations

import dataclasses
import functools
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


@dataclasses.dataclass(frozen=True)
class EventBatch:
    """The n events of some ``pieces``, piece after piece; no model is in two of them.

    The events of ``models[k]`` stand from ``bounds[k]`` to before ``bounds[k + 1]``, in order of arrival. The columns
    mean what those of PredictionColumns do.
    """

    pieces: Sequence[PredictionColumns]

    def __len__(self) -> int:
        return len(self.times_ms)

    @functools.cached_property
    def models(self) -> tuple[str, ...]:
        """The models, each once."""
        return tuple(chain.from_iterable(piece.models for piece in self.pieces))

    @functools.cached_property
    def bounds(self) -> Ints:
        """Where the events of each model begin, and where the last end; shape (models + 1,)."""
        begins = [piece.bounds[:-1] + start for piece, start in zip(self.pieces, self.starts, strict=False)]
        return np.append(np.concatenate(begins), self.starts[-1])

    @functools.cached_property
    def starts(self) -> list[int]:
        """Where each piece begins, and where the last ends."""
        return list(accumulate(map(len, self.pieces), initial=0))

    @functools.cached_property
    def model_numbers(self) -> Ints:
        """The index in ``models`` of each event's model, shape (n,)."""
        return np.arange(len(self.models)).repeat(np.diff(self.bounds))

    @functools.cached_property
    def event_ids(self) -> EventIds:
        """The id of each event."""
        return EventIds.joined([piece.event_ids for piece in self.pieces])

    @functools.cached_property
    def times_ms(self) -> Ints:
        """The time of each event in epoch milliseconds, shape (n,)."""
        times_ms: Ints = self._joined("times_ms")
        return times_ms

    @functools.cached_property
    def model_versions(self) -> Texts:
        """The version of the model that answered each event."""
        return Texts.joined([piece.model_versions for piece in self.pieces])

    @functools.cached_property
    def labels(self) -> Texts:
        """The prediction of each event."""
        return Texts.joined([piece.labels for piece in self.pieces])

    @functools.cached_property
    def confidence(self) -> Floats:
        """The probability that the model gives its own prediction, shape (n,)."""
        confidence: Floats = self._joined("confidence")
        return confidence

    @functools.cached_property
    def learnable(self) -> Flags:
        """Consent to learning, shape (n,)."""
        learnable: Flags = self._joined("learnable")
        return learnable

    @functools.cached_property
    def _holders(self) -> list[tuple[PredictionColumns, int]]:
        """The piece of each model, and the model's index in it."""
        return [(piece, number) for piece in self.pieces for number in range(len(piece.models))]

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

    def _joined(self, name: str) -> Any:
        columns = [getattr(piece, name) for piece in self.pieces]
        return columns[0] if len(columns) == 1 else np.concatenate(columns)
