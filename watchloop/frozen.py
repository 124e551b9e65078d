"""Whose predictions are replayed: recorded ones, or those of a model trained on the first share and then frozen."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.prediction import Prediction
from watchloop.errors import WrongTable
from watchloop.table import RecordedTable, label_of, scalar_of

__all__ = ["Replayable", "recorded_answers", "train_first"]

SUM_SLACK = 0.02
ONE_THREAD_ROWS_MAX = 200_000
"""Up to here one thread trains faster than several, which wait for each other where the cores are busy."""


@dataclasses.dataclass(frozen=True, slots=True)
class Replayable:
    """Rows from ``first`` on, with the model's answers: one entry a replayed row.

    ``probabilities`` has shape (rows, labels) in the order of ``labels``, or is None where only a confidence is known.
    """

    table: RecordedTable
    model: str
    first: int
    answers: list[str]
    confidences: list[float]
    labels: tuple[str, ...]
    probabilities: npt.NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def truths(self) -> list[str]:
        """The true labels of the replayed rows; empty where the table has none."""
        return self.table.labels[self.first : self.first + len(self.answers)]

    def event_id(self, place: int) -> str:
        """The id of replayed row ``place``."""
        return f"{self.model}-{self.first + place}"

    def predictions(self, start: int, stop: int) -> list[Prediction]:
        """Replayed rows ``start`` to ``stop`` as the messages a producer would send."""
        table, first = self.table, self.first
        rows = table.features(first + start, first + stop)
        slices = [
            table.rows.column(name).slice(first + start, stop - start).to_pylist() for name in table.columns.slices
        ]
        found = []
        for place, features in enumerate(rows, start):
            vector = None if self.probabilities is None else self.probabilities[place].tolist()
            found.append(
                Prediction(
                    event_id=self.event_id(place),
                    model=self.model,
                    model_version="recorded" if self.first == 0 else "frozen",
                    time=table.times_ms[first + place],
                    features=features,
                    prediction=self.answers[place],
                    confidence=self.confidences[place] if vector is None else None,
                    probabilities=None if vector is None else dict(zip(self.labels, vector, strict=True)),
                    slices={
                        name: str(values[place - start])
                        for name, values in zip(table.columns.slices, slices, strict=True)
                    },
                )
            )
        return found


def train_first(table: RecordedTable, *, share: float, model: str, seed: int) -> Replayable:
    """Gradient-boosted trees (scikit-learn's HistGradientBoostingClassifier) on the first ``share``, then frozen."""
    first = int(len(table) * share)
    labels = table.labels
    if first < 10 or first >= len(table):
        raise WrongTable(
            f"--train-first {share:g} leaves {first} of {len(table)} rows to train on; give a share like 0.2"
        )
    if len(set(labels[:first])) < 2:
        raise WrongTable(f"the first {first} rows have one label only ({labels[0]}); train on a larger share")
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    matrix, categorical = _matrix(table)
    learner = HistGradientBoostingClassifier(random_state=seed, categorical_features=categorical)
    with threadpool_limits(1 if len(table) <= ONE_THREAD_ROWS_MAX else None):
        learner.fit(matrix[:first], labels[:first])
        probabilities = learner.predict_proba(matrix[first:])
    classes = tuple(str(label) for label in learner.classes_)
    best = probabilities.argmax(axis=1)
    return Replayable(
        table=table,
        model=model,
        first=first,
        answers=[classes[place] for place in best.tolist()],
        confidences=probabilities.max(axis=1).tolist(),
        labels=classes,
        probabilities=probabilities,
    )


def recorded_answers(table: RecordedTable, *, model: str) -> Replayable:
    """The answers that the table itself holds: a prediction and its confidence, or probabilities. Raises WrongTable."""
    columns = table.columns
    if columns.probabilities:
        return _with_probabilities(table, model)
    if not columns.prediction or not columns.confidence:
        raise WrongTable(
            "whose predictions? give --prediction with --confidence, or --probabilities, or --train-first 0.2"
        )
    answers = _answers(table, columns.prediction)
    confidences = [_confidence(place, value) for place, value in enumerate(table.column(columns.confidence))]
    return Replayable(table, model, 0, answers, confidences, tuple(sorted(set(answers))), None)


def _with_probabilities(table: RecordedTable, model: str) -> Replayable:
    columns = table.columns
    labels = columns.probabilities
    probabilities = np.column_stack([_numbers(table, name) for name in labels])
    wrong = np.flatnonzero(~(np.abs(probabilities.sum(axis=1) - 1.0) <= SUM_SLACK) | (probabilities < 0).any(axis=1))
    if len(wrong):
        row = int(wrong[0])
        found = ", ".join(f"{share:.4g}" for share in probabilities[row])
        raise WrongTable(f"row {row}: --probabilities are {found}; expected numbers from 0 that sum to 1")
    if columns.prediction is None:
        best = probabilities.argmax(axis=1)
        answers = [labels[place] for place in best.tolist()]
        return Replayable(table, model, 0, answers, probabilities.max(axis=1).tolist(), labels, probabilities)
    answers = _answers(table, columns.prediction)
    places = {label: place for place, label in enumerate(labels)}
    for row, answer in enumerate(answers):
        if answer not in places:
            raise WrongTable(
                f"row {row}: column {columns.prediction!r} (--prediction) holds {answer!r}, which is none of the"
                f" columns of --probabilities: {', '.join(labels)}"
            )
    confidences = [float(probabilities[row, places[answer]]) for row, answer in enumerate(answers)]
    return Replayable(table, model, 0, answers, confidences, labels, probabilities)


def _answers(table: RecordedTable, name: str) -> list[str]:
    values = table.column(name)
    if None in values:
        raise WrongTable(
            f"row {values.index(None)}: column {name!r} (--prediction) is empty; every row needs an answer"
        )
    return [label_of(value) for value in values]


def _numbers(table: RecordedTable, name: str) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(table.column(name), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise WrongTable(f"column {name!r} (--probabilities) does not hold numbers alone: {error}") from error


def _confidence(row: int, value: Any) -> float:
    if isinstance(value, int | float) and 0.0 <= value <= 1.0:
        return float(value)
    raise WrongTable(f"row {row}: the column of --confidence holds {value!r}; expected a number in [0, 1]")


def _matrix(table: RecordedTable) -> tuple[npt.NDArray[np.float64], list[bool]]:
    """Features as numbers; texts become codes in order of first appearance."""
    columns, categorical = [], []
    for name in table.feature_names:
        values = [scalar_of(value) for value in table.column(name)]
        is_text = any(isinstance(value, str) for value in values)
        if is_text:
            codes: dict[Any, int] = {}
            numbers = [float("nan") if v is None else float(codes.setdefault(v, len(codes))) for v in values]
            is_text = len(codes) <= 255
        else:
            numbers = [float("nan") if value is None else float(value) for value in values]
        columns.append(np.asarray(numbers))
        categorical.append(is_text)
    return np.column_stack(columns), categorical
