"""Reasons of Rejects, written for the sender: which field is wrong, what it holds, and what is expected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from schemas.json_text.errors import UNREADABLE, MalformedError
from schemas.probability import GivenProbability
from schemas.wire.base import NAME_CHARS_MAX, Name, Scalar
from streams.predictions.expected_fields import expected_at, hint_of
from streams.predictions.prediction_checks import unit_of_time

__all__ = ["beginning_of", "explained", "listed_names"]

SHOWN_CHARS_MAX: Final = 40
NAMES_SHOWN_MAX: Final = 8
MISSING: Final = "Object missing required field"
CLOUD_EVENT: Final = "a CloudEvent as a whole needs the header content-type: application/cloudevents+json"
OUT_OF_RANGE: Final = "out of range"
DOUBLE: Final = "a number that a double holds, up to 1.8e308"
NAMED_VALUES: Final[dict[str, Any]] = {
    "features": Scalar,
    "probabilities": GivenProbability | None,
    "slices": Name | None,
}
"""Fields that hold values by name, and the type of a value. The decoder does not say which of the values is wrong."""

MEMBERS_MAX: Final = 2_000
"""Members of an object that are split apart if it does not decode: twice as many as there may be features."""

JSON_TYPES: Final = {
    "array": "an array",
    "bool": "true or false",
    "float": "a number",
    "int": "a number",
    "null": "null",
    "object": "an object",
    "str": "a text",
}
"""The type of a value, by the decoder's name for it."""

BYTES_SHOWN: Final = 20
PLAIN: Final = "it uncompressed (Kafka's compression.type compresses as well)"
STREAM: Final = "an Arrow IPC stream (pyarrow.ipc.new_stream)"
BEGINNINGS: Final = (
    (b"\x1f\x8b", "is compressed with gzip", PLAIN),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", PLAIN),
    (b"\x04\x22\x4d\x18", "is compressed with lz4", PLAIN),
    (b"\xef\xbb\xbf", "begins with a byte order mark", "UTF-8 without it"),
    (b"\xff\xfe", "is UTF-16", "UTF-8"),
    (b"\xfe\xff", "is UTF-16", "UTF-8"),
    (b"\xff\xff\xff\xff", "is an Arrow stream", "the header content-type: application/vnd.apache.arrow.stream with it"),
    (b"ARROW1", "is an Arrow file", STREAM),
    (b"FEA1", "is a Feather file", STREAM),
    (b"PAR1", "is a Parquet file", f"JSON or {STREAM}"),
    (b"Obj\x01", "is an Avro file", f"JSON or {STREAM}"),
    (b"\0", "begins with a zero byte, as behind a schema registry", "JSON without the registry's prefix"),
    (b'"', "is a text in JSON", "the object itself, encoded once"),
)

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TYPE: Final = re.compile(r"got `(\w+)`")


def explained(
    error: MalformedError, item: bytes, *, whole: bool = True, many: bool = True, schema_id: int | None = None
) -> MalformedError:
    """The same error with a reason that names the value and what is expected instead.

    ``item`` is the JSON of one event: the ``whole`` message, or else an element of an array. ``many`` says whether a
    message may be an array. ``schema_id`` is that of a registry's prefix before it, if there was one.
    """
    if item[:1] != b"{":
        return _no_object(item, whole=whole, many=many, schema_id=schema_id)
    path = error.field.removeprefix("$.")
    if error.field in ("", "$"):
        return error
    if error.reason.startswith(MISSING):
        return _missing(error, item, path)
    if path.endswith("[...]"):
        path = _wrong_name(item, path.removesuffix("[...]")) or path
    if path.partition(".")[0] in NAMED_VALUES and "`key`" in error.reason:
        return _wrong_key(error, item, path)
    right = expected_at(path) if " - at `" in error.reason else None
    if OUT_OF_RANGE in error.reason:
        right = DOUBLE
    value = _at(item, path)
    if right is None:
        return error
    if value is None:
        match = _TYPE.search(error.reason)
        what = JSON_TYPES.get(match.group(1)) if match else None
        return MalformedError(f"got {what}; expected {right} - at `$.{path}`", f"$.{path}") if what else error
    got = f"got {shown_value(value)}{_unit(path, value)}"
    return MalformedError(f"{got}; expected {right}{_hint(path, value)} - at `$.{path}`", f"$.{path}")


def shown_value(value: bytes) -> str:
    """JSON as it was sent; of a long value its beginning and its size.

    >>> shown_value(b"62"), shown_value(b'["stay"]'), shown_value(b'"' + b"x" * 60 + b'"')
    ('62', '["stay"]', '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… (60 characters)')
    """
    text = value.decode("utf-8", "replace").strip()
    if len(text) <= SHOWN_CHARS_MAX:
        return text
    unit = {"{": "entries", "[": "elements", '"': "characters"}.get(text[0], "digits")
    try:
        decoded = msgspec.json.decode(value)
    except UNREADABLE:
        return f"{text[:SHOWN_CHARS_MAX]}…"
    count = len(decoded) if isinstance(decoded, str | list | dict) else len(text)
    return f"{text[:SHOWN_CHARS_MAX]}… ({count} {unit})"


