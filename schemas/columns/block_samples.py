"""Samples of blocks out of an Arrow table: checked at once, made into Structs when somebody asks for them.

DRIFT keeps blocks for long and looks at few samples: those that make a reference, and those of a report.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.columns.block_columns import EXACT_MAX, ScalarType
from schemas.columns.checked_columns import CheckedColumns
from schemas.wire.base import EPOCH_MS_MAX, Scalar
from schemas.wire.block import SampledRow

__all__ = ["SampleView", "samples_of"]

DIGITS: Final = re.compile(r"-?[1-9][0-9]{15,999}")
"""Whole numbers beyond ``EXACT_MAX``."""

TYPE_MAX: Final = int(max(ScalarType))

Numbers = npt.NDArray[Any]
Row = tuple[int, str, int, str, float, int]
"""Hash, event id, time, prediction and confidence of a sampled row, and how many features it has."""


class SampleView(msgspec.Struct, frozen=True, gc=False):
    """The sample of one block. ``names`` and ``values`` have an entry for each feature of each row.

    Nothing here holds on to the table.
    """

    _rows: Sequence[Row]
    _names: Sequence[str]
    _values: Sequence[Scalar]

    def rows(self) -> tuple[SampledRow, ...]:
        """The rows as Structs."""
        entries = zip(self._names, self._values, strict=True)
        return tuple(
            [
                SampledRow(
                    hash=hashed,
                    event_id=event_id,
                    time=time,
                    features=dict(islice(entries, size)),
                    prediction=prediction,
                    confidence=confidence,
                )
                for hashed, event_id, time, prediction, confidence, size in self._rows
            ]
        )


def samples_of(columns: CheckedColumns) -> list[SampleView]:
    """The sample of each block; raises MalformedError if one of them holds what no sample may hold."""
    lists = columns.lists("sample")
    features = lists.entries.lists("features")
    names, values = features.entries.coded("name"), _values(features.entries)
    rows = list(_rows(lists.entries, np.diff(features.ends).tolist()))
    return [
        SampleView(rows[begin:end], names[first:last], values[first:last])
        for (begin, end), (first, last) in zip(
            pairwise(lists.ends), pairwise([features.ends[end] for end in lists.ends]), strict=True
        )
    ]


def _rows(columns: CheckedColumns, sizes: Sequence[int]) -> Any:
    return zip(
        columns.values("hash"),
        columns.texts("event_id", chars_min=1),
        columns.counts("time", EPOCH_MS_MAX),
        columns.coded("prediction", is_short=True),
        columns.probabilities("confidence"),
        sizes,
        strict=True,
    )


def _values(columns: CheckedColumns) -> list[Scalar]:
    """The value of each entry."""
    types, numbers = columns.numbers("type"), columns.numbers("number")
    codes = columns.array("text").indices.to_numpy()
    texts = columns.dictionary("text", codes)
    columns.expect(bool(((types >= 0) & (types <= TYPE_MAX)).all()), "type", "an unknown type")
    _check_numbers(columns, types, numbers)
    values = numbers.astype(object)  # doubles, until those of other types replace them
    is_text = types == ScalarType.TEXT
    if is_text.any():
        values[is_text] = np.array(texts, object)[codes[is_text]]
    for index in (types == ScalarType.DIGITS).nonzero()[0].tolist():
        digits = texts[codes[index]]
        columns.expect(bool(DIGITS.fullmatch(digits)), "text", "no whole number beyond 2^53")
        values[index] = int(digits)
    is_whole, is_truth = types == ScalarType.INTEGER, types == ScalarType.BOOLEAN
    values[is_whole] = numbers[is_whole].astype(np.int64)
    values[is_truth] = numbers[is_truth].astype(np.bool_)
    values[types == ScalarType.NOTHING] = None
    scalars: list[Scalar] = values.tolist()
    return scalars


def _check_numbers(columns: CheckedColumns, types: Numbers, numbers: Numbers) -> None:
    whole = numbers[types == ScalarType.INTEGER]
    is_right = (np.trunc(whole) == whole) & (np.abs(whole) <= EXACT_MAX)
    columns.expect(bool(is_right.all()), "number", "no whole number up to 2^53")
    truth = numbers[types == ScalarType.BOOLEAN]
    columns.expect(bool(((truth == 0.0) | (truth == 1.0)).all()), "number", "a boolean that is neither 0 nor 1")
