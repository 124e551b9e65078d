"""Rows of Arrow tables as events: all together if nothing is wrong, else one by one, each event or its error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from pyarrow import types

from schemas.codec import encode
from schemas.json_text.errors import MalformedError
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.given import GivenPrediction, prediction_of
from schemas.wire.prediction import Consent, Prediction
from streams.predictions.arrow.columns import OddError, cells_of
from streams.predictions.arrow.python_values import dicts_of, lists_of, time_ms_of
from streams.predictions.cloudevents import Defaults, problem_of_defaults
from streams.predictions.prediction_checks import problem_in_meaning
from streams.predictions.reject_reasons import explained

__all__ = ["events_of", "usual_producer"]

NESTED: Final = {"features": (), "probabilities": (), "slices": (), "consent": Consent.__struct_fields__}

Result = Prediction | MalformedError


def events_of(table: Any, defaults: Defaults | None, latest_ms: int, bytes_max: int) -> Sequence[Result]:
    """Each row, in order, as a checked event or as its error.

    ``table`` comes from ``stream.table_of``. ``defaults`` are the fields that headers give for every row,
    ``latest_ms`` is the latest time that an event may have (epoch milliseconds), and ``bytes_max`` bounds one
    prediction as JSON.
    """
    try:
        producer = usual_producer(defaults)
        if not table.num_rows:
            return []
        return cells_of(table, latest_ms=latest_ms, producer=producer, bytes_max=bytes_max).events()
    except OddError:
        return [_event_of(row, defaults, latest_ms, bytes_max) for row in _rows(table)]


def usual_producer(defaults: Defaults | None) -> str:
    """The producer of rows that name none, empty if there is none; raises OddError if it may be wrong."""
    if defaults is None or defaults.producer is None:
        return ""
    if problem_of_defaults(Defaults(producer=defaults.producer)) is not None:
        raise OddError
    return defaults.producer.text.decode()


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    """The rows as dictionaries, like their JSON; null and NaN are left out."""
    names = table.column_names
    columns: list[Sequence[Any]] = []
    for name in names:
        column = table.column(name).combine_chunks()
        if name in NESTED:
            columns.append(dicts_of(column, NESTED[name]))
        elif name == "time":
            columns.append(_times(column))
        else:
            columns.append(lists_of(column))
    for cells in zip(*columns, strict=True):
        yield {name: cell for name, cell in zip(names, cells, strict=True) if cell is not None}


def _times(column: Any) -> list[int | None]:
    arrow_type = column.type
    counts = column.cast("int64") if types.is_timestamp(arrow_type) else column
    return [None if count is None else time_ms_of(count, arrow_type) for count in counts.to_pylist()]


def _event_of(row: dict[str, Any], defaults: Defaults | None, latest_ms: int, bytes_max: int) -> Result:
    try:
        return _checked(row, defaults, latest_ms, bytes_max)
    except MalformedError as error:
        return error


def _checked(row: dict[str, Any], defaults: Defaults | None, latest_ms: int, bytes_max: int) -> Prediction:
    """One row as a checked event; raises MalformedError."""
    if "producer" not in row and defaults is not None and defaults.producer is not None:
        wrong_default = problem_of_defaults(Defaults(producer=defaults.producer))
        if wrong_default is not None:
            raise wrong_default
        row["producer"] = defaults.producer.text.decode()
    if not row.get("probabilities", True):
        del row["probabilities"]  # all fields of the struct were null
    try:
        event = prediction_of(msgspec.convert(row, GivenPrediction))
    except msgspec.ValidationError as error:
        raise explained(MalformedError(str(error)), msgspec.json.encode(row)) from error
    problem = _infinite(event) or problem_in_meaning(event, latest_ms)
    if problem is not None:
        raise MalformedError(problem)
    size = len(encode(event))
    if size > bytes_max:
        raise MalformedError(f"{size} bytes as JSON; a prediction may have {bytes_max}")
    return event


def _infinite(event: Prediction) -> str | None:
    for name, value in event.features.items():
        if isinstance(value, float) and math.isinf(value):
            return f"{value}; expected a finite number - at `$.features.{name[:NAME_CHARS_MAX]}`"
    return None
