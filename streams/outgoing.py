"""Predictions and labels on their way out: as JSON, after the checks that INTAKE will make."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from schemas.codec import MalformedError, decode
from schemas.label import Label
from schemas.prediction import Prediction, epoch_ms, problem_of
from streams.errors import WrongEvent, one_line

__all__ = ["Packed", "label_json", "packed", "prediction_bytes_max", "prediction_json"]

PREDICTION_BYTES_MAX: Final = 1024 * 1024
"""What INTAKE takes as one prediction, where messages are large enough; a test holds the two together."""

DIGITS_MAX: Final = 200
INTEGER_MAX: Final = 10 ** (DIGITS_MAX - 1)
ID_CHARS_SHOWN: Final = 80
COMMA_BYTES: Final = 1
ARRAY_BYTES: Final = 1
"""Two brackets, less the comma that the last element does not have."""
NAMED_VALUES: Final = ("features", "probabilities", "slices")
DECODER_SCALAR: Final = "`bool | int | float | str | null`"
MAYBE_NUMBERS: Final = ("confidence", "risk")

Event = TypeVar("Event", Prediction, Label)
Packed = tuple[tuple[str, ...], bytes]
"""The ids of the events of one message, and its JSON: one object, or an array of them."""


def plain_value(value: object) -> object:
    """What JSON can hold of a scalar that is not Python's own, such as numpy's."""
    item = getattr(value, "item", None)
    if callable(item):
        found = item()
        if isinstance(found, str | int | float | bool):
            return found
    raise TypeError(f"a value of type {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=plain_value, decimal_format="number")
_UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError)


def prediction_bytes_max(message_bytes_max: int) -> int:
    """Bytes that INTAKE takes as one prediction, by the largest message: a task and a correction hold it too."""
    return min(PREDICTION_BYTES_MAX, message_bytes_max // 4)


def prediction_json(prediction: Prediction, *, now_ms: int, future_seconds_max: int, bytes_max: int) -> bytes:
    """A prediction as JSON; raises WrongEvent where INTAKE would reject it.

    Scalars of numpy become plain numbers and texts. NaN in ``features`` becomes null, a missing value.
    """
    what = f"prediction {prediction.event_id!r:.{ID_CHARS_SHOWN}}"
    try:
        data = _written(prediction)
        if len(data) > bytes_max:
            raise MalformedError(f"{len(data)} bytes; a prediction may have {bytes_max}")
        read = _read(Prediction, prediction, data)
        latest_ms = now_ms + future_seconds_max * 1000
        problem = (
            _lost_number(prediction, read) or _long_integer(read) or problem_of(read) or _odd_time(read, latest_ms)
        )
        if problem is not None:
            raise MalformedError(problem)
    except MalformedError as error:
        raise WrongEvent(what, error.reason, error.field) from None
    return data


def label_json(label: Label) -> bytes:
    """A label as JSON; raises WrongEvent where LEARN would reject it."""
    try:
        data = _written(label)
        _read(Label, label, data)
    except MalformedError as error:
        raise WrongEvent(f"label {label.event_id!r:.{ID_CHARS_SHOWN}}", error.reason, error.field) from None
    return data


def packed(events: Iterable[tuple[str, bytes]], *, events_max: int, bytes_max: int) -> Iterator[Packed]:
    """Events (id and JSON) as messages of at most ``events_max`` events and ``bytes_max`` bytes, in order.

    A larger event makes a message of its own. Where ``events`` raises WrongEvent, what came before is handed out first.
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
    """JSON, or MalformedError that names the value of which none can be made."""
    try:
        return _encoder.encode(event)
    except _UNWRITABLE as error:
        path, found = _unwritable(event)
        raise MalformedError(
            f"cannot be written as JSON ({one_line(found or error)}); "
            f"expected texts, numbers, true, false and null - at `${path}`"
        ) from None


def _unwritable(event: Event) -> tuple[str, Exception | None]:
    """Where the first value stands of which no JSON can be made, and why not."""
    for field in event.__struct_fields__:
        value = getattr(event, field)
        parts = value.items() if isinstance(value, Mapping) else ((None, value),)
        for name, part in parts:
            try:
                _encoder.encode(part if name is None else {name: part})
            except _UNWRITABLE as error:
                return f".{field}" if name is None else f".{field}.{name}", error
    return "", None


def _read(kind: type[Event], event: Event, data: bytes) -> Event:
    """What watchloop will read; MalformedError says which feature, probability or slice is wrong."""
    try:
        return decode(kind, data)
    except MalformedError as error:
        for field in NAMED_VALUES:
            if error.field == f"$.{field}[...]":
                raise _named(kind, event, field, error) from None
        raise


def _named(kind: type[Event], event: Event, field: str, error: MalformedError) -> MalformedError:
    """The same error with the name of the wrong value in it."""
    for name, value in getattr(event, field).items():
        alone = msgspec.structs.replace(event, **{field: {name: value}})
        try:
            decode(kind, _encoder.encode(alone))
        except MalformedError as found:
            if found.field == error.field:
                reason = found.reason.replace(DECODER_SCALAR, "a number, text, true, false or null")
                return MalformedError(reason.replace(f"`{error.field}`", f"`$.{field}.{name}`"))
    return error


def _lost_number(given: Prediction, read: Prediction) -> str | None:
    """An infinity, or a NaN where a number is needed: JSON has neither, and null would say something else."""
    for field in MAYBE_NUMBERS:
        if getattr(given, field) is not None and getattr(read, field) is None:
            return f"{getattr(given, field)} is no number in [0, 1] - at `$.{field}`"
    if None in read.features.values():
        for name, value in read.features.items():
            number = given.features.get(name) if value is None else None
            if number is not None and math.isinf(number):  # type: ignore[arg-type] # a number became null
                return f"an infinite number; expected a finite one, or null if unknown - at `$.features.{name}`"
    return None


def _long_integer(read: Prediction) -> str | None:
    for path, value in (("prediction", read.prediction), *((f"features.{n}", v) for n, v in read.features.items())):
        if type(value) is int and abs(value) >= INTEGER_MAX:
            return f"an integer of {DIGITS_MAX} digits or more; expected fewer - at `$.{path}`"
    return None


def _odd_time(read: Prediction, latest_ms: int) -> str | None:
    time_ms = epoch_ms(read.time)
    if 0 <= time_ms <= latest_ms:
        return None
    where = "lies before 1970" if time_ms < 0 else "lies too far in the future"
    return f"{time_ms} {where}; expected RFC 3339 or epoch milliseconds of when the model was asked - at `$.time`"