def _at(item: bytes, path: str) -> bytes | None:
    """The JSON at a path of one or two names; None if there is nothing."""
    field, _, name = path.partition(".")
    try:
        value = _named(item).get(field)
        return _named(value).get(name) if value is not None and name else value
    except UNREADABLE:
        return None


def _named(data: bytes) -> dict[str, bytes]:
    """The values of a JSON object by name, also if some of them are not JSON; raises what decoders raise."""
    try:
        return {name: bytes(value) for name, value in _fields.decode(data).items()}
    except UNREADABLE:
        from schemas.json_text.parts import members_apart  # slow to import, and rarely needed

        members = members_apart(data.strip(), MEMBERS_MAX)
        if members is None:
            raise
        return {str(_plain(b'"%s"' % name)): value for name, value in members}


def _plain(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except UNREADABLE:
        return None


def _unit(path: str, value: bytes) -> str:
    """A remark on the unit that a number given as a time seems to have."""
    time = _plain(value) if path == "time" else None
    unit = unit_of_time(time) if isinstance(time, int | float) else None
    return f", which looks like {unit}" if unit else ""


def _hint(path: str, value: bytes) -> str:
    hint = hint_of(path, _plain(value))
    return f": {hint}" if hint else ""


def _missing(error: MalformedError, item: bytes, path: str) -> MalformedError:
    """An error that names the missing field and the fields that are there."""
    try:
        names = [name for name in _named(item) if name]
    except UNREADABLE:
        names = []
    right = expected_at(path)
    if right is None:
        return error
    hint = f": {CLOUD_EVENT}" if "specversion" in names else ""
    return MalformedError(f"{MISSING} `{path}`; expected {right}; {listed_names(names)}{hint}", error.field)


def listed_names(names: Sequence[str]) -> str:
    """A phrase that lists the names that are there, for a reason about one that is missing.

    >>> listed_names(["model", "time"]), listed_names([])
    ('there are `model`, `time`', 'there is none')
    """
    shown = ", ".join(f"`{name[:SHOWN_CHARS_MAX]}`" for name in names[:NAMES_SHOWN_MAX])
    more = f" and {len(names) - NAMES_SHOWN_MAX} more" if len(names) > NAMES_SHOWN_MAX else ""
    return f"there are {shown}{more}" if names else "there is none"


def _no_object(item: bytes, *, whole: bool, many: bool, schema_id: int | None) -> MalformedError:
    what, right = beginning_of(item)
    if schema_id is not None:
        what = f"{what} behind the prefix of schema {schema_id}"
    expected = f"; expected {right}" if right else ""
    if not whole:
        expected = expected if item else "; expected a JSON object, and a comma only between two"
        return MalformedError(f"no JSON object: this element of the array {what}{expected}")
    if many:
        return MalformedError(f"neither a JSON object nor an array of them: the message {what}{expected}")
    if item[:1] == b"[":
        what, expected = "is an array", "; expected one object a message"
    return MalformedError(f"no JSON object: the message {what}{expected}")


def _wrong_name(item: bytes, field: str) -> str | None:
    """The path of the first wrong value in a field; None if none is wrong, or the field cannot be read."""
    value_type = NAMED_VALUES.get(field)
    values = _at(item, field)
    try:
        named = {} if values is None or value_type is None else _named(values)
    except UNREADABLE:
        return None
    for name, value in named.items():
        try:
            msgspec.json.decode(value, type=value_type)
        except UNREADABLE:
            return f"{field}.{name[:NAME_CHARS_MAX]}"
    return None


def _wrong_key(error: MalformedError, item: bytes, field: str) -> MalformedError:
    """An error that quotes a name that is empty or too long."""
    values = _at(item, field)
    try:
        names = [] if values is None else list(_named(values))
    except UNREADABLE:
        return error
    wrong = next((name for name in names if not 0 < len(name) <= NAME_CHARS_MAX), None)
    if wrong is None:
        return error
    shown = f"{wrong[:SHOWN_CHARS_MAX]!r}"
    return MalformedError(
        f"got the name {shown} of {len(wrong)} characters; expected 1 to {NAME_CHARS_MAX} - at `$.{field}`", error.field
    )


def beginning_of(data: bytes) -> tuple[str, str]:
    """What some bytes are, as the rest of a sentence, and what is expected instead, empty if that is obvious.

    >>> beginning_of(b"PAR1..."), beginning_of(b"hello")
    (('is a Parquet file', 'JSON or an Arrow IPC stream (pyarrow.ipc.new_stream)'), ("begins with 'hello'", ''))
    """
    if not data:
        return "is empty", ""
    for mark, what, right in BEGINNINGS:
        if data.startswith(mark):
            return what, right
    return f"begins with {data[:BYTES_SHOWN].decode('utf-8', 'replace')!r}", ""
