"""A recorded table as a stream: which columns are what, and the rows in order of time."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from pyarrow import types

from schemas.wire.base import NAME_CHARS_MAX, Id, Scalar
from schemas.wire.prediction import FEATURES_MAX
from watchloop.errors import WrongTable
from watchloop.recorded.cells.index_columns import is_written_index, kept_index, numbers_rows
from watchloop.recorded.cells.label_texts import labels_read, slice_texts
from watchloop.recorded.cells.plain_columns import is_time_type, plain_features
from watchloop.recorded.cells.times import times_of
from watchloop.recorded.columns import Columns, names_of, resolved
from watchloop.recorded.files.table_file import is_untyped, read_file
from watchloop.recorded.words import listed, quoted

__all__ = ["RecordedTable"]


@dataclasses.dataclass(frozen=True, slots=True)
class RecordedTable:
    """Rows in order of time. ``labels`` and ``times_ms`` have one entry a row; ``labels`` is empty without a column.

    ``rows`` has the features, made plain by ``plain_features``; ``given`` has the columns of the model's answers as the
    file has them. ``slice_values`` has the texts of each slice, None where a cell is empty. ``row_numbers`` has the
    number of each row in the file, and is None where the rows stand in the file's order. ``notes`` has one line for
    each thing that was read in a way the user may not expect.
    """

    name: str
    columns: Columns
    feature_names: tuple[str, ...]
    rows: Any
    labels: list[str]
    times_ms: list[int]
    given: Any
    slice_values: Mapping[str, list[str | None]] = dataclasses.field(default_factory=dict)
    made_up_times: bool = False
    row_numbers: npt.NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times_ms)

    def row_number(self, row: int) -> int:
        """The number in the file, counted from 0, of row ``row`` in order of time."""
        return row if self.row_numbers is None else int(self.row_numbers[row])

    def features(self, start: int, stop: int) -> list[dict[str, Scalar]]:
        """The features of rows ``start`` to ``stop``; NaN and infinities are None."""
        rows: list[dict[str, Any]] = self.rows.slice(start, stop - start).to_pylist()
        for name in self._large_names:
            for row in rows:
                if row[name] is not None:
                    row[name] = int(row[name])  # pyarrow gives a Decimal
        return rows

    @property
    def _large_names(self) -> list[str]:
        return [field.name for field in self.rows.schema if types.is_decimal(field.type)]

    @classmethod
    def load(cls, path: pathlib.Path, columns: Columns) -> RecordedTable:
        """Read and check a table. Raises WrongTable, whose text names the file, what is wrong and what was expected."""
        try:
            return _loaded(path, columns)
        except WrongTable as error:
            raise WrongTable(f"{path}: {error}") from error


def _loaded(path: pathlib.Path, columns: Columns) -> RecordedTable:
    notes: list[str] = []
    rows = read_file(path, notes)
    columns = resolved(columns, rows.column_names)
    times = times_of(rows, columns, notes)
    columns = dataclasses.replace(columns, time=times.column)
    names = columns.features or _feature_names(rows, columns, untyped=is_untyped(path), notes=notes)
    _check_feature_names(names)
    if times.column is None:
        _note_times(rows, names, notes)
    features = plain_features(rows, names, notes, guess=is_untyped(path))
    names = names if columns.features else tuple(_without_counters(features, times.times_ms, notes))
    if not names:
        raise WrongTable(f"no column is left as a feature; drop fewer of {listed(rows.column_names)}")
    labels = [] if columns.label is None else _labels(rows, columns.label, notes)
    slices = {name: slice_texts(rows.column(name), name, notes) for name in columns.slices}
    given = rows.select(_given_names(columns))
    features, times_ms = features.select(names), times.times_ms
    if times.order is not None:
        features, given, times_ms = features.take(times.order), given.take(times.order), times_ms[times.order]
        labels = [labels[row] for row in times.order.tolist()] if labels else []
        slices = {name: [values[row] for row in times.order.tolist()] for name, values in slices.items()}
    return RecordedTable(
        name=path.stem,
        columns=columns,
        feature_names=tuple(names),
        rows=features.combine_chunks(),
        labels=labels,
        times_ms=times_ms.tolist(),
        given=given,
        slice_values=slices,
        made_up_times=times.made_up,
        row_numbers=times.order,
        notes=tuple(notes),
    )


def _given_names(columns: Columns) -> list[str]:
    """The columns of the model's answers, without repetitions."""
    roles = names_of(columns)
    wanted = ("--prediction", "--confidence", "--probabilities")
    return list(dict.fromkeys(name for option in wanted for name in roles[option]))


def _feature_names(rows: Any, columns: Columns, *, untyped: bool, notes: list[str]) -> tuple[str, ...]:
    """The columns that have no other role."""
    taken = {columns.label, columns.time, columns.prediction, columns.confidence, *columns.probabilities, *columns.drop}
    features, kept = [], kept_index(rows)
    for name in rows.column_names:
        if name in taken:
            continue
        if name in kept or is_written_index(rows, name, untyped=untyped):
            notes.append(f"column {quoted(name)} is the index that pandas wrote, and is left out")
        else:
            features.append(name)
    return tuple(features)


def _note_times(rows: Any, names: Sequence[str], notes: list[str]) -> None:
    """Note the features that hold times where no column is the time: --time may have been forgotten."""
    times = [name for name in names if is_time_type(rows.schema.field(name).type)]
    if times:
        notes.append(f"column {listed(times)} holds times, and is text as a feature; --time would make it the time")


def _check_feature_names(names: Sequence[str]) -> None:
    """Raise WrongTable where a prediction could not have features of these names, or so many."""
    if any(not name.strip() for name in names):
        raise WrongTable(
            "a column has no name (the index that pandas writes, perhaps: index=False leaves it out);"
            " name it, or leave it out with --drop '\"\"'"
        )
    for name in names:
        try:
            msgspec.convert(name, Id)
        except msgspec.ValidationError as error:
            raise WrongTable(
                f"the name of column {quoted(name)} has {len(name)} characters;"
                f" that of a feature has at most {NAME_CHARS_MAX}"
            ) from error
    if len(names) > FEATURES_MAX:
        raise WrongTable(
            f"{len(names)} columns would be features, and a prediction has at most {FEATURES_MAX}; name those that"
            " count with --features, or leave out others with --drop"
        )


def _without_counters(features: Any, times_ms: npt.NDArray[np.int64], notes: list[str]) -> list[str]:
    """The names of the features, without columns that only number the rows."""
    counters = [name for name in features.column_names if numbers_rows(features.column(name), times_ms)]
    if counters:
        notes.append(f"column {listed(counters)} only numbers the rows, and is left out (--features would name it)")
    return [name for name in features.column_names if name not in counters]


def _labels(rows: Any, name: str, notes: list[str]) -> list[str]:
    labels = labels_read(rows.column(name), name, "--label", notes)
    empty = next((row for row, label in enumerate(labels) if label is None), None)
    if empty is not None:
        count = sum(label is None for label in labels)
        raise WrongTable(
            f"row {empty}: column {quoted(name)} (--label) is empty, as it is in {count} of {len(labels)} rows;"
            " every row needs its true label"
        )
    return labels  # type: ignore[return-value]  # no None is among them
