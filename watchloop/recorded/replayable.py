"""Rows of a recorded table with the answers of a model, ready to be replayed as predictions."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pyarrow import types

from schemas.probability import LEAST, MOST, PROBABILITY_WORDS, SUM_WORDS, probabilities_of, sums_to_one
from schemas.texts.labels import composed
from schemas.wire.prediction import LABELS_MAX, Prediction
from watchloop.errors import WrongTable
from watchloop.recorded.cells.label_texts import labels_read
from watchloop.recorded.cells.plain_columns import without_dictionary
from watchloop.recorded.cells.spellings import matched
from watchloop.recorded.cells.texts import is_number, is_text, numbers_of
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.words import listed, quoted

__all__ = ["Replayable", "no_change_accuracy", "recorded_answers", "spelt_alike"]

SHARES_WORDS = f"numbers from 0 that sum to {SUM_WORDS}"

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Replayable:
    """The rows of a table from ``first`` on, with the model's answers: one entry for each replayed row.

    ``probabilities`` has shape (rows, labels) in the order of ``labels``, or is None where only a confidence is known.
    """

    table: RecordedTable
    model: str
    first: int
    answers: list[str]
    confidences: list[float]
    labels: tuple[str, ...]
    probabilities: Floats | None
    notes: tuple[str, ...] = ()
    digest: str = ""
    """Part of the event ids, so that another table sent under the same model's name makes other events."""

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def truths(self) -> list[str]:
        """The true labels of the replayed rows; empty where the table has none."""
        return self.table.labels[self.first : self.first + len(self.answers)]

    def event_id(self, row: int) -> str:
        """The id of replayed row ``row``, counted from 0."""
        return "-".join(part for part in (self.model, self.digest, str(self.first + row)) if part)

    def predictions(self, start: int, stop: int, *, now_ms: int | None = None) -> list[Prediction]:
        """Replayed rows ``start`` to ``stop`` as the messages a producer would send.

        Where the table has no times, each prediction has the time ``now_ms`` (epoch milliseconds), if it is given.
        """
        table, first = self.table, self.first
        rows = table.features(first + start, first + stop)
        slices = self._slices(first + start, first + stop)
        vectors = None if self.probabilities is None else self.probabilities[start:stop].tolist()
        times_ms = table.times_ms[first + start : first + stop]
        if table.made_up_times and now_ms is not None:
            times_ms = [now_ms] * len(rows)
        version = "recorded" if first == 0 else "frozen"
        return [
            Prediction(
                event_id=self.event_id(start + row),
                model=self.model,
                model_version=version,
                time=times_ms[row],
                features=features,
                prediction=self.answers[start + row],
                confidence=self.confidences[start + row] if vectors is None else None,
                probabilities=None if vectors is None else dict(zip(self.labels, vectors[row], strict=True)),
                slices=slices[row] if slices else {},
            )
            for row, features in enumerate(rows)
        ]

    @property
    def slice_count(self) -> int:
        """The number of different slices in the replayed rows."""
        rows = slice(self.first, self.first + len(self))
        return sum(len(set(values[rows]) - {None}) for values in self.table.slice_values.values())

    def _slices(self, start: int, stop: int) -> list[dict[str, str]]:
        """The slices of each row; an empty cell adds none."""
        names = self.table.columns.slices
        if not names:
            return []
        cells = [self.table.slice_values[name][start:stop] for name in names]
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in zip(*cells, strict=True)
        ]


def recorded_answers(table: RecordedTable, *, model: str) -> Replayable:
    """The answers that the table itself holds: a prediction and its confidence, or probabilities.

    True labels and answers that mean the same get the same spelling (``spellings.matched``). Raises WrongTable.
    """
    columns = table.columns
    notes = list(table.notes)
    if columns.probabilities:
        source = _with_probabilities(table, model, notes)
    elif columns.prediction and columns.confidence:
        answers = _answers(table, columns.prediction, notes)
        confidences = _probabilities(table, (columns.confidence,), "--confidence")[:, 0].tolist()
        source = Replayable(table, model, 0, answers, confidences, tuple(sorted(set(answers))), None)
    else:
        raise WrongTable(
            "there are no predictions: give --prediction with --confidence, or --probabilities, or --train-first 0.2"
        )
    return spelt_alike(dataclasses.replace(source, notes=tuple(notes)))


def no_change_accuracy(labels: Sequence[str]) -> float | None:
    """The accuracy of always repeating the last label, a baseline for autocorrelated streams; None for one label.

    >>> no_change_accuracy(["a", "a", "a", "b", "b"])
    0.75
    """
    if len(labels) < 2:
        return None
    return sum(a == b for a, b in itertools.pairwise(labels)) / (len(labels) - 1)


def spelt_alike(source: Replayable) -> Replayable:
    """The same rows, where true labels and answers that mean the same have the same spelling (``spellings.matched``).

    Where the rows have probabilities, their labels are classes of the model and keep their spelling. Raises WrongTable.
    """
    table = source.table
    if not table.labels:
        return source
    classes = () if source.probabilities is None else source.labels
    match = matched(set(table.labels), {*source.labels, *source.answers}, classes=classes)
    if match.rewritten:
        labels = [match.rewritten.get(label, label) for label in table.labels]
        source = dataclasses.replace(source, table=dataclasses.replace(table, labels=labels))
    if match.answers:
        answers = [match.answers.get(answer, answer) for answer in source.answers]
        names = tuple(label for label in source.labels if label not in match.answers)
        source = dataclasses.replace(source, answers=answers, labels=names)
    return dataclasses.replace(source, notes=(*source.notes, match.note)) if match.note else source


