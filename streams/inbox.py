"""Predictions out of messages: one JSON object, or an array of them; what cannot be read becomes a Reject."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec

from schemas.codec import MalformedError, decode, decoder_of, decoder_of_many
from schemas.prediction import Prediction, epoch_ms, problem_of
from schemas.reject import Reject
from streams.records import Record
from streams.rejects import reject_of

__all__ = ["Arrivals", "read_predictions"]

REGISTRY_PREFIX_BYTES = 5
"""A zero byte and a schema id of four, as the Confluent registry's serializers put before the JSON."""

_raw_items = msgspec.json.Decoder(list[msgspec.Raw])


@dataclasses.dataclass(slots=True)
class Arrivals:
    """The readable events of a batch in order of arrival, and the Rejects.

    Of each event its time, the partition and offset of its message, and its place within an array message.
    """

    events: list[Prediction] = dataclasses.field(default_factory=list)
    times_ms: list[int] = dataclasses.field(default_factory=list)
    partitions: list[int] = dataclasses.field(default_factory=list)
    offsets: list[int] = dataclasses.field(default_factory=list)
    indexes: list[int] = dataclasses.field(default_factory=list)
    rejects: list[Reject] = dataclasses.field(default_factory=list)


def read_predictions(records: Sequence[Record], prefix: str, *, now_ms: int, future_ms_max: int) -> Arrivals:
    """Decode and check a batch.

    ``future_ms_max`` bounds how far an event's time may lie ahead of the time at which Kafka took its message, so that
    whoever reads the message, whenever, comes to the same answer.
    """
    arrivals = Arrivals()
    one, many = decoder_of(Prediction).decode, decoder_of_many(Prediction).decode
    for record in records:
        data = record.value() or b""
        latest = record.timestamp()[1] + future_ms_max
        try:
            found = [one(data)] if data[:1] == b"{" else many(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            _read_slowly(record, data, arrivals, prefix, now_ms, latest)
            continue
        for index, event in enumerate(found):
            problem = _problem(event, latest)
            if problem is None:
                _accept(arrivals, record, event, index)
            else:
                original = None if data[:1] == b"{" else bytes(_raw_items.decode(data)[index])
                _refuse(arrivals, record, prefix, now_ms, MalformedError(problem), original, index)
    return arrivals


def _accept(arrivals: Arrivals, record: Record, event: Prediction, index: int) -> None:
    arrivals.events.append(event)
    arrivals.times_ms.append(epoch_ms(event.time))
    arrivals.partitions.append(record.partition())
    arrivals.offsets.append(record.offset())
    arrivals.indexes.append(index)


def _problem(event: Prediction, latest_ms: int) -> str | None:
    if event.probabilities is not None or event.confidence is None:
        problem = problem_of(event)
        if problem is not None:
            return problem
    if epoch_ms(event.time) > latest_ms:
        return (
            f"{epoch_ms(event.time)} lies too far in the future; expected RFC 3339 or epoch milliseconds of when"
            " the model was asked - at `$.time`"
        )
    return None


def _read_slowly(record: Record, data: bytes, arrivals: Arrivals, prefix: str, now_ms: int, latest_ms: int) -> None:
    """What the fast path could not read: a registry prefix, blanks before the JSON, or elements that are wrong."""
    if data[:1] == b"\0":
        data = data[REGISTRY_PREFIX_BYTES:]
    data = data.strip()
    if data[:1] == b"[":
        try:
            items = [bytes(item) for item in _raw_items.decode(data)]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _refuse(arrivals, record, prefix, now_ms, MalformedError(str(error)), None, 0)
            return
        whole = False
    else:
        items, whole = [data], True
    for index, item in enumerate(items):
        try:
            event = decode(Prediction, item)
            problem = _problem(event, latest_ms)
            if problem is not None:
                raise MalformedError(problem)
        except MalformedError as error:
            _refuse(arrivals, record, prefix, now_ms, _explain(error, item), None if whole else item, index)
        else:
            _accept(arrivals, record, event, index)


def _explain(error: MalformedError, item: bytes) -> MalformedError:
    """Say more where the decoder says little: not an object at all, or which of the features is wrong."""
    if item[:1] != b"{":
        start = item[:20].decode("utf-8", "replace")
        what = f"begins with {start!r}" if item else "is empty"
        return MalformedError(f"neither a JSON object nor an array of them: the message {what}")
    if error.field == "$.features[...]":
        features = msgspec.json.decode(item)["features"]
        for name, value in features.items():
            if isinstance(value, dict | list):
                kind = "object" if isinstance(value, dict) else "array"
                return MalformedError(
                    f"Expected a number, text, true, false or null, got `{kind}` - at `$.features.{name}`"
                )
    return error


def _refuse(
    arrivals: Arrivals,
    record: Record,
    prefix: str,
    now_ms: int,
    error: MalformedError,
    original: bytes | None,
    index: int,
) -> None:
    arrivals.rejects.append(
        reject_of(
            record,
            prefix,
            role="intake",
            reason=error.reason,
            field=error.field,
            now_ms=now_ms,
            original=original,
            index=index,
        )
    )
