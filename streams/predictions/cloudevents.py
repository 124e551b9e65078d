"""CloudEvents around predictions: their attributes are defaults for the fields that a prediction leaves out.

This follows CloudEvents 1.0 and its Kafka protocol binding. In binary mode attributes are headers that begin with
``ce_``; in structured mode the message is an envelope in JSON. ``id`` is the default of a prediction's ``event_id``,
``time`` of its ``time``, and ``source`` of its ``producer``. A field of the prediction itself comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from schemas.json_text.errors import UNREADABLE, MalformedError
from schemas.json_text.parts import members_apart
from schemas.wire.prediction import Prediction
from streams.predictions.expected_fields import expected_at

__all__ = [
    "ENVELOPE_PATH",
    "Default",
    "Defaults",
    "blamed",
    "needed_of",
    "opened",
    "problem_of_defaults",
    "with_defaults",
    "with_fields",
]

ENVELOPE_PATH: Final = "$.data"
"""The path of the prediction in an envelope."""

TEXT_BYTES_SHOWN: Final = 40
MEMBERS_MAX: Final = 1_000
"""Attributes of an envelope that are split apart if it does not decode as a whole."""

ATTRIBUTES: Final = {"event_id": "id", "time": "time", "producer": "source"}
"""Fields of Prediction, and the attributes that are their defaults."""

ABSENT: Final = {"event_id": (msgspec.UNSET,), "time": (msgspec.UNSET,), "producer": (msgspec.UNSET, None)}
"""The values of a field for which the attribute is used; null is one if the field is optional."""

_types: Final = {field.name: field.type for field in msgspec.structs.fields(Prediction) if field.name in ATTRIBUTES}
_BEFORE_END: Final = frozenset((b" ", b"\t", b"\r", b"\n", b"}"))
_raw_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Default(NamedTuple):
    """A value as UTF-8, and where it comes from: the name of a header, or a path in an envelope."""

    origin: str
    text: bytes


class Defaults(NamedTuple):
    """The defaults that attributes give for a prediction; None for an attribute that is missing."""

    event_id: Default | None = None
    time: Default | None = None
    producer: Default | None = None

    def of_elements(self) -> Defaults | None:
        """The defaults that hold for each prediction of an array; None if there are none."""
        return Defaults(producer=self.producer) if self.producer else None


class _Envelope(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw()
    id: str | None = None
    time: str | None = None
    source: str | None = None


class _OwnFields(msgspec.Struct):
    event_id: Any = msgspec.UNSET
    time: Any = msgspec.UNSET
    producer: Any = msgspec.UNSET


_envelope: Final = msgspec.json.Decoder(_Envelope)
_own_fields: Final = msgspec.json.Decoder(_OwnFields)


def opened(data: bytes) -> tuple[bytes, Defaults]:
    """The prediction in an envelope of structured mode, and its defaults; raises MalformedError.

    >>> opened(b'{"id": "e-1", "data": {"model": "churn"}}')
    (b'{"model": "churn"}', Defaults(event_id=Default(origin='$.id', text=b'e-1'), time=None, producer=None))
    """
    if not data:
        raise MalformedError("no CloudEvent in JSON: the message is empty")
    try:
        envelope = _envelope.decode(data)
        body = bytes(envelope.data)
    except UNREADABLE as error:
        apart = _array_apart(data)
        if apart is None:
            raise MalformedError.of(error, data) from error
        envelope, body = apart
    if not body:
        raise MalformedError("a CloudEvent without `data`; expected the prediction as JSON - at `$.data`")
    defaults = {
        name: Default(f"$.{attribute}", text.encode("utf-8", "surrogatepass"))
        for name, attribute in ATTRIBUTES.items()
        if (text := getattr(envelope, attribute)) is not None
    }
    return body, Defaults(**defaults)


def _array_apart(data: bytes) -> tuple[_Envelope, bytes] | None:
    """An envelope and the array in it, if only elements of the array are not JSON; None if the envelope is not."""
    members = members_apart(data, MEMBERS_MAX) or []
    arrays = [value for name, value in members if name == b"data"]
    if not arrays or arrays[-1][:1] != b"[":
        return None
    rest = [b'"%s":%s' % (name, value) for name, value in members if name != b"data"]
    try:
        return _envelope.decode(b"{" + b",".join(rest) + b"}"), arrays[-1]
    except UNREADABLE:
        return None


def with_defaults(data: bytes, defaults: Defaults) -> bytes:
    """JSON with the defaults put in front, so that its own fields come later and win; in an array, for each element.

    The result decodes only if ``data`` does. Raises what decoders raise for an array, or for a default that is not
    UTF-8.

    >>> with_defaults(b'{"model": "churn"}', Defaults(event_id=Default("ce_id", b"e-1")))
    b'{"event_id":"e-1","model": "churn"}'
    """
    if data[:1] == b"[":
        each = defaults.of_elements()
        items = _raw_items.decode(data) if each else []
        return b"[" + b",".join(with_defaults(bytes(item), each) for item in items) + b"]" if each else data
    given = {name: default.text.decode() for name, default in _all(defaults) if default is not None}
    return with_fields(data, given) if data[:1] == b"{" and given else data


def with_fields(data: bytes, given: dict[str, str]) -> bytes:
    """A JSON object with further fields in front of its own."""
    rest = data[1:]
    is_empty = rest[:1] in _BEFORE_END and rest.lstrip()[:1] == b"}"
    return msgspec.json.encode(given)[:-1] + (rest if is_empty else b"," + rest)


def needed_of(defaults: Defaults, data: bytes) -> Defaults | None:
    """The defaults for the fields that a prediction's JSON leaves out; None if it is not a JSON object."""
    try:
        own = _own_fields.decode(data)
    except UNREADABLE:
        return None
    return Defaults(*(default if getattr(own, name) in ABSENT[name] else None for name, default in _all(defaults)))


def problem_of_defaults(defaults: Defaults) -> MalformedError | None:
    """The error of the first default that is wrong, naming its header or attribute; None if all are right."""
    for name, default in _all(defaults):
        if default is None:
            continue
        try:
            msgspec.convert(default.text.decode(), _types[name])
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            shown = repr(default.text[:TEXT_BYTES_SHOWN].decode("utf-8", "replace"))
            what = "not UTF-8" if isinstance(error, UnicodeDecodeError) else f"got {shown}"
            return MalformedError(f"{what}; expected {expected_at(name)} - {_where(default.origin)}", default.origin)
    return None


def blamed(error: MalformedError, needed: Defaults) -> MalformedError:
    """The same error, naming the header or attribute instead of the field if the wrong time came from there."""
    if error.field != "$.time" or needed.time is None:
        return error
    origin = needed.time.origin
    return MalformedError(error.reason.replace("at `$.time`", _where(origin)), origin)


def _all(defaults: Defaults) -> Iterator[tuple[str, Default | None]]:
    return zip(Defaults._fields, defaults, strict=True)


def _where(origin: str) -> str:
    return f"at `{origin}`" if origin.startswith("$") else f"in header `{origin}`"
