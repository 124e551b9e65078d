"""PredictionColumns: predictions of one model, column by column, so that work on them is arithmetic on arrays."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from schemas.hashing import id_hashes
from schemas.prediction import Prediction, confidence_of, epoch_ms, label_text
from schemas.wire import Scalar

__all__ = ["FeatureColumn", "PredictionColumns", "features_of_rows"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One feature of n events: its values, None where null or absent, and the types that may be among them.

    ``kinds`` may name more types than there are, never fewer: whoever asks it is spared a look at every value.
    """

    values: Sequence[Scalar]
    kinds: frozenset[type]


@dataclasses.dataclass(frozen=True)
class PredictionColumns:
    """n predictions of one model in order of arrival, one entry each in every column.

    ``labels`` are the predictions as text; ``risk`` is NaN where none is given; ``reviewable`` is consent to review;
    ``probabilities`` and ``slices`` are None where no event has any. ``row`` gives one event as a Struct, and
    ``row_features`` its features: for the few that a person will see. ``encodable_features`` is what encodes as their
    JSON, and need not be a dictionary.
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
    slices: Sequence[Mapping[str, str]] | None
    features: Mapping[str, FeatureColumn]
    row: Callable[[int], Prediction]
    row_features: Callable[[int], dict[str, Scalar]]
    encodable_features: Callable[[int], Any]

    def __len__(self) -> int:
        return len(self.event_ids)

    @functools.cached_property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """``schemas.hashing.id_hashes`` of the event ids, computed once for all who draw from them."""
        return id_hashes(self.event_ids)

    def take(self, places: Ints) -> PredictionColumns:
        """The events at these places, in their order."""
        chosen = places.tolist()

        def taken(column: Sequence[Item]) -> list[Item]:
            return [column[place] for place in chosen]

        return PredictionColumns(
            model=self.model,
            event_ids=taken(self.event_ids),
            times_ms=self.times_ms[places],
            model_versions=taken(self.model_versions),
            labels=taken(self.labels),
            confidence=self.confidence[places],
            probabilities=None if self.probabilities is None else taken(self.probabilities),
            risk=self.risk[places],
            reviewable=self.reviewable[places],
            slices=None if self.slices is None else taken(self.slices),
            features={
                name: FeatureColumn(taken(column.values), column.kinds) for name, column in self.features.items()
            },
            row=lambda place: self.row(chosen[place]),
            row_features=lambda place: self.row_features(chosen[place]),
            encodable_features=lambda place: self.encodable_features(chosen[place]),
        )

    @classmethod
    def of(cls, events: Sequence[Prediction]) -> PredictionColumns:
        """The columns of Structs of one model; each needs a confidence or probabilities."""
        probabilities = [event.probabilities for event in events]
        slices = [event.slices for event in events]
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
            slices=slices if any(slices) else None,
            features=features_of_rows([event.features for event in events]),
            row=events.__getitem__,
            row_features=lambda place: events[place].features,
            encodable_features=lambda place: events[place].features,
        )


def features_of_rows(rows: Sequence[dict[str, Scalar]]) -> dict[str, FeatureColumn]:
    """Columns of feature dictionaries, whatever names each has; in the order in which names are first met."""
    names = dict.fromkeys(name for row in rows for name in row)
    found = {}
    for name in names:
        values = [row.get(name) for row in rows]
        found[name] = FeatureColumn(values, frozenset(map(type, values)))
    return found
