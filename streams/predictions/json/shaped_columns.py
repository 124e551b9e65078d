"""Columns out of shaped events, without a Python loop over the fields of each event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.columns.event_ids import EventIds
from schemas.columns.feature_column import FeatureColumn
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.probabilities import Probabilities
from schemas.columns.texts import Texts
from schemas.probability import probabilities_of
from schemas.texts.labels import are_valid_labels
from schemas.wire.base import Scalar
from schemas.wire.given import GIVEN_CONSENT, consent_of, known_probabilities, known_texts
from schemas.wire.prediction import epoch_ms, label_text
from streams.predictions.confidences import known_confidence
from streams.predictions.json.shapes import ABSENT, SHAPED_FIELDS, Shape
from streams.predictions.prediction_checks import TIMES_USUAL_BEGIN

__all__ = ["are_usual", "columns_of"]

Ints = npt.NDArray[np.int64]
Column = tuple[Any, ...]

_astuple: Final = msgspec.structs.astuple
_time_of: Final = attrgetter("time")
_prediction_of: Final = attrgetter("prediction")
_confidence_of: Final = attrgetter("confidence")
_probabilities_of: Final = attrgetter("probabilities")


def columns_of(shapes: Sequence[tuple[Shape, int]], events: Sequence[Any], latest_ms: int) -> PredictionColumns | None:
    """Columns of shaped events, shape after shape; None if one of them may be wrong in meaning.

    ``shapes`` have the same names in the same order, each with the number of its events. ``latest_ms`` is the latest
    time that an event may have, in epoch milliseconds.
    """
    column = dict(zip(SHAPED_FIELDS, zip(*map(_astuple, events), strict=True), strict=True))
    times_ms = _times(column["time"])
    if times_ms.min() < TIMES_USUAL_BEGIN or times_ms.max() > latest_ms:
        return None
    labels = Texts.of(_labels(column["prediction"]))
    given = column["probabilities"]
    known = list(map(known_probabilities, given)) if _has_any(given) else given
    probabilities = Probabilities(known) if _has_any(known) else None
    confidence = known_confidence(_ratios(column["confidence"]), labels, probabilities)
    if confidence is None:
        return None
    features = column["features"]  # the closures below keep these alive, not the events
    return PredictionColumns(
        models=tuple(shape.model for shape, _ in shapes),
        bounds=np.array([0, *accumulate(count for _, count in shapes)]),
        event_ids=EventIds(column["event_id"]),
        times_ms=times_ms,
        model_versions=Texts.of(_texts(column["model_version"])),
        labels=labels,
        confidence=confidence,
        probabilities=probabilities,
        risk=_ratios(column["risk"]) if _has_any(column["risk"]) else np.full(len(events), np.nan),
        reviewable=_consents(column["consent"], "review"),
        learnable=_consents(column["consent"], "learn"),
        slices=_slices(column["slices"]),
        contents=column["content"] if _has_any(column["content"]) else None,
        features=_feature_columns([shape for shape, _ in shapes], features),
        row_features=_row_features_of([shape for shape, _ in shapes], features),
        encodable_features=lambda indexes: list(map(features.__getitem__, indexes)),
    )


def are_usual(events: Sequence[Any], latest_ms: int) -> bool:
    """Whether shaped events are right at a quick look: their times and labels, and a confidence for each.

    Columns of such events need no further check. False for events with probabilities, which take a closer look.
    """
    times = list(map(_time_of, events))
    if set(map(type, times)) != {int} or min(times) < TIMES_USUAL_BEGIN or max(times) > latest_ms:
        return False
    if not are_valid_labels(map(label_text, set(map(_prediction_of, events)))):
        return False
    return None not in map(_confidence_of, events) and not any(map(_probabilities_of, events))


def _has_any(column: Sequence[Any]) -> bool:
    return column.count(None) != len(column)


def _texts(column: Column) -> Column:
    """Texts of a column, empty for null."""
    return column if None not in column else tuple([value or "" for value in column])


def _ratios(column: Column) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1], NaN for null; the decoder lets through only these and rounding errors beside them."""
    ratios = probabilities_of(np.array(column, np.float64))
    assert ratios is not None, "bounded by the decoder"
    return ratios


def _slices(column: Column) -> Sequence[dict[str, str]] | None:
    if not any(column):
        return None
    slices = list(map(known_texts, column))
    return slices if any(slices) else None


def _consents(column: Column, name: str) -> npt.NDArray[np.bool_]:
    if column.count(GIVEN_CONSENT) == len(column):
        return np.ones(len(column), np.bool_)
    return np.array([getattr(consent_of(consent), name) for consent in column], np.bool_)


def _labels(column: Column) -> tuple[str, ...]:
    return column if set(map(type, column)) == {str} else tuple(map(label_text, column))


def _times(column: Column) -> Ints:
    try:
        return np.array(column, np.int64)
    except TypeError:  # a datetime among them
        return np.array(list(map(epoch_ms, column)), np.int64)


def _feature_columns(shapes: Sequence[Shape], features: Column) -> dict[str, FeatureColumn]:
    columns: dict[str, FeatureColumn] = {}
    names = shapes[0].names
    if not names:
        return columns
    for name, values in zip(names, zip(*map(_astuple, features), strict=True), strict=True):
        may_lack = any(ABSENT in shape.types[name] for shape in shapes)
        present = [None if value is msgspec.UNSET else value for value in values] if may_lack else values
        types = frozenset[type]().union(*(shape.column_types[name] for shape in shapes))
        columns[name] = FeatureColumn(present, types)
    return columns


def _row_features_of(shapes: Sequence[Shape], features: Column) -> Callable[[int], dict[str, Scalar]]:
    names, sparse = shapes[0].names, any(shape.is_sparse for shape in shapes)

    def row_features(index: int) -> dict[str, Scalar]:
        row = dict(zip(names, _astuple(features[index]), strict=True))
        return {name: value for name, value in row.items() if value is not msgspec.UNSET} if sparse else row

    return row_features
