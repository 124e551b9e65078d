"""PredictionColumns: predictions of one model, column by column, so that work on them is arithmetic on arrays."""

from __future__ import annotations

import dataclasses
import functools
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, chain, repeat
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from schemas.hashing import id_hashes
from schemas.wire.base import Scalar
from schemas.wire.prediction import Prediction, confidence_of, epoch_ms, label_text

__all__ = ["FeatureColumn", "PredictionColumns", "features_of_rows"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One feature of n events: its values, None where null or absent, and the types that may be among them.

    ``types`` may name more types than occur, never fewer; it saves a look at every value.
    """

    values: Sequence[Scalar]
    types: frozenset[type]

    @classmethod
    def absent(cls, size: int) -> FeatureColumn:
        """The column of ``size`` events without the feature."""
        return cls((None,) * size, frozenset((type(None),)))

    @classmethod
    def joined(cls, pieces: Sequence[FeatureColumn]) -> FeatureColumn:
        """The values of one feature, piece after piece."""
        values = list(chain.from_iterable(piece.values for piece in pieces))
        return cls(values, frozenset().union(*(piece.types for piece in pieces)))


@dataclasses.dataclass(frozen=True)
class PredictionColumns:
    """n predictions of one model in order of arrival, one entry each in every column.

    ``labels`` are the predictions as text; ``risk`` is NaN where none is given; ``reviewable`` and ``learnable`` are
    consent to review and to learning; ``probabilities``, ``slices`` and ``contents`` are None where no event has any.
    ``row_features`` returns the features of one event by its index; ``encodable_features`` returns, for several
    indices, objects that encode as the JSON of those events' features. Both are for the few events that people see.
    """

    model: str
    event_ids: Sequence[str]
    times_ms: Ints
    model_versions: Sequence[str]
    labels: Sequence[str]
    confidence: Floats
    probabilities: Sequence[dict[str, float] | None] | None
    risk: Floats
    reviewable: Flags
    learnable: Flags
    slices: Sequence[Mapping[str, str]] | None
    contents: Sequence[str | None] | None
    features: Mapping[str, FeatureColumn]
    row_features: Callable[[int], dict[str, Scalar]]
    encodable_features: Callable[[Sequence[int]], Sequence[Any]]

    def __len__(self) -> int:
        return len(self.event_ids)

    @functools.cached_property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """``schemas.hashing.id_hashes`` of the event ids, computed once."""
        return id_hashes(self.event_ids)

    def take(self, indices: Ints) -> PredictionColumns:
        """The events with these indices, in their order."""
        chosen = indices.tolist()

        def taken(column: Sequence[Item]) -> list[Item]:
            return [column[index] for index in chosen]

        return PredictionColumns(
            model=self.model,
            event_ids=taken(self.event_ids),
            times_ms=self.times_ms[indices],
            model_versions=taken(self.model_versions),
            labels=taken(self.labels),
            confidence=self.confidence[indices],
            probabilities=None if self.probabilities is None else taken(self.probabilities),
            risk=self.risk[indices],
            reviewable=self.reviewable[indices],
            learnable=self.learnable[indices],
            slices=None if self.slices is None else taken(self.slices),
            contents=None if self.contents is None else taken(self.contents),
            features={
                name: FeatureColumn(taken(column.values), column.types) for name, column in self.features.items()
            },
            row_features=lambda index: self.row_features(chosen[index]),
            encodable_features=lambda some: self.encodable_features([chosen[index] for index in some]),
        )

    @classmethod
    def of(cls, events: Sequence[Prediction]) -> PredictionColumns:
        """The columns of Structs of one model; each needs a confidence or probabilities."""
        probabilities = [event.probabilities for event in events]
        slices = [event.slices for event in events]
        contents = [event.content for event in events]
        return cls(
            model=events[0].model if events else "",
            event_ids=[event.event_id for event in events],
            times_ms=np.array([epoch_ms(event.time) for event in events], np.int64),
            model_versions=[event.model_version for event in events],
            labels=[label_text(event.prediction) for event in events],
            confidence=np.array([confidence_of(event) for event in events], np.float64),
            probabilities=probabilities if any(probabilities) else None,
            risk=np.array([event.risk for event in events], np.float64),
            reviewable=np.array([event.consent.review for event in events], np.bool_),
            learnable=np.array([event.consent.learn for event in events], np.bool_),
            slices=slices if any(slices) else None,
            contents=contents if contents.count(None) < len(contents) else None,
            features=features_of_rows([event.features for event in events]),
            row_features=lambda index: events[index].features,
            encodable_features=lambda indices: [events[index].features for index in indices],
        )

    @classmethod
    def joined(cls, pieces: Sequence[PredictionColumns]) -> PredictionColumns:
        """The events of all pieces, which are of one model, piece after piece."""
        if len(pieces) == 1:
            return pieces[0]
        starts = list(accumulate(map(len, pieces), initial=0))

        def row_features(index: int) -> dict[str, Scalar]:
            number = bisect_right(starts, index) - 1
            return pieces[number].row_features(index - starts[number])

        def encodable_features(indices: Sequence[int]) -> Sequence[Any]:
            by_piece: list[list[int]] = [[] for _ in pieces]
            numbers = [bisect_right(starts, index) - 1 for index in indices]
            for number, index in zip(numbers, indices, strict=True):
                by_piece[number].append(index - starts[number])
            features = [iter(piece.encodable_features(some)) for piece, some in zip(pieces, by_piece, strict=True)]
            return [next(features[number]) for number in numbers]

        return cls(
            model=pieces[0].model,
            event_ids=_chained(pieces, "event_ids"),
            times_ms=np.concatenate([piece.times_ms for piece in pieces]),
            model_versions=_chained(pieces, "model_versions"),
            labels=_chained(pieces, "labels"),
            confidence=np.concatenate([piece.confidence for piece in pieces]),
            probabilities=_chained_if_any(pieces, "probabilities", None),
            risk=np.concatenate([piece.risk for piece in pieces]),
            reviewable=np.concatenate([piece.reviewable for piece in pieces]),
            learnable=np.concatenate([piece.learnable for piece in pieces]),
            slices=_chained_if_any(pieces, "slices", {}),
            contents=_chained_if_any(pieces, "contents", None),
            features=_joined_features(pieces),
            row_features=row_features,
            encodable_features=encodable_features,
        )


def _chained(pieces: Sequence[PredictionColumns], name: str) -> list[Any]:
    return list(chain.from_iterable(getattr(piece, name) for piece in pieces))


def _chained_if_any(pieces: Sequence[PredictionColumns], name: str, absent: object) -> list[Any] | None:
    columns = [getattr(piece, name) for piece in pieces]
    if not any(column is not None for column in columns):
        return None
    return [
        value
        for piece, column in zip(pieces, columns, strict=True)
        for value in (repeat(absent, len(piece)) if column is None else column)
    ]


def _joined_features(pieces: Sequence[PredictionColumns]) -> dict[str, FeatureColumn]:
    """Each feature that some piece has; None in the events of pieces without it."""
    names = dict.fromkeys(name for piece in pieces for name in piece.features)
    return {
        name: FeatureColumn.joined([piece.features.get(name) or FeatureColumn.absent(len(piece)) for piece in pieces])
        for name in names
    }


def features_of_rows(rows: Sequence[dict[str, Scalar]]) -> dict[str, FeatureColumn]:
    """The column of each feature that some row has, in order of first occurrence.

    >>> features_of_rows([{"age": 41}, {"age": None, "plan": "basic"}])["plan"].values
    [None, 'basic']
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        columns[name] = FeatureColumn(values, frozenset(map(type, values)))
    return columns
