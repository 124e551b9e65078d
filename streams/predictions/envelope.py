"""The envelope of a message: its headers, a CloudEvent or a registry's prefix, around JSON or an Arrow stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from schemas.json_text.errors import UNREADABLE, MalformedError
from streams.message_limits import MessageLimits
from streams.predictions.cloudevents import ENVELOPE_PATH, Default, Defaults, opened, with_defaults, with_fields
from streams.predictions.json.array_limit import check_array
from streams.records import Headers, Record

__all__ = ["ARROW_STREAM", "Bodies", "Envelope", "envelope_of", "is_arrow", "usual_bodies"]

ARROW_STREAM: Final = b"application/vnd.apache.arrow.stream"
CLOUD_EVENT: Final = b"application/cloudevents"
CLOUD_EVENT_JSON: Final = (CLOUD_EVENT, CLOUD_EVENT + b"+json")

REGISTRY_PREFIX_BYTES: Final = 5
"""A zero byte and a schema id of four bytes, which the Confluent registry's serializers put before the JSON."""

CONTENT_TYPE: Final = "content-type"
_fields: Final = {"ce_id": "event_id", "ce_time": "time", "ce_source": "producer"}
_names: Final = frozenset((CONTENT_TYPE, *_fields))
_usual_types: Final = frozenset((b"", b"application/json"))
_first_byte: Final = itemgetter(0)


class Envelope(NamedTuple):
    """An opened message.

    ``body`` is JSON, or an Arrow stream if ``is_arrow``. ``schema_id`` is that of a registry's prefix, if there was
    one. ``defaults`` are the fields that headers or a CloudEvent give. ``path`` is the path of the body within a
    message that is JSON around JSON.
    """

    body: bytes
    is_arrow: bool = False
    schema_id: int | None = None
    defaults: Defaults | None = None
    path: str = "$"


class Bodies(NamedTuple):
    """The JSON of some messages, with the fields that their headers give, and the schema ids of their prefixes."""

    json: list[bytes]
    schema_ids: set[int]


def envelope_of(record: Record) -> Envelope:
    """Open a message; raises MalformedError for a CloudEvent that cannot be opened."""
    return _envelope(record.value() or b"", _known(record.headers() or ()))


def is_arrow(headers: Headers | None) -> bool:
    """Whether the headers say that a message is an Arrow IPC stream.

    >>> is_arrow([("Content-Type", b"application/vnd.apache.arrow.stream; v=1")]), is_arrow(None)
    (True, False)
    """
    return _media_type(_known(headers or ())) == ARROW_STREAM


def usual_bodies(records: Sequence[Record], limits: MessageLimits) -> Bodies | None:
    """The JSON of messages; None if one of them holds, or may hold, anything else.

    A message with headers is checked against ``limits``; the caller checks the others.
    """
    record_type = type(records[0])  # calling its methods unbound takes a quarter of the time
    values: list[Any] = list(map(record_type.value, records))
    if not all(values):
        return None
    schema_ids: set[int] = set()
    headers = list(map(record_type.headers, records))
    if any(headers):
        for index, given in enumerate(headers):
            known = _known(given) if given else None
            if known:
                body = _with_headers(values[index], known, schema_ids, limits)
                if body is None:
                    return None
                values[index] = body
    if 0 in set(map(_first_byte, values)):
        schema_ids |= {int.from_bytes(number, "big") for number in {value[1:5] for value in values if value[0] == 0}}
        values = [value[REGISTRY_PREFIX_BYTES:] if value[0] == 0 else value for value in values]
        if not all(values):
            return None
    return Bodies(values, schema_ids)


def _with_headers(value: bytes, known: dict[str, bytes], schema_ids: set[int], limits: MessageLimits) -> bytes | None:
    """JSON with the fields that headers give; None if it is not usual. Adds a schema id to ``schema_ids``."""
    try:
        limits.check_bytes(len(value))
        if value[:1] == b"{" and not _media_type(known):
            given = {field: known[name].decode() for name, field in _fields.items() if name in known}
            return with_fields(value, given) if given else value
        envelope = _envelope(value, known)
        if envelope.is_arrow:
            return None
        if envelope.schema_id is not None:
            schema_ids.add(envelope.schema_id)
        check_array(envelope.body, limits)
        body = envelope.body if envelope.defaults is None else with_defaults(envelope.body, envelope.defaults)
    except (MalformedError, *UNREADABLE):
        return None
    return None if body[:1] in {b"", b"\0"} else body


def _known(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """The headers that watchloop knows, by their names in lower case; the last one of a name counts."""
    known = {}
    for name, value in headers:
        lower = name if name in _names else name.lower()
        if lower in _names and value is not None:
            known[lower] = value
    return known


def _media_type(known: dict[str, bytes]) -> bytes:
    """The media type of a content-type header, in lower case; empty for JSON and where there is no such header."""
    content_type = known.get(CONTENT_TYPE, b"")
    return b"" if content_type in _usual_types else content_type.partition(b";")[0].strip().lower()


def _envelope(value: bytes, known: dict[str, bytes]) -> Envelope:
    media_type = _media_type(known)
    given = {field: Default(name, known[name]) for name, field in _fields.items() if name in known}
    defaults = Defaults(**given) if given else None
    if media_type == ARROW_STREAM:
        return Envelope(value, is_arrow=True, defaults=defaults)
    schema_id, body = _without_prefix(value)
    body = body.strip()
    if not media_type.startswith(CLOUD_EVENT):
        return Envelope(body, schema_id=schema_id, defaults=defaults)
    if media_type not in CLOUD_EVENT_JSON:
        raise MalformedError(
            f"a CloudEvent as {media_type.decode('utf-8', 'replace')}; expected application/cloudevents+json, or its"
            f" attributes as headers - in header `{CONTENT_TYPE}`",
            CONTENT_TYPE,
        )
    data, inner = opened(body)
    return Envelope(data, schema_id=schema_id, defaults=inner, path=ENVELOPE_PATH)


def _without_prefix(value: bytes) -> tuple[int | None, bytes]:
    if value[:1] != b"\0":
        return None, value
    prefix = value[1:REGISTRY_PREFIX_BYTES]
    return int.from_bytes(prefix, "big") if len(prefix) == 4 else None, value[REGISTRY_PREFIX_BYTES:]
