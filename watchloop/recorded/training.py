"""Features as the matrix of numbers that a model is trained on."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from watchloop.recorded.cells.texts import is_text

__all__ = ["FeatureNumbers", "TrainingData", "numbers_of_feature", "training_matrix"]

CATEGORIES_MAX: Final = 255
"""A text with more different values is learned from as a number, in order of first appearance, not as a category."""

DATE_BEGINS: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

Floats = npt.NDArray[np.float64]


Meaning = Literal["number", "time", "few codes", "many codes"]
"""What a feature's numbers are: its own, the microseconds of a text that says when, or codes of texts in order of first
appearance, of which a tree can tell ``few`` apart as categories."""


class FeatureNumbers(NamedTuple):
    """A feature as numbers, NaN where it is missing."""

    numbers: Floats
    meaning: Meaning


class TrainingData(NamedTuple):
    """``matrix`` has shape (rows, names), NaN where a value is missing; ``categorical`` says which columns are codes.

    ``left_out`` are features without two different values in the rows to train on.
    """

    matrix: Floats
    names: list[str]
    categorical: list[bool]
    left_out: list[str]


def training_matrix(features: Any, first: int) -> TrainingData:
    """The matrix of plain features (``plain_features``), of which the first rows are trained on."""
    columns, names, categorical, left_out = [], [], [], []
    for name in features.column_names:
        numbers, meaning = numbers_of_feature(features.column(name))
        if _says_nothing(numbers[:first]):
            left_out.append(name)
            continue
        columns.append(numbers)
        names.append(name)
        categorical.append(meaning == "few codes")
    matrix = np.column_stack(columns) if columns else np.empty((features.num_rows, 0))
    return TrainingData(matrix, names, categorical, left_out)


def _says_nothing(numbers: Floats) -> bool:
    known = numbers[~np.isnan(numbers)]
    return not len(known) or (len(known) == len(numbers) and bool((known == known[0]).all()))


def numbers_of_feature(column: Any) -> FeatureNumbers:
    """A plain feature as numbers, NaN where it is missing, and what these numbers are.

    >>> ids = [f"id {n}" for n in range(300)]
    >>> columns = pa.table({"sent": ["2026-01-02"] * 300, "plan": ["gold"] * 300, "who": ids})
    >>> [numbers_of_feature(columns.column(name)).meaning for name in columns.column_names]
    ['time', 'few codes', 'many codes']
    """
    kind = column.type
    if types.is_null(kind):
        return FeatureNumbers(np.full(len(column), np.nan), "number")
    if not is_text(kind):
        return FeatureNumbers(_floats(column.cast(pa.int8()) if types.is_boolean(kind) else column), "number")
    times = _times(column)
    if times is not None:
        return FeatureNumbers(times, "time")
    codes = column.combine_chunks().dictionary_encode()
    chunks = codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes
    is_few = len(chunks.dictionary) <= CATEGORIES_MAX
    return FeatureNumbers(_floats(chunks.indices), "few codes" if is_few else "many codes")


def _times(column: Any) -> Floats | None:
    first = column.drop_null().slice(0, 1).to_pylist()
    if not first or not DATE_BEGINS.match(first[0]):
        return None
    try:
        return _floats(pc.utf8_rtrim(column, "Z").cast(pa.timestamp("us")).cast(pa.int64()))
    except pa.ArrowInvalid:
        return None


def _floats(column: Any) -> Floats:
    found: Floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return found