def _with_probabilities(table: RecordedTable, model: str, notes: list[str]) -> Replayable:
    columns = table.columns
    labels = tuple(composed(name.strip()) for name in columns.probabilities)
    if len(set(labels)) < len(labels):
        raise WrongTable(f"--probabilities names two columns of one label: {listed(map(ascii, columns.probabilities))}")
    if len(labels) > LABELS_MAX:
        raise WrongTable(f"--probabilities names {len(labels)} columns; a prediction has at most {LABELS_MAX}")
    probabilities = _probabilities(table, columns.probabilities, "--probabilities")
    wrong = [row for row, total in enumerate(probabilities.sum(axis=1).tolist()) if not sums_to_one(total)]
    if wrong:
        shares = listed(f"{share:.4g}" for share in probabilities[wrong[0]].tolist())
        raise WrongTable(f"row {table.row_number(wrong[0])}: --probabilities are {shares}; expected {SHARES_WORDS}")
    if columns.prediction is None:
        best = probabilities.argmax(axis=1)
        _note_ties(probabilities, notes)
        answers = [labels[column] for column in best.tolist()]
        return Replayable(table, model, 0, answers, probabilities.max(axis=1).tolist(), labels, probabilities)
    answers = _answers(table, columns.prediction, notes)
    names, answers = _written_alike(labels, answers, notes)
    column_of = {label: column for column, label in enumerate(names)}
    for row, answer in enumerate(answers):
        if answer not in column_of:
            raise WrongTable(
                f"row {table.row_number(row)}: column {quoted(columns.prediction)} (--prediction) holds"
                f" {quoted(answer)}, which is none of the columns of --probabilities: {listed(labels)}"
            )
    confidences = probabilities[np.arange(len(answers)), [column_of[answer] for answer in answers]].tolist()
    return Replayable(table, model, 0, answers, confidences, names, probabilities)


def _note_ties(probabilities: Floats, notes: list[str]) -> None:
    """Note the rows in which several columns are the largest: their answer is the column that is named first."""
    largest = probabilities == probabilities.max(axis=1, keepdims=True)
    ties = int(np.count_nonzero(largest.sum(axis=1) > 1))
    if ties:
        notes.append(
            f"in {ties} of {len(probabilities)} rows several columns of --probabilities are the largest: the answer is"
            " the one that is named first (--prediction would name a column with the answers)"
        )


def _written_alike(labels: tuple[str, ...], answers: list[str], notes: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Columns of probabilities and answers, with the same spelling where they mean the same."""
    try:
        match = matched(labels, set(answers), classes=labels)
    except WrongTable:
        return labels, answers
    if match.answers:
        shown = listed(f"{quoted(answer)} as {quoted(label)}" for answer, label in sorted(match.answers.items()))
        notes.append(f"predictions are matched with the columns of --probabilities: {shown}")
    names = tuple(match.rewritten.get(label, label) for label in labels)
    return names, [match.answers.get(answer, answer) for answer in answers]


def _answers(table: RecordedTable, name: str, notes: list[str]) -> list[str]:
    answers = labels_read(table.given.column(name), name, "--prediction", notes)
    empty = next((row for row, answer in enumerate(answers) if answer is None), None)
    if empty is not None:
        raise WrongTable(
            f"row {table.row_number(empty)}: column {quoted(name)} (--prediction) is empty; every row needs an answer"
        )
    return answers  # type: ignore[return-value]  # no None is among them


def _probabilities(table: RecordedTable, names: tuple[str, ...], option: str) -> Floats:
    """Columns as a matrix of shape (rows, names), rounding errors below 0 and above 1 removed. Raises WrongTable."""
    columns = []
    for name in names:
        given = _numbers(table.given.column(name), name, option)
        wrong = np.flatnonzero(~((given >= LEAST) & (given <= MOST)))
        probabilities = None if len(wrong) else probabilities_of(given)
        if probabilities is None:
            raise _no_probability(table, name, option, int(wrong[0]), float(given[wrong[0]]))
        columns.append(probabilities)
    return np.column_stack(columns)


def _no_probability(table: RecordedTable, name: str, option: str, row: int, value: float) -> WrongTable:
    what = "is empty" if value != value else f"holds {value:.6g}"
    expected = PROBABILITY_WORDS if option == "--confidence" else SHARES_WORDS
    hint = "; is it in percent?" if MOST < value <= 100 else ""
    return WrongTable(
        f"row {table.row_number(row)}: column {quoted(name)} of {option} {what}; expected {expected}{hint}"
    )


def _numbers(column: Any, name: str, option: str) -> Floats:
    """A column as floats, NaN where it is empty. Raises WrongTable."""
    plain = without_dictionary(column)
    if is_text(plain.type):
        numbers = numbers_of(plain)
        if numbers is None:
            texts = [text for text in plain.to_pylist() if text]
            first = next((text for text in texts if not is_number(text)), next(iter(texts), ""))
            raise WrongTable(
                f"column {quoted(name)} ({option}) does not hold numbers alone: {quoted(first)};"
                f" expected {PROBABILITY_WORDS}"
            )
        plain = numbers
    if not (types.is_integer(plain.type) or types.is_floating(plain.type) or types.is_decimal(plain.type)):
        raise WrongTable(
            f"column {quoted(name)} ({option}) does not hold numbers alone but {str(plain.type)[:60]};"
            f" expected {PROBABILITY_WORDS}"
        )
    values: Floats = plain.cast("double", safe=False).to_numpy()
    return values
