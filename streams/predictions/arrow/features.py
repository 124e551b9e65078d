"""Features out of Arrow columns: by name, and as each row has them; what is null or NaN is absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from pyarrow import types

from schemas.columns.prediction_columns import FeatureColumn, features_of_rows
from schemas.wire.base import Scalar
from streams.predictions.arrow.cells import dicts_of, floats_of, lists_of

__all__ = ["FeatureCells", "OddError", "features_of"]


class OddError(Exception):
    """One of the rows may be wrong: they are to be read one by one."""


class FeatureCells(NamedTuple):
    """The features that any of ``size`` rows has."""

    columns: Mapping[str, FeatureColumn]
    size: int

    def row(self, place: int) -> dict[str, Scalar]:
        """The features of one row."""
        return {name: value for name, column in self.columns.items() if (value := column.values[place]) is not None}

    def rows(self) -> list[dict[str, Scalar]]:
        """The features of every row."""
        return self._rows([column.values for column in self.columns.values()], self.size)

    def rows_at(self, places: Sequence[int]) -> list[dict[str, Scalar]]:
        """The features of the rows at these places."""
        if len(places) < 2:
            return [self.row(place) for place in places]
        taken = itemgetter(*places)
        return self._rows([taken(column.values) for column in self.columns.values()], len(places))

    def _rows(self, columns: Sequence[Sequence[Scalar]], size: int) -> list[dict[str, Scalar]]:
        if not columns:
            return [{} for _ in range(size)]
        names, cells = tuple(self.columns), zip(*columns, strict=True)
        if any(type(None) in column.kinds for column in self.columns.values()):
            return [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in cells]
        return [dict(zip(names, row, strict=True)) for row in cells]


def features_of(column: Any) -> FeatureCells:
    """The features of a column of structs or maps without a null; raises OddError where one is not finite."""
    if types.is_map(column.type):
        _check_finite(column.type.item_type, column.items)
        return FeatureCells(features_of_rows([row or {} for row in dicts_of(column)]), len(column))
    found = {}
    for field, child in zip(column.type, column.flatten(), strict=True):
        if child.null_count < len(child):
            _check_finite(field.type, child)
            values = lists_of(child)
            kinds = _kinds(values)
            if kinds != {type(None)}:
                found[field.name] = FeatureColumn(values, kinds)
    return FeatureCells(found, len(column))


def _kinds(values: list[Any]) -> frozenset[type]:
    """The types of values of one column: one, and None's."""
    if None not in values:
        return frozenset((type(values[0]),))
    return frozenset(map(type, values))


def _check_finite(kind: Any, column: Any) -> None:
    if types.is_floating(kind) and np.isinf(floats_of(column)).any():
        raise OddError
