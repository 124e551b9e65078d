"""Predictions out of Arrow tables, a whole column at a time; from a table with a row that may be wrong, nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from pyarrow import types

from schemas.columns.event_ids import EventIds
from schemas.columns.feature_column import FeatureColumn, features_of_rows
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.probabilities import LabelMatrix, Probabilities
from schemas.columns.texts import Texts
from schemas.probability import probabilities_of
from schemas.wire.base import NAME_CHARS_MAX, Scalar
from schemas.wire.given import GivenPrediction, known_probabilities
from schemas.wire.prediction import CONSENT_GIVEN, CONTENT_CHARS_MAX, Consent, Prediction, label_text
from streams.predictions.arrow.python_values import coded_texts_of, dicts_of, floats_of, lists_of, texts_of, times_ms_of
from streams.predictions.confidences import known_confidence
from streams.predictions.prediction_checks import TIMES_USUAL_BEGIN

__all__ = ["Cells", "OddError", "cells_of", "model_order"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

JSON_BYTES_PER_CHAR: Final = 6
"""At most: a control character becomes ``\\u0000``, any other character at most four bytes of UTF-8."""

JSON_BYTES_PER_VALUE: Final = 64
"""At most, for a number, or for the marks around a text."""

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
        return self.rows_at([index])[0]

    def rows(self) -> list[dict[str, Scalar]]:
        """The features of every row."""
        return self._rows([column.values for column in self.columns.values()], self.size)

    def rows_at(self, indexes: Sequence[int]) -> list[dict[str, Scalar]]:
        """The features of the rows at these indexes."""
        chosen = np.array(indexes, np.int64)
        return self._rows([column.at(chosen) for column in self.columns.values()], len(indexes))

    def _rows(self, columns: Sequence[Sequence[Scalar]], size: int) -> list[dict[str, Scalar]]:
        if not columns:
            return [{} for _ in range(size)]
        names, cells = tuple(self.columns), zip(*columns, strict=True)
        if any(type(None) in column.types for column in self.columns.values()):
            return [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in cells]
        return [dict(zip(names, row, strict=True)) for row in cells]


class Cells(NamedTuple):
    """The rows of a table, a column for each field of Prediction; ``probabilities`` is None if no row has any."""

    models: Texts
    event_ids: EventIds
    times_ms: Ints
    features: FeatureCells
    predictions: Any
    """As a pyarrow array: texts, integers or booleans."""
    versions: Texts
    confidence: Floats
    probabilities: Probabilities | None
    slices: list[dict[str, str]] | None
    risk: Floats
    subjects: list[str | None]
    reviewable: Flags
    learnable: Flags
    contents: list[str | None] | None
    producers: Texts
    labels: Texts
    known_confidence: Floats
    """``confidence``, and where it is missing, the probability of the label."""

    def events(self) -> list[Prediction]:
        """Every row as an event."""
        consents = zip(self.reviewable.tolist(), self.learnable.tolist(), strict=True)
        return list(
            map(
                Prediction,
                self.event_ids.texts,
                self.models.tolist(),
                self.times_ms.tolist(),
                self.features.rows(),
                lists_of(self.predictions),
                self.versions.tolist(),
                _none_if_nan(self.confidence),
                repeat(None) if self.probabilities is None else self.probabilities.tolist(),
                [{} for _ in range(len(self.labels))] if self.slices is None else self.slices,
                _none_if_nan(self.risk),
                self.subjects,
                map(_consents.__getitem__, consents),
                repeat(None) if self.contents is None else self.contents,
                self.producers.tolist(),
            )
        )

    def columns(self) -> PredictionColumns:
        """The rows, which stand model after model, as columns that triage and drift read."""
        features = self.features  # the callables below keep these alive, not every cell
        codes = self.models.codes
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        return PredictionColumns(
            models=tuple(self.models.at(starts)),  # type: ignore[arg-type]  # none is missing
            bounds=np.append(starts, len(codes)),
            event_ids=self.event_ids,
            times_ms=self.times_ms,
            model_versions=self.versions,
            labels=self.labels,
            confidence=self.known_confidence,
            probabilities=self.probabilities,
            risk=self.risk,
            reviewable=self.reviewable,
            learnable=self.learnable,
            slices=self.slices,
            contents=self.contents,
            features=features.columns,
            row_features=features.row,
            encodable_features=features.rows_at,
        )


def model_order(table: Any) -> Ints | None:
    """The indexes of the rows model after model, those of a model in their order; None if the rows stand so already.

    Raises OddError if a row names no model.
    """
    column = table.column("model")
    if column.null_count:
        raise OddError
    codes = column.chunk(0).dictionary_encode().indices.to_numpy() if table.num_rows else np.zeros(0, np.int32)
    if not (np.diff(codes) < 0).any():
        return None
    order: Ints = codes.argsort(kind="stable")
    return order


def cells_of(table: Any, *, latest_ms: int, producer: str, bytes_max: int) -> Cells:
    """The cells of a table that ``stream.table_of`` returned.

    ``producer`` is the producer of rows that name none. Raises OddError if a row may be wrong, its time lies behind
    ``latest_ms`` (epoch milliseconds), or its JSON may have more than ``bytes_max``.
    """
    return _Reading(table, producer).cells(latest_ms, bytes_max)


class _Reading:
    """Reads one table into cells; ``_json_bytes`` is an upper bound of the JSON of a row."""

    def __init__(self, table: Any, producer: str) -> None:
        self._columns = {name: table.column(name).chunk(0) for name in table.column_names}
        self._size = table.num_rows
        self._producer = producer
        self._json_bytes = (JSON_BYTES_PER_VALUE + JSON_BYTES_PER_CHAR * NAME_CHARS_MAX) * len(_types)

    def cells(self, latest_ms: int, bytes_max: int) -> Cells:
        predictions = self._needed("prediction")
        confidence, probabilities = self._ratios("confidence"), self._probabilities()
        labels = self._labels(predictions)
        known = known_confidence(confidence, labels, probabilities)
        if known is None:
            raise OddError
        slices = self._dicts("slices")
        cells = Cells(
            models=self._texts("model", None),
            event_ids=self._event_ids(),
            times_ms=self._times(latest_ms),
            features=self._features(),
            predictions=predictions,
            versions=self._texts("model_version", ""),
            confidence=confidence,
            probabilities=probabilities,
            slices=None if slices is None else [of_row or {} for of_row in slices],
            risk=self._ratios("risk"),
            subjects=self._subjects(),
            reviewable=self._consent("review"),
            learnable=self._consent("learn"),
            contents=self._contents(),
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

    def _event_ids(self) -> EventIds:
        column = self._needed("event_id")
        _check_chars(column, 1, NAME_CHARS_MAX)
        return EventIds(column)

    def _labels(self, predictions: Any) -> Texts:
        if _is_text(predictions):
            texts = coded_texts_of(predictions)
            _as_field("prediction", list(texts.names))
            return texts
        return Texts.of(list(map(label_text, _as_field("prediction", lists_of(predictions)))))

    def _texts(self, name: str, default: str | None) -> Texts:
        """A column of text of which few differ, with the default for null; None if there may be no null."""
        if name not in self._columns:
            return Texts.constant(default, self._size)
        column = self._needed(name) if default is None else self._columns[name]
        texts = coded_texts_of(column)
        _as_field(name, [text for text in texts.names if text is not None])
        return texts.renamed(default if text is None else text for text in texts.names) if column.null_count else texts

    def _subjects(self) -> list[str | None]:
        if "subject" not in self._columns:
            return [None] * self._size
        return _as_field("subject", texts_of(self._columns["subject"]))

    def _contents(self) -> list[str | None] | None:
        column = self._columns.get("content")
        if column is None or column.null_count == len(column):
            return None
        self._json_bytes += JSON_BYTES_PER_CHAR * _check_chars(column, 0, CONTENT_CHARS_MAX)
        return texts_of(column)

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

    def _probabilities(self) -> Probabilities | None:
        column = self._columns.get("probabilities")
        if column is None:
            return None
        if types.is_map(column.type):
            given = self._dicts("probabilities")
            return None if given is None else Probabilities(list(map(known_probabilities, given)))
        labels = [field.name for field in column.type]
        values = np.column_stack([floats_of(child) for child in column.flatten()]) if labels else np.zeros((0, 0))
        if np.isnan(values).all():
            return None
        _as_field("probabilities", [dict.fromkeys(labels)])
        bounded = probabilities_of(values)
        if bounded is None:
            raise OddError
        self._json_bytes += len(labels) * (JSON_BYTES_PER_CHAR * _longest(labels) + JSON_BYTES_PER_VALUE)
        return Probabilities(LabelMatrix(tuple(labels), bounded))

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

    def _consent(self, name: str) -> Flags:
        """A flag of the consent of every row; what is missing or null counts as given."""
        column = self._columns.get("consent")
        if column is not None:
            for field, child in zip(column.type, column.flatten(), strict=True):
                if field.name == name and not types.is_null(field.type):
                    flags: Flags = child.fill_null(True).to_numpy(zero_copy_only=False)
                    return flags
        return np.ones(self._size, np.bool_)

    def _features(self) -> FeatureCells:
        features = features_of(self._needed("features"))
        _as_field("features", [dict.fromkeys(features.columns)])
        for name, column in features.columns.items():
            texts = 0 if column.texts is None else _longest(column.texts.names)
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


def _check_chars(column: Any, least: int, most: int) -> int:
    """The characters of the longest text of a column; raises OddError if one has fewer than ``least`` or too many."""
    bounds = pc.min_max(pc.utf8_length(column)).as_py()
    if bounds["min"] is not None and (bounds["min"] < least or bounds["max"] > most):
        raise OddError
    return bounds["max"] or 0


def _none_if_nan(values: Floats) -> Sequence[float | None]:
    floats: list[float | None] = values.tolist()
    return [None if value != value else value for value in floats] if np.isnan(values).any() else floats


def _is_text(column: Any) -> bool:
    return bool(types.is_string(column.type) or types.is_large_string(column.type))


def features_of(column: Any) -> FeatureCells:
    """The features of a column of structs or maps without null; raises OddError if a number is infinite."""
    if types.is_map(column.type):
        _check_finite(column.type.item_type, column.items)
        return FeatureCells(features_of_rows([row or {} for row in dicts_of(column)]), len(column))
    columns = {}
    for field, child in zip(column.type, column.flatten(), strict=True):
        if child.null_count < len(child):
            _check_finite(field.type, child)
            feature = _feature_of(child)
            if feature.types != {type(None)}:
                columns[field.name] = feature
    return FeatureCells(columns, len(column))


def _feature_of(column: Any) -> FeatureColumn:
    if _is_text(column):
        return FeatureColumn.of_texts(coded_texts_of(column))
    if types.is_floating(column.type):
        numbers = floats_of(column)
        if not np.isnan(numbers).all():
            return FeatureColumn.of_numbers(numbers)
    elif types.is_int64(column.type) and not column.null_count:
        return FeatureColumn.of_numbers(column.to_numpy())
    return FeatureColumn.of(lists_of(column))


def _check_finite(arrow_type: Any, column: Any) -> None:
    if types.is_floating(arrow_type) and np.isinf(floats_of(column)).any():
        raise OddError
