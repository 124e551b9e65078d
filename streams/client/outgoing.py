"""Predictions and labels as the JSON that a producer sends, after the checks that INTAKE and LEARN will make."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from schemas.json_text.errors import MalformedError
from schemas.probability import PROBABILITY_WORDS
from schemas.texts.one_line import one_line
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction
from streams.errors import TEXT_CHARS_MAX, WrongEvent
from streams.predictions.json.general_decoder import decoded_prediction
from streams.predictions.label_reader import label_in
from streams.predictions.prediction_checks import problem_in_meaning, unwieldy_problem
from streams.predictions.reject_reasons import explained

__all__ = ["Packed", "label_json", "packed", "prediction_json"]

ID_CHARS_SHOWN: Final = 80
COMMA_BYTES: Final = 1
ARRAY_BYTES: Final = 1
"""Two brackets, less the comma that does not follow the last element."""
MAYBE_NUMBERS: Final = ("confidence", "risk")

Event = TypeVar("Event", Prediction, Label)
Packed = tuple[tuple[str, ...], bytes]
"""The ids of the events of one message, and its JSON: one object, or an array of them."""


def plain_value(value: object) -> object:
    """The Python value of another scalar, such as numpy's. Raises TypeError for a value that is no scalar."""
    item = getattr(value, "item", None)
    if callable(item):
        scalar = item()
        if isinstance(scalar, str | int | float | bool):
            return scalar
    raise TypeError(f"a value of type {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=plain_value, decimal_format="number")
_UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError)


def prediction_json(prediction: Prediction, *, now_ms: int, future_seconds_max: int, bytes_max: int) -> bytes:
    """A prediction as JSON. Raises WrongEvent if INTAKE would reject it.

    ``now_ms`` is in epoch milliseconds; the prediction's time may be at most ``future_seconds_max`` after it. Scalars
    of numpy become plain numbers and texts. NaN in ``features`` becomes null, a missing value.
    """
    what = f"prediction {prediction.event_id!r:.{ID_CHARS_SHOWN}}"
    try:
        data = _written(prediction)
        if len(data) > bytes_max:
            raise MalformedError(f"{len(data)} bytes; a prediction may have {bytes_max}")
        read = _read(data)
        latest_ms = now_ms + future_seconds_max * 1000
        problem = _lost_number(prediction, read) or unwieldy_problem(read) or problem_in_meaning(read, latest_ms)
        if problem is not None:
            raise MalformedError(problem)
    except MalformedError as error:
        raise WrongEvent(what, error.reason, error.field) from None
    return data


def label_json(label: Label, *, now_ms: int, future_seconds_max: int) -> bytes:
    """A label as JSON. Raises WrongEvent if LEARN would reject it, whatever its prediction is."""
    try:
        data = _written(label)
        label_in(data, now_ms + future_seconds_max * 1000)
    except MalformedError as error:
        raise WrongEvent(f"label {label.event_id!r:.{ID_CHARS_SHOWN}}", error.reason, error.field) from None
    return data


def packed(events: Iterable[tuple[str, bytes]], *, events_max: int, bytes_max: int) -> Iterator[Packed]:
    """Events (id and JSON) as messages of at most ``events_max`` events and ``bytes_max`` bytes, in order.

    An event that is larger than ``bytes_max`` makes a message of its own. If ``events`` raises WrongEvent, the events
    before it are yielded first.

    >>> list(packed([("a", b"1"), ("b", b"2"), ("c", b"3")], events_max=2, bytes_max=100))
    [(('a', 'b'), b'[1,2]'), (('c',), b'3')]
    """
    ids: list[str] = []
    values: list[bytes] = []
    size = ARRAY_BYTES
    try:
        for event_id, value in events:
            if values and (len(values) >= events_max or size + len(value) + COMMA_BYTES > bytes_max):
                yield tuple(ids), _message(values)
                ids, values, size = [], [], ARRAY_BYTES
            ids.append(event_id)
            values.append(value)
            size += len(value) + COMMA_BYTES
    except WrongEvent:
        if values:
            yield tuple(ids), _message(values)
        raise
    if values:
        yield tuple(ids), _message(values)


def _message(values: list[bytes]) -> bytes:
    return values[0] if len(values) == 1 else b"[" + b",".join(values) + b"]"


def _written(event: Event) -> bytes:
    """An event as JSON. Raises MalformedError that names the value that JSON cannot hold."""
    try:
        return _encoder.encode(event)
    except _UNWRITABLE as error:
        path, why = _unwritable(event)
        raise MalformedError(
            f"cannot be written as JSON ({one_line(why or error, TEXT_CHARS_MAX)}); "
            f"expected texts, numbers, true, false and null - at `${path}`"
        ) from None


def _unwritable(event: Event) -> tuple[str, Exception | None]:
    """The JSON path of the first value that JSON cannot hold, and the encoder's error for it."""
    for field in event.__struct_fields__:
        value = getattr(event, field)
        parts = value.items() if isinstance(value, Mapping) else ((None, value),)
        for name, part in parts:
            try:
                _encoder.encode(part if name is None else {name: part})
            except _UNWRITABLE as error:
                return f".{field}" if name is None else f".{field}.{name}", error
    return "", None


def _read(data: bytes) -> Prediction:
    """The prediction as watchloop will read it. Raises MalformedError that says which value is wrong."""
    try:
        return decoded_prediction(data)
    except MalformedError as error:
        raise explained(error, data) from None


def _lost_number(given: Prediction, read: Prediction) -> str | None:
    """The problem of a prediction that has an infinity, or a NaN where a number is needed; None if it has none.

    JSON has neither, and null would mean something else.
    """
    for field in MAYBE_NUMBERS:
        if getattr(given, field) is not None and getattr(read, field) is None:
            return f"{getattr(given, field)} is no probability; expected {PROBABILITY_WORDS} - at `$.{field}`"
    for label, share in (given.probabilities or {}).items():
        if share is not None and not math.isfinite(share):
            return f"{share} is no probability; expected {PROBABILITY_WORDS} - at `$.probabilities.{label}`"
    if None in read.features.values():
        for name, value in read.features.items():
            number = given.features.get(name) if value is None else None
            if number is not None and math.isinf(number):  # type: ignore[arg-type] # a number became null
                return f"an infinite number; expected a finite one, or null if unknown - at `$.features.{name}`"
    return None
