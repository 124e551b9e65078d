"""Samples of blocks out of an Arrow table: checked at once, made into Structs when somebody asks for them.

DRIFT keeps blocks for long and looks at few samples: those that make a reference, and those of a report.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Any, Final, NamedTuple

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
    """The sample of one block. ``names``, ``types`` and ``numbers`` have an entry for each feature of each row.

    ``texts`` has those of the entries whose type is kept as text. Nothing here holds on to the table.
    """

    _rows: Sequence[Row]
    _names: Sequence[str]
    _types: Numbers
    _numbers: Numbers
    _texts: Sequence[str]

    def rows(self) -> tuple[SampledRow, ...]:
        """The rows as Structs."""
        entries = zip(self._names, _scalars(self._types, self._numbers, self._texts), strict=True)
        return tuple(
            SampledRow(
                hash=hashed,
                event_id=event_id,
                time=time,
                features=dict(islice(entries, size)),
                prediction=prediction,
                confidence=confidence,
            )
            for hashed, event_id, time, prediction, confidence, size in self._rows
        )


def samples_of(columns: CheckedColumns) -> list[SampleView]:
    """The sample of each block; raises MalformedError if one of them holds what no sample may hold."""
    lists = columns.lists("sample")
    features = lists.entries.lists("features")
    entries = _entries(features.entries)
    rows = list(_rows(lists.entries, np.diff(features.ends).tolist()))
    ends = np.array(features.ends)[lists.ends]
    text_ends = entries.text_ends[ends].tolist()
    return [
        SampleView(
            rows[begin:end],
            entries.names[first:last],
            entries.types[first:last].copy(),
            entries.numbers[first:last].copy(),
            entries.texts[first_text:last_text],
        )
        for (begin, end), (first, last), (first_text, last_text) in zip(
            pairwise(lists.ends), pairwise(ends.tolist()), pairwise(text_ends), strict=True
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


class _Entries(NamedTuple):
    """The features of all rows; ``text_ends`` says how many texts come before each entry, and after the last."""

    names: Sequence[str]
    types: Numbers
    numbers: Numbers
    texts: Sequence[str]
    text_ends: Numbers


def _entries(columns: CheckedColumns) -> _Entries:
    types, numbers = columns.numbers("type"), columns.numbers("number")
    codes = columns.array("text").indices.to_numpy()
    known = columns.dictionary("text", codes)
    columns.expect(bool(((types >= 0) & (types <= TYPE_MAX)).all()), "type", "an unknown type")
    is_text = _is_text(types)
    _check_numbers(columns, types, numbers)
    texts = list(map(known.__getitem__, codes[is_text].tolist()))
    for code in set(codes[types == ScalarType.DIGITS].tolist()):
        columns.expect(bool(DIGITS.fullmatch(known[code])), "text", "no whole number beyond 2^53")
    return _Entries(columns.coded("name"), types, numbers, texts, np.concatenate(([0], is_text.cumsum())))


def _check_numbers(columns: CheckedColumns, types: Numbers, numbers: Numbers) -> None:
    whole = numbers[types == ScalarType.INTEGER]
    is_right = (np.trunc(whole) == whole) & (np.abs(whole) <= EXACT_MAX)
    columns.expect(bool(is_right.all()), "number", "no whole number up to 2^53")
    truth = numbers[types == ScalarType.BOOLEAN]
    columns.expect(bool(((truth == 0.0) | (truth == 1.0)).all()), "number", "a boolean that is neither 0 nor 1")


def _is_text(types: Numbers) -> npt.NDArray[np.bool_]:
    is_text: npt.NDArray[np.bool_] = (types == ScalarType.TEXT) | (types == ScalarType.DIGITS)
    return is_text


def _scalars(types: Numbers, numbers: Numbers, texts: Sequence[str]) -> list[Scalar]:
    """The value of each entry."""
    values = numbers.astype(object)  # doubles, until those of other types replace them
    is_digits = types == ScalarType.DIGITS
    values[_is_text(types)] = np.array(texts, object)
    values[is_digits] = np.array(list(map(int, values[is_digits])), object)
    is_whole, is_truth = types == ScalarType.INTEGER, types == ScalarType.BOOLEAN
    values[is_whole] = numbers[is_whole].astype(np.int64)
    values[is_truth] = numbers[is_truth].astype(np.bool_)
    values[types == ScalarType.NOTHING] = None
    scalars: list[Scalar] = values.tolist()
    return scalars
