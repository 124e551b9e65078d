"""What a message holds: JSON or an Arrow stream, what lies around it, and what its headers say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from schemas.codec import UNREADABLE, MalformedError
from streams.message_limits import MessageLimits
from streams.predictions.cloudevents import ENVELOPE_PATH, Default, Defaults, opened, with_defaults, with_fields
from streams.predictions.json.array_limit import element_count
from streams.records import Headers, Record

__all__ = ["ARROW_STREAM", "Bodies", "Envelope", "envelope_of", "is_arrow", "usual_bodies"]

ARROW_STREAM: Final = b"application/vnd.apache.arrow.stream"
CLOUD_EVENT: Final = b"application/cloudevents"
CLOUD_EVENT_JSON: Final = (CLOUD_EVENT, CLOUD_EVENT + b"+json")

REGISTRY_PREFIX_BYTES: Final = 5
"""A zero byte and a schema id of four, as the Confluent registry's serializers put before the JSON."""

CONTENT_TYPE: Final = "content-type"
_fields: Final = {"ce_id": "event_id", "ce_time": "time", "ce_source": "producer"}
_telling: Final = frozenset((CONTENT_TYPE, *_fields))
_usual_types: Final = frozenset((b"", b"application/json"))
_first_byte: Final = itemgetter(0)


class Envelope(NamedTuple):
    """What a message holds.

    ``body`` is JSON, or an Arrow stream where ``is_arrow``; ``schema_id`` is that of a registry's prefix; ``path`` is
    where the body lies in the message, if that is JSON around JSON.
    """

    body: bytes
    is_arrow: bool = False
    schema_id: int | None = None
    defaults: Defaults | None = None
    path: str = "$"


class Bodies(NamedTuple):
    """The JSON of some messages, with what their headers say put in, and the schema ids that stood before it."""

    json: list[bytes]
    schema_ids: set[int]


def envelope_of(record: Record) -> Envelope:
    """What a message holds; raises MalformedError where it is a CloudEvent that cannot be opened."""
    return _envelope(record.value() or b"", _told(record.headers() or ()))


def is_arrow(headers: Headers | None) -> bool:
    """Whether headers say that a message is an Arrow IPC stream."""
    found = b""
    for name, value in headers or ():
        if name == CONTENT_TYPE or name.lower() == CONTENT_TYPE:
            found = found if value is None else value
    return found not in _usual_types and _media_type(found) == ARROW_STREAM


def usual_bodies(records: Sequence[Record], limits: MessageLimits) -> Bodies | None:
    """The JSON of messages that all hold some; None where one is otherwise, or may be.

    One with headers or in an envelope is within the ``limits``; of others that remains to be seen.
    """
    kind = type(records[0])  # its methods are called unbound: a quarter of the time
    values: list[Any] = list(map(kind.value, records))
    if not all(values):
        return None
    schema_ids: set[int] = set()
    headers = list(map(kind.headers, records))
    if any(headers):
        for place, found in enumerate(headers):
            told = _told(found) if found else None
            if told:
                body = _with_headers(values[place], told, schema_ids, limits)
                if body is None:
                    return None
                values[place] = body
    if 0 in set(map(_first_byte, values)):
        schema_ids |= {int.from_bytes(one, "big") for one in {value[1:5] for value in values if value[0] == 0}}
        values = [value[REGISTRY_PREFIX_BYTES:] if value[0] == 0 else value for value in values]
        if not all(values):
            return None
    return Bodies(values, schema_ids)


def _with_headers(value: bytes, told: dict[str, bytes], schema_ids: set[int], limits: MessageLimits) -> bytes | None:
    try:
        limits.check_bytes(len(value))
        if value[:1] == b"{" and told.get(CONTENT_TYPE, b"") in _usual_types:
            given = {field: told[name].decode() for name, field in _fields.items() if name in told}
            return with_fields(value, given) if given else value
        envelope = _envelope(value, told)
        if envelope.is_arrow:
            return None
        if envelope.schema_id is not None:
            schema_ids.add(envelope.schema_id)
        limits.check_elements(element_count(envelope.body, limits.events_max))
        body = envelope.body if envelope.defaults is None else with_defaults(envelope.body, envelope.defaults)
    except (MalformedError, *UNREADABLE):
        return None
    return None if body[:1] in {b"", b"\0"} else body


def _told(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """Headers that say something of the body, by their names in small letters; the last of a name counts."""
    found = {}
    for name, value in headers:
        low = name if name in _telling else name.lower()
        if low in _telling and value is not None:
            found[low] = value
    return found


def _media_type(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def _envelope(value: bytes, told: dict[str, bytes]) -> Envelope:
    content_type = told.get(CONTENT_TYPE, b"")
    media_type = b"" if content_type in _usual_types else _media_type(content_type)
    given = {field: Default(name, told[name]) for name, field in _fields.items() if name in told}
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
