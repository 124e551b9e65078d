"""What is wrong with a prediction or label, where its decoder says little: in words for whoever sent it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.codec import UNREADABLE, MalformedError
from schemas.probability import ABOVE_TAKEN, LEAST, MOST, GivenProbability
from schemas.wire import NAME_CHARS_MAX, Name, Scalar
from streams.predictions.checks import unit_of_time

__all__ = ["explained"]

START_BYTES_SHOWN: Final = 20
GZIP_BEGINS: Final = b"\x1f\x8b"
DECODER_SCALAR: Final = "`bool | int | float | str | null`"
SCALAR: Final = "a number, text, true, false or null"
TIME: Final = "RFC 3339 with an offset, such as 2026-10-01T08:00:00Z, or whole epoch milliseconds"
NAMED_KINDS: Final[dict[str, Any]] = {
    "features": Scalar,
    "probabilities": GivenProbability | None,
    "slices": Name | None,
}
RATIOS: Final = ("$.confidence", "$.risk")
BOUNDS: Final = (
    (f"<= {MOST}", f"<= 1.0 ({ABOVE_TAKEN})"),
    (f">= {LEAST}", f">= 0.0 (a rounding down to {LEAST:g} is taken as 0)"),
)
"""What the decoder says of a bound, and what would be right: nobody is told to send a rounding."""


class _Named(msgspec.Struct):
    """The fields that hold values by name, the values unread."""

    features: dict[str, msgspec.Raw] = {}
    probabilities: dict[str, msgspec.Raw] | None = None
    slices: dict[str, msgspec.Raw] | None = {}


class _Timed(msgspec.Struct):
    """The time, whatever it is."""

    time: Any = None


_named: Final = msgspec.json.Decoder(_Named)
_timed: Final = msgspec.json.Decoder(_Timed)


def explained(error: MalformedError, item: bytes, *, whole: bool = True) -> MalformedError:
    """The same error, or one that says more: ``item`` is the JSON of one event, the ``whole`` of a message or not."""
    if item[:1] != b"{":
        return _no_object(item, whole=whole)
    if error.field == "$.time" and " - at" in error.reason:
        wrong = error.reason.partition(" - at")[0]
        return MalformedError(f"{wrong}{_unit_hint(item)}; expected {TIME} - at `$.time`")
    if error.field in RATIOS:
        return MalformedError(_with_bounds(error.reason), error.field)
    for field, kind in NAMED_KINDS.items():
        if error.field == f"$.{field}[...]":
            return _wrong_value(item, field, kind) or error
    return error


def _with_bounds(reason: str) -> str:
    for decoder, told in BOUNDS:
        reason = reason.replace(decoder, told)
    return reason


def _unit_hint(item: bytes) -> str:
    """What a number that is no time looks like."""
    try:
        time = _timed.decode(item).time
    except UNREADABLE:
        return ""
    unit = unit_of_time(time) if isinstance(time, int | float) else None
    return f": {time} looks like {unit}" if unit else ""


def _no_object(item: bytes, *, whole: bool) -> MalformedError:
    if item[:2] == GZIP_BEGINS:
        return MalformedError("compressed with gzip; expected plain JSON (Kafka's compression.type compresses as well)")
    what = f"begins with {item[:START_BYTES_SHOWN].decode('utf-8', 'replace')!r}" if item else "is empty"
    if whole:
        return MalformedError(f"neither a JSON object nor an array of them: the message {what}")
    return MalformedError(f"no JSON object: this element of the array {what}")


def _wrong_value(item: bytes, field: str, kind: Any) -> MalformedError | None:
    """The first value of that field that is wrong, by its name; None where there is none, or the rest is no JSON."""
    try:
        values = getattr(_named.decode(item), field) or {}
    except UNREADABLE:
        return None
    for name, value in values.items():
        try:
            msgspec.json.decode(value, type=kind)
        except UNREADABLE as error:
            path = f"$.{field}.{name[:NAME_CHARS_MAX]}"
            told = str(error).partition(" - at")[0].replace(DECODER_SCALAR, SCALAR)
            reason = _with_bounds(told).replace(" | null`", "`")
            return MalformedError(f"{reason} - at `{path}`", path)
    return None
