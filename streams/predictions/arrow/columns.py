"""Predictions out of Arrow tables, a whole column at a time; from a table with a row that may be wrong, nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from pyarrow import types

from schemas.columns.prediction_columns import FeatureColumn, PredictionColumns, features_of_rows
from schemas.probability import probabilities_of
from schemas.wire.base import NAME_CHARS_MAX, Scalar
from schemas.wire.given import GivenPrediction, known_probabilities
from schemas.wire.prediction import CONSENT_GIVEN, Consent, Prediction, label_text
from streams.predictions.arrow.python_values import dicts_of, floats_of, lists_of, texts_of, times_ms_of
from streams.predictions.confidences import known_confidence
from streams.predictions.prediction_checks import TIMES_USUAL_BEGIN

__all__ = ["Cells", "ModelRows", "OddError", "cells_of", "models_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

JSON_BYTES_PER_CHAR: Final = 6
"""At most: a control character becomes ``\\u0000``, any other character at most four bytes of UTF-8."""

JSON_BYTES_PER_VALUE: Final = 64
"""At most, for a number, or for the marks around a text."""

CONSENT_FIELDS: Final = Consent.__struct_fields__

_types: Final = {field.name: field.type for field in msgspec.structs.fields(Prediction)} | {
    field.name: field.type for field in msgspec.structs.fields(GivenPrediction) if field.name == "probabilities"
}
_lists: Final = {name: list[field_type] for name, field_type in _types.items()}  # type: ignore[valid-type]
_consents: Final = {
    (review, learn): Consent(review=review, learn=learn) for review in (True, False) for learn in (True, False)
} | {(True, True): CONSENT_GIVEN}


class OddError(Exception):
    """A row may be wrong, so the rows must be read one by one."""


class FeatureCells(NamedTuple):
    """The features of ``size`` rows, a column for each name that any row has."""

    columns: Mapping[str, FeatureColumn]
    size: int

    def row(self, index: int) -> dict[str, Scalar]:
        """Name to value of the features that row ``index`` (from 0) has; one whose cell is null is left out."""
        return {name: value for name, column in self.columns.items() if (value := column.values[index]) is not None}

    def rows(self) -> list[dict[str, Scalar]]:
        """The features of every row."""
        return self._rows([column.values for column in self.columns.values()], self.size)

    def rows_at(self, indexes: Sequence[int]) -> list[dict[str, Scalar]]:
        """The features of the rows at these indexes."""
        if len(indexes) < 2:
            return [self.row(index) for index in indexes]
        taken = itemgetter(*indexes)
        return self._rows([taken(column.values) for column in self.columns.values()], len(indexes))

    def _rows(self, columns: Sequence[Sequence[Scalar]], size: int) -> list[dict[str, Scalar]]:
        if not columns:
            return [{} for _ in range(size)]
        names, cells = tuple(self.columns), zip(*columns, strict=True)
        if any(type(None) in column.types for column in self.columns.values()):
            return [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in cells]
        return [dict(zip(names, row, strict=True)) for row in cells]


class ModelRows(NamedTuple):
    """The rows of one model, at least one, and their indexes in the table that they come from, shape (n,)."""

    model: str
    table: Any
    indexes: Ints


class Cells(NamedTuple):
    """Rows of one model, a column for each field of Prediction; ``probabilities`` is None if no row has any."""

    model: str
    event_ids: list[str]
    times_ms: Ints
    features: FeatureCells
    predictions: list[Any]
    versions: list[str]
    confidence: Floats
    probabilities: list[Any] | None
    slices: list[dict[str, str]] | None
    risk: Floats
    subjects: list[str | None]
    consents: list[Consent]
    contents: list[str | None]
    producers: list[str]
    labels: list[str]
    known_confidence: Floats
    """``confidence``, and where it is missing, the probability of the label."""

    def events(self) -> list[Prediction]:
        """Every row as an event."""
        return list(
            map(
                Prediction,
                self.event_ids,
                repeat(self.model),
                self.times_ms.tolist(),
                self.features.rows(),
                self.predictions,
                self.versions,
                _none_if_nan(self.confidence),
                repeat(None) if self.probabilities is None else self.probabilities,
                [{} for _ in self.event_ids] if self.slices is None else self.slices,
                _none_if_nan(self.risk),
                self.subjects,
                self.consents,
                self.contents,
                self.producers,
            )
        )

    def columns(self) -> PredictionColumns:
        """The rows as columns, which triage and drift read; ``events`` returns the same row by row."""
        features = self.features  # the callables below keep these alive, not every cell
        return PredictionColumns(
            model=self.model,
            event_ids=self.event_ids,
            times_ms=self.times_ms,
            model_versions=self.versions,
            labels=self.labels,
            confidence=self.known_confidence,
            probabilities=self.probabilities,
            risk=self.risk,
            reviewable=np.array([consent.review for consent in self.consents], np.bool_),
            learnable=np.array([consent.learn for consent in self.consents], np.bool_),
            slices=self.slices,
            contents=self.contents if self.contents.count(None) < len(self.contents) else None,
            features=features.columns,
            row_features=features.row,
            encodable_features=features.rows_at,
        )


def models_of(table: Any) -> list[ModelRows]:
    """The rows of each model, in the order in which models are first met; raises OddError if a row names no model."""
    if not table.num_rows:
        return []
    column = table.column("model")
    if column.null_count:
        raise OddError
    codes = column.chunk(0).dictionary_encode()
    models = codes.dictionary.to_pylist()
    if len(models) == 1:
        return [ModelRows(models[0], table, np.arange(table.num_rows))]
    by_row = codes.indices.to_numpy()
    indexes = [np.flatnonzero(by_row == code) for code in range(len(models))]
    return [
        ModelRows(model, table.take(chosen).combine_chunks(), chosen)
        for model, chosen in zip(models, indexes, strict=True)
    ]


def cells_of(rows: ModelRows, *, latest_ms: int, producer: str, bytes_max: int) -> Cells:
    """The cells of rows of a table that ``stream.table_of`` returned.

    ``producer`` is the producer of rows that name none. Raises OddError if a row may be wrong, its time lies behind
    ``latest_ms`` (epoch milliseconds), or its JSON may have more than ``bytes_max``.
    """
    return _Reading(rows, producer).cells(latest_ms, bytes_max)


class _Reading:
    """Reads one table into cells; ``_json_bytes`` is an upper bound of the JSON of a row."""

    def __init__(self, rows: ModelRows, producer: str) -> None:
        self._model = rows.model
        self._columns = {name: rows.table.column(name).chunk(0) for name in rows.table.column_names}
        self._size = rows.table.num_rows
        self._producer = producer
        self._json_bytes = (JSON_BYTES_PER_VALUE + JSON_BYTES_PER_CHAR * NAME_CHARS_MAX) * len(_types)

    def cells(self, latest_ms: int, bytes_max: int) -> Cells:
        _as_field("model", [self._model])
        event_ids = self._texts("event_id", "", needed=True)
        predictions = _as_field("prediction", lists_of(self._needed("prediction")))
        labels = predictions if type(predictions[0]) is str else list(map(label_text, predictions))
        confidence, given = self._ratios("confidence"), self._dicts("probabilities")
        probabilities = None if given is None else list(map(known_probabilities, given))
        known = known_confidence(confidence, labels, probabilities)
        if known is None:
            raise OddError
        slices = self._dicts("slices")
        contents = self._texts("content", None)
        if "content" in self._columns:
            self._json_bytes += JSON_BYTES_PER_CHAR * _longest(contents)
        cells = Cells(
            model=self._model,
            event_ids=event_ids,
            times_ms=self._times(latest_ms),
            features=self._features(),
            predictions=predictions,
            versions=self._texts("model_version", ""),
            confidence=confidence,
            probabilities=probabilities,
            slices=None if slices is None else [of_row or {} for of_row in slices],
            risk=self._ratios("risk"),
            subjects=self._texts("subject", None),
            consents=self._consents(),
            contents=contents,
            producers=self._texts("producer", self._producer),
            labels=labels,
            known_confidence=known,
        )
        if self._json_bytes > bytes_max:
            raise OddError
        return cells

    def _needed(self, name: str) -> Any:
        column = self._columns[name]
        if column.null_count:
            raise OddError
        return column

    def _texts(self, name: str, default: str | None, *, needed: bool = False) -> list[Any]:
        """A column of text, with the default for null."""
        if name not in self._columns:
            return [default] * self._size
        column = self._needed(name) if needed else self._columns[name]
        values = texts_of(column)
        if column.null_count and default is not None:
            values = [default if value is None else value for value in values]
        return _as_field(name, values)

    def _times(self, latest_ms: int) -> Ints:
        times_ms = times_ms_of(self._needed("time"))
        if times_ms.min() < TIMES_USUAL_BEGIN or times_ms.max() > latest_ms:
            raise OddError
        signed: Ints = times_ms.astype(np.int64)
        return signed

    def _ratios(self, name: str) -> Floats:
        """A column of numbers in [0, 1], NaN for null."""
        if name not in self._columns:
            return np.full(self._size, np.nan)
        values = probabilities_of(floats_of(self._columns[name]))
        if values is None:
            raise OddError
        return values

    def _dicts(self, name: str) -> list[Any] | None:
        """A column of structs or maps as dictionaries, None for an empty one; None if all are empty."""
        if name not in self._columns:
            return None
        rows = [row or None for row in dicts_of(self._columns[name])]
        known = [row for row in rows if row is not None]
        if not known:
            return None
        _as_field(name, known)
        texts = _longest(chain.from_iterable(known)) + _longest(chain.from_iterable([row.values() for row in known]))
        self._json_bytes += max(map(len, known)) * (JSON_BYTES_PER_CHAR * texts + JSON_BYTES_PER_VALUE)
        return rows

    def _consents(self) -> list[Consent]:
        if "consent" not in self._columns:
            return [CONSENT_GIVEN] * self._size
        return [
            CONSENT_GIVEN if row is None else _consents[row.get("review", True), row.get("learn", True)]
            for row in dicts_of(self._columns["consent"], CONSENT_FIELDS)
        ]

    def _features(self) -> FeatureCells:
        features = features_of(self._needed("features"))
        _as_field("features", [dict.fromkeys(features.columns)])
        for name, column in features.columns.items():
            texts = _longest(column.values) if str in column.types else 0
            self._json_bytes += JSON_BYTES_PER_CHAR * (len(name) + texts) + JSON_BYTES_PER_VALUE
        return features


def _longest(values: Iterable[Any]) -> int:
    """The number of characters of the longest text among some values."""
    return max(map(len, {value for value in values if type(value) is str}), default=0)


def _as_field(name: str, values: list[Any]) -> list[Any]:
    """The same values; raises OddError if one of them is not valid in Prediction's field of this name."""
    try:
        msgspec.convert(values, _lists[name])
    except msgspec.ValidationError as error:
        raise OddError from error
    return values


def _none_if_nan(values: Floats) -> Sequence[float | None]:
    floats: list[float | None] = values.tolist()
    return [None if value != value else value for value in floats] if np.isnan(values).any() else floats


def features_of(column: Any) -> FeatureCells:
    """The features of a column of structs or maps without null; raises OddError if a number is infinite."""
    if types.is_map(column.type):
        _check_finite(column.type.item_type, column.items)
        return FeatureCells(features_of_rows([row or {} for row in dicts_of(column)]), len(column))
    columns = {}
    for field, child in zip(column.type, column.flatten(), strict=True):
        if child.null_count < len(child):
            _check_finite(field.type, child)
            values = lists_of(child)
            value_types = _types_of(values)
            if value_types != {type(None)}:
                columns[field.name] = FeatureColumn(values, value_types)
    return FeatureCells(columns, len(column))


def _types_of(values: list[Any]) -> frozenset[type]:
    """The types among the values of one column: a single one, and perhaps that of None."""
    if None not in values:
        return frozenset((type(values[0]),))
    return frozenset(map(type, values))


def _check_finite(arrow_type: Any, column: Any) -> None:
    if types.is_floating(arrow_type) and np.isinf(floats_of(column)).any():
        raise OddError
