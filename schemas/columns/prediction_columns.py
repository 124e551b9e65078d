"""PredictionColumns: predictions column by column, so that work on them is arithmetic on arrays."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, chain, repeat
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from schemas.columns.event_ids import EventIds
from schemas.columns.feature_column import FeatureColumn, features_of_rows
from schemas.columns.probabilities import Probabilities
from schemas.columns.texts import Texts
from schemas.wire.base import Scalar
from schemas.wire.prediction import Prediction, confidence_of, epoch_ms, label_text

__all__ = ["PredictionColumns"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Item = TypeVar("Item")
NONE: Final = type(None)


@dataclasses.dataclass(frozen=True)
class PredictionColumns:
    """n predictions with the same features, one entry each in every column.

    They stand model after model, those of a model in order of arrival: those of ``models[k]`` from ``bounds[k]`` to
    before ``bounds[k + 1]``, at least one. ``bounds`` has shape (models + 1,).

    ``labels`` are the predictions as text; ``risk`` is NaN where none is given; ``reviewable`` and ``learnable`` are
    consent to review and to learning; ``probabilities``, ``slices`` and ``contents`` may be None if no event has any.
    ``row_features`` returns the features of one event by its index; ``encodable_features`` returns, for several
    indices, objects that encode as the JSON of those events' features. Both are for the few events that people see.
    """

    models: tuple[str, ...]
    bounds: Ints
    event_ids: EventIds
    times_ms: Ints
    model_versions: Texts
    labels: Texts
    confidence: Floats
    probabilities: Probabilities | None
    risk: Floats
    reviewable: Flags
    learnable: Flags
    slices: Sequence[Mapping[str, str]] | None
    contents: Sequence[str | None] | None
    features: Mapping[str, FeatureColumn]
    row_features: Callable[[int], dict[str, Scalar]]
    encodable_features: Callable[[Sequence[int]], Sequence[Any]]

    def __len__(self) -> int:
        return len(self.times_ms)

    @property
    def model(self) -> str:
        """The model of events of one model; ValueError where there are several."""
        (model,) = self.models
        return model

    @property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """``schemas.hashing.id_hashes`` of the event ids."""
        return self.event_ids.hashes

    def take(self, indices: Ints) -> PredictionColumns:
        """The events with these indices, which name the events of a model before those of the next."""
        chosen = indices.tolist()
        bounds = np.concatenate(([0], np.bincount(self._model_numbers(indices), minlength=len(self.models)).cumsum()))
        is_left = bounds[1:] > bounds[:-1]

        def taken(column: Sequence[Item]) -> list[Item]:
            return [column[index] for index in chosen]

        return PredictionColumns(
            models=tuple(model for model, left in zip(self.models, is_left.tolist(), strict=True) if left),
            bounds=np.concatenate(([0], bounds[1:][is_left])),
            event_ids=self.event_ids.take(indices),
            times_ms=self.times_ms[indices],
            model_versions=self.model_versions.take(indices),
            labels=self.labels.take(indices),
            confidence=self.confidence[indices],
            probabilities=None if self.probabilities is None else self.probabilities.take(indices),
            risk=self.risk[indices],
            reviewable=self.reviewable[indices],
            learnable=self.learnable[indices],
            slices=None if self.slices is None else taken(self.slices),
            contents=None if self.contents is None else taken(self.contents),
            features={name: column.take(indices) for name, column in self.features.items()},
            row_features=lambda index: self.row_features(chosen[index]),
            encodable_features=lambda some: self.encodable_features([chosen[index] for index in some]),
        )

    def _model_numbers(self, indices: Ints) -> Ints:
        """The index in ``models`` of each of the events with these indices."""
        return self.bounds[1:].searchsorted(indices, side="right")

    def of_model(self, number: int) -> PredictionColumns:
        """The events of ``models[number]`` alone, as views."""
        if len(self.models) == 1:
            return self
        start, stop = self.bounds[number : number + 2].tolist()
        some = slice(start, stop)
        return PredictionColumns(
            models=(self.models[number],),
            bounds=np.array([0, stop - start]),
            event_ids=self.event_ids.slice(start, stop),
            times_ms=self.times_ms[some],
            model_versions=self.model_versions.take(some),
            labels=self.labels.take(some),
            confidence=self.confidence[some],
            probabilities=None if self.probabilities is None else self.probabilities.slice(start, stop),
            risk=self.risk[some],
            reviewable=self.reviewable[some],
            learnable=self.learnable[some],
            slices=None if self.slices is None else self.slices[some],
            contents=None if self.contents is None else self.contents[some],
            features=_present({name: column.slice(start, stop) for name, column in self.features.items()}),
            row_features=lambda index: self.row_features(start + index),
            encodable_features=lambda indices: self.encodable_features([start + index for index in indices]),
        )

    @classmethod
    def of(cls, events: Sequence[Prediction]) -> PredictionColumns:
        """The columns of Structs of one model; each needs a confidence or probabilities."""
        probabilities = [event.probabilities for event in events]
        slices = [event.slices for event in events]
        contents = [event.content for event in events]
        return cls(
            models=(events[0].model,) if events else (),
            bounds=np.array([0, len(events)] if events else [0]),
            event_ids=EventIds([event.event_id for event in events]),
            times_ms=np.array([epoch_ms(event.time) for event in events], np.int64),
            model_versions=Texts.of([event.model_version for event in events]),
            labels=Texts.of([label_text(event.prediction) for event in events]),
            confidence=np.array([confidence_of(event) for event in events], np.float64),
            probabilities=Probabilities(probabilities) if any(probabilities) else None,
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
        """The events of all pieces, which are of one model, piece after piece; any piece may lack a feature."""
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

        def joined(name: str) -> Any:
            return np.concatenate([getattr(piece, name) for piece in pieces])

        return cls(
            models=(pieces[0].model,),
            bounds=np.array([0, starts[-1]]),
            event_ids=EventIds.joined([piece.event_ids for piece in pieces]),
            times_ms=joined("times_ms"),
            model_versions=Texts.joined([piece.model_versions for piece in pieces]),
            labels=Texts.joined([piece.labels for piece in pieces]),
            confidence=joined("confidence"),
            probabilities=Probabilities.joined([piece.probabilities for piece in pieces], list(map(len, pieces))),
            risk=joined("risk"),
            reviewable=joined("reviewable"),
            learnable=joined("learnable"),
            slices=_chained_if_any(pieces, "slices", {}),
            contents=_chained_if_any(pieces, "contents", None),
            features=_joined_features(pieces),
            row_features=row_features,
            encodable_features=encodable_features,
        )


def _present(features: Mapping[str, FeatureColumn]) -> dict[str, FeatureColumn]:
    """The columns that have a value."""
    return {name: column for name, column in features.items() if NONE not in column.types or column.present}


def _chained_if_any(pieces: Sequence[PredictionColumns], name: str, absent: object) -> list[Any] | None:
    columns = [getattr(piece, name) for piece in pieces]
    if not any(column is not None for column in columns):
        return None
    return list(
        chain.from_iterable(
            repeat(absent, len(piece)) if column is None else column
            for piece, column in zip(pieces, columns, strict=True)
        )
    )


def _joined_features(pieces: Sequence[PredictionColumns]) -> dict[str, FeatureColumn]:
    """Each feature that some piece has; None in the events of pieces without it."""
    starts = list(accumulate(map(len, pieces), initial=0))
    columns: dict[str, dict[int, FeatureColumn]] = {}
    for piece, start in zip(pieces, starts, strict=False):
        for name, column in piece.features.items():
            columns.setdefault(name, {})[start] = column
    return {
        name: FeatureColumn.joined(list(by_start.values()))
        if len(by_start) == len(pieces)
        else FeatureColumn.placed(by_start, starts[-1])
        for name, by_start in columns.items()
    }
