"""Whose predictions are replayed: recorded ones, or those of a model trained on the first share and then frozen."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from pyarrow import types

from schemas.columns.probability_columns import probabilities_of
from schemas.probability import LEAST, MOST, PROBABILITY_WORDS, SUM_WORDS, sums_to_one
from schemas.texts.labels import composed
from schemas.wire.prediction import LABELS_MAX, Prediction
from watchloop.errors import WrongTable
from watchloop.recorded.cells.label_texts import labels_read
from watchloop.recorded.cells.plain_columns import without_dictionary
from watchloop.recorded.cells.spellings import matched, warning_of_twins
from watchloop.recorded.cells.texts import is_number, is_text, numbers_of
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.training import training_matrix
from watchloop.recorded.words import listed, quoted

__all__ = ["Replayable", "recorded_answers", "train_first"]

ONE_THREAD_ROWS_MAX = 200_000
"""Up to here one thread trains faster than several, which wait for each other where the cores are busy."""

TRAIN_ROWS_MIN = 10
"""Fewer rows train no model."""

SHARES_WORDS = f"numbers from 0 that sum to {SUM_WORDS}"

Floats = npt.NDArray[np.float64]


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
    probabilities: Floats | None
    notes: tuple[str, ...] = ()
    digest: str = ""
    """Part of the ids where other tables may be sent under the same model's name: theirs are other events."""

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def truths(self) -> list[str]:
        """The true labels of the replayed rows; empty where the table has none."""
        return self.table.labels[self.first : self.first + len(self.answers)]

    def event_id(self, place: int) -> str:
        """The id of replayed row ``place``."""
        return "-".join(part for part in (self.model, self.digest, str(self.first + place)) if part)

    def predictions(self, start: int, stop: int, *, now_ms: int | None = None) -> list[Prediction]:
        """Replayed rows ``start`` to ``stop`` as the messages a producer would send.

        Where the table has no times, ``now_ms`` is that of all of them, if it is given.
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
                event_id=self.event_id(start + place),
                model=self.model,
                model_version=version,
                time=times_ms[place],
                features=features,
                prediction=self.answers[start + place],
                confidence=self.confidences[start + place] if vectors is None else None,
                probabilities=None if vectors is None else dict(zip(self.labels, vectors[place], strict=True)),
                slices=slices[place] if slices else {},
            )
            for place, features in enumerate(rows)
        ]

    @property
    def slice_count(self) -> int:
        """How many slices the replayed rows are in."""
        rows = slice(self.first, self.first + len(self))
        return sum(len(set(values[rows]) - {None}) for values in self.table.slice_values.values())

    def _slices(self, start: int, stop: int) -> list[dict[str, str]]:
        """The slices of each row; an empty cell is in none."""
        names = self.table.columns.slices
        if not names:
            return []
        cells = [self.table.slice_values[name][start:stop] for name in names]
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in zip(*cells, strict=True)
        ]


def train_first(table: RecordedTable, *, share: float, model: str, seed: int) -> Replayable:
    """Gradient-boosted trees (scikit-learn's HistGradientBoostingClassifier) on the first ``share``, then frozen.

    Features that say nothing in the rows to train on are left out of the training, which a note tells.
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
    found = Replayable(
        table=table,
        model=model,
        first=first,
        answers=[classes[place] for place in best.tolist()],
        confidences=probabilities.max(axis=1).tolist(),
        labels=classes,
        probabilities=probabilities,
        notes=(*table.notes, *notes),
    )
    return _spelt_alike(found)


def recorded_answers(table: RecordedTable, *, model: str) -> Replayable:
    """The answers that the table itself holds: a prediction and its confidence, or probabilities. Raises WrongTable.

    True labels and answers are written alike where they mean the same (``spellings.matched``).
    """
    columns = table.columns
    notes = list(table.notes)
    if columns.probabilities:
        found = _with_probabilities(table, model, notes)
    elif columns.prediction and columns.confidence:
        answers = _answers(table, columns.prediction, notes)
        confidences = _probabilities(table, (columns.confidence,), "--confidence")[:, 0].tolist()
        found = Replayable(table, model, 0, answers, confidences, tuple(sorted(set(answers))), None)
    else:
        raise WrongTable(
            "whose predictions? give --prediction with --confidence, or --probabilities, or --train-first 0.2"
        )
    return _spelt_alike(dataclasses.replace(found, notes=tuple(notes)))


def _spelt_alike(found: Replayable) -> Replayable:
    """The same, with true labels and answers written alike where they mean the same (``spellings.matched``).

    Columns of probabilities are classes that the model tells apart. Raises WrongTable.
    """
    table = found.table
    if not table.labels:
        return found
    classes = () if found.probabilities is None else found.labels
    match = matched(set(table.labels), {*found.labels, *found.answers}, classes=classes)
    if match.rewritten:
        labels = [match.rewritten.get(label, label) for label in table.labels]
        found = dataclasses.replace(found, table=dataclasses.replace(table, labels=labels))
    if match.answers:
        answers = [match.answers.get(answer, answer) for answer in found.answers]
        names = tuple(label for label in found.labels if label not in match.answers)
        found = dataclasses.replace(found, answers=answers, labels=names)
    return dataclasses.replace(found, notes=(*found.notes, match.note)) if match.note else found


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
        found = listed(f"{share:.4g}" for share in probabilities[wrong[0]].tolist())
        raise WrongTable(f"row {table.row_number(wrong[0])}: --probabilities are {found}; expected {SHARES_WORDS}")
    if columns.prediction is None:
        best = probabilities.argmax(axis=1)
        _tell_ties(probabilities, notes)
        answers = [labels[place] for place in best.tolist()]
        return Replayable(table, model, 0, answers, probabilities.max(axis=1).tolist(), labels, probabilities)
    answers = _answers(table, columns.prediction, notes)
    names, answers = _written_alike(labels, answers, notes)
    places = {label: place for place, label in enumerate(names)}
    for row, answer in enumerate(answers):
        if answer not in places:
            raise WrongTable(
                f"row {table.row_number(row)}: column {quoted(columns.prediction)} (--prediction) holds"
                f" {quoted(answer)}, which is none of the columns of --probabilities: {listed(labels)}"
            )
    confidences = probabilities[np.arange(len(answers)), [places[answer] for answer in answers]].tolist()
    return Replayable(table, model, 0, answers, confidences, names, probabilities)


def _tell_ties(probabilities: Floats, notes: list[str]) -> None:
    """Say so where several columns are the largest, of which the answer is the one that is named first."""
    largest = probabilities == probabilities.max(axis=1, keepdims=True)
    ties = int(np.count_nonzero(largest.sum(axis=1) > 1))
    if ties:
        notes.append(
            f"in {ties} of {len(probabilities)} rows several columns of --probabilities are the largest: the answer is"
            " that of the one named first (--prediction would name a column with the answers)"
        )


def _written_alike(labels: tuple[str, ...], answers: list[str], notes: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names of columns of probabilities and answers, written alike where they mean the same."""
    try:
        match = matched(labels, set(answers), classes=labels)
    except WrongTable:
        return labels, answers
    if match.answers:
        shown = listed(f"{quoted(one)} as {quoted(other)}" for one, other in sorted(match.answers.items()))
        notes.append(f"predictions are matched with the columns of --probabilities: {shown}")
    names = tuple(match.rewritten.get(label, label) for label in labels)
    return names, [match.answers.get(answer, answer) for answer in answers]


def _answers(table: RecordedTable, name: str, notes: list[str]) -> list[str]:
    found = labels_read(table.given.column(name), name, "--prediction", notes)
    empty = next((row for row, answer in enumerate(found) if answer is None), None)
    if empty is not None:
        raise WrongTable(
            f"row {table.row_number(empty)}: column {quoted(name)} (--prediction) is empty; every row needs an answer"
        )
    return found  # type: ignore[return-value]  # no None is among them


def _probabilities(table: RecordedTable, names: tuple[str, ...], option: str) -> Floats:
    """Columns of probabilities, one beside the other; a rounding beside 0 or 1 is 0 or 1. Raises WrongTable."""
    columns = []
    for name in names:
        given = _numbers(table.given.column(name), name, option)
        wrong = np.flatnonzero(~((given >= LEAST) & (given <= MOST)))
        found = None if len(wrong) else probabilities_of(given)
        if found is None:
            raise _no_probability(table, name, option, int(wrong[0]), float(given[wrong[0]]))
        columns.append(found)
    return np.column_stack(columns)


def _no_probability(table: RecordedTable, name: str, option: str, row: int, value: float) -> WrongTable:
    what = "is empty" if value != value else f"holds {value:.6g}"
    expected = PROBABILITY_WORDS if option == "--confidence" else SHARES_WORDS
    hint = "; is it in percent?" if MOST < value <= 100 else ""
    return WrongTable(
        f"row {table.row_number(row)}: column {quoted(name)} of {option} {what}; expected {expected}{hint}"
    )


def _numbers(column: Any, name: str, option: str) -> Floats:
    """A column as floats, NaN where it is empty."""
    found = without_dictionary(column)
    if is_text(found.type):
        numbers = numbers_of(found)
        if numbers is None:
            texts = [text for text in found.to_pylist() if text]
            first = next((text for text in texts if not is_number(text)), next(iter(texts), ""))
            raise WrongTable(
                f"column {quoted(name)} ({option}) does not hold numbers alone: {quoted(first)};"
                f" expected {PROBABILITY_WORDS}"
            )
        found = numbers
    if not (types.is_integer(found.type) or types.is_floating(found.type) or types.is_decimal(found.type)):
        raise WrongTable(
            f"column {quoted(name)} ({option}) does not hold numbers alone but {str(found.type)[:60]};"
            f" expected {PROBABILITY_WORDS}"
        )
    values: Floats = found.cast("double", safe=False).to_numpy()
    return values
