"""A model trained on the first share of a recorded table and then frozen, and the matrix that it is trained on."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from schemas.wire.prediction import LABELS_MAX
from watchloop.errors import WrongTable
from watchloop.recorded.cells.spellings import warning_of_twins
from watchloop.recorded.cells.texts import is_text
from watchloop.recorded.replayable import Replayable, spelt_alike
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.words import listed, quoted

__all__ = ["FeatureNumbers", "TrainingData", "numbers_of_feature", "train_first", "training_matrix"]

ONE_THREAD_ROWS_MAX: Final = 200_000
"""With at most so many rows one thread trains faster than several, which wait for each other on busy cores."""

TRAIN_ROWS_MIN: Final = 10

CATEGORIES_MAX: Final = 255
"""A text feature with more different values becomes a number, in order of first appearance, and not a category."""

DATE_BEGINS: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

Floats = npt.NDArray[np.float64]


Meaning = Literal["number", "time", "few codes", "many codes"]
"""The meaning of a feature's numbers: its own values, epoch microseconds of texts that are times, or codes of texts in
order of first appearance. A tree takes ``few codes`` as categories."""


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


def train_first(table: RecordedTable, *, share: float, model: str, seed: int) -> Replayable:
    """Train gradient-boosted trees on the first ``share`` of the rows; they then predict the other rows, unchanged.

    The trees are scikit-learn's HistGradientBoostingClassifier. Features that are empty or constant in the first rows
    are left out, and a note names them. Raises WrongTable where these rows cannot train a model.
    """
    first = int(len(table) * share)
    labels = table.labels
    if first < TRAIN_ROWS_MIN or first >= len(table):
        raise WrongTable(
            f"--train-first {share:g} leaves {first} of {len(table)} rows to train on; give a share like 0.2"
        )
    if len(set(labels[:first])) < 2:
        raise WrongTable(f"the first {first} rows have one label only ({quoted(labels[0])}); train on a larger share")
    if len(set(labels[:first])) > LABELS_MAX:
        raise WrongTable(
            f"the first {first} rows have {len(set(labels[:first]))} different labels, and a model has at most"
            f" {LABELS_MAX}; is {quoted(table.columns.label)} (--label) a label?"
        )
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    data = training_matrix(table.rows, first)
    if not data.names:
        raise WrongTable(
            f"the features ({listed(table.feature_names)}) say nothing in the first {first} rows: each is empty or the"
            " same in all of them; train on a larger share, or on other columns"
        )
    left_out = f"trained without {listed(data.left_out)}: empty or constant in those rows" if data.left_out else ""
    notes = [note for note in (left_out, warning_of_twins(set(labels[:first]))) if note]
    learner = HistGradientBoostingClassifier(random_state=seed, categorical_features=data.categorical)
    with threadpool_limits(1 if len(table) <= ONE_THREAD_ROWS_MAX else None):
        learner.fit(data.matrix[:first], labels[:first])
        probabilities = learner.predict_proba(data.matrix[first:])
    classes = tuple(str(label) for label in learner.classes_)
    best = probabilities.argmax(axis=1)
    source = Replayable(
        table=table,
        model=model,
        first=first,
        answers=[classes[column] for column in best.tolist()],
        confidences=probabilities.max(axis=1).tolist(),
        labels=classes,
        probabilities=probabilities,
        notes=(*table.notes, *notes),
    )
    return spelt_alike(source)


def training_matrix(features: Any, first: int) -> TrainingData:
    """The matrix of plain features (``plain_features``), where a model will be trained on the ``first`` rows.

    >>> data = training_matrix(pa.table({"age": [20, 30, 40], "same": [1, 1, 2], "plan": ["a", "b", "a"]}), 2)
    >>> data.names, data.categorical, data.left_out, data.matrix.tolist()
    (['age', 'plan'], [False, True], ['same'], [[20.0, 0.0], [30.0, 1.0], [40.0, 0.0]])
    """
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
    """A plain feature as numbers, NaN where it is missing, and their meaning.

    >>> ids = [f"id {n}" for n in range(300)]
    >>> columns = pa.table({"sent": ["2026-01-02"] * 300, "plan": ["gold"] * 300, "who": ids})
    >>> [numbers_of_feature(columns.column(name)).meaning for name in columns.column_names]
    ['time', 'few codes', 'many codes']
    """
    if types.is_null(column.type):
        return FeatureNumbers(np.full(len(column), np.nan), "number")
    if not is_text(column.type):
        return FeatureNumbers(_floats(column.cast(pa.int8()) if types.is_boolean(column.type) else column), "number")
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
    values: Floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values
