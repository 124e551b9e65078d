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

__all__ = [
    "PREDICTION_BYTES_MAX",
    "UNREADABLE",
    "Arrivals",
    "may_hold_many_digits",
    "original_of",
    "problem_in_meaning",
    "read_predictions",
]

REGISTRY_PREFIX_BYTES = 5
"""A zero byte and a schema id of four, as the Confluent registry's serializers put before the JSON."""

PREDICTION_BYTES_MAX = 1024 * 1024
"""A larger prediction is rejected: a task and a correction carry its features, and they must fit into a message too."""

RUN_MESSAGES = 200
"""Messages that are read at once: one that is unusual costs no more than these a second look."""

DIGITS_MAX = 200
"""Digits of an integer: a label has as many characters at most, and a feature must fit into a double."""

_raw_items = msgspec.json.Decoder(list[msgspec.Raw])
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
DIGITS_STRIDE = 20
_MANY_DIGITS = b"0" * (DIGITS_MAX // DIGITS_STRIDE)
_INTEGER_MAX = 10 ** (DIGITS_MAX - 1)


NAME_CHARS_MAX = 200
_KINDS = {b"{": "object", b"[": "array"}


class _Features(msgspec.Struct):
    features: dict[str, msgspec.Raw]


_features_decoder = msgspec.json.Decoder(_Features)


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


def read_predictions(
    records: Sequence[Record],
    prefix: str,
    *,
    now_ms: int,
    future_ms_max: int,
    bytes_max: int = PREDICTION_BYTES_MAX,
) -> Arrivals:
    """Decode and check a batch.

    ``future_ms_max`` bounds how far an event's time may lie ahead of the time at which Kafka took its message, so that
    whoever reads the message, whenever, comes to the same answer. ``bytes_max`` bounds one prediction as JSON. An empty
    array holds no prediction and gives nothing.
    """
    arrivals = Arrivals()
    for start in range(0, len(records), RUN_MESSAGES):
        run = records[start : start + RUN_MESSAGES]
        if not _read_run(run, arrivals, future_ms_max, bytes_max):
            for record in run:
                _read_message(record, arrivals, prefix, now_ms, record.timestamp()[1] + future_ms_max, bytes_max)
    return arrivals


def _read_run(records: Sequence[Record], arrivals: Arrivals, future_ms_max: int, bytes_max: int) -> bool:
    """Read messages of one usual prediction each, all at once; False, and nothing is read, where any is otherwise."""
    values = [record.value() or b"" for record in records]
    if values[0][:1] != b"{" or sum(map(len, values)) > bytes_max:
        return False
    # Digits without end are so in all messages together as well; the reverse is asked of each.
    if may_hold_many_digits(b"".join(values)) and any(map(may_hold_many_digits, values)):
        return False
    try:
        events = list(map(decoder_of(Prediction).decode, values))
    except UNREADABLE:
        return False
    times_ms = _usual_times(events, min([record.timestamp()[1] for record in records]) + future_ms_max)
    if times_ms is None:
        return False
    arrivals.events += events
    arrivals.times_ms += times_ms
    arrivals.partitions += [record.partition() for record in records]
    arrivals.offsets += [record.offset() for record in records]
    arrivals.indexes += [0] * len(events)
    return True


def _usual_times(events: Sequence[Prediction], latest_ms: int) -> list[int] | None:
    """The times of events that have no problem; None where one of them may have."""
    times_ms = [event.time if type(event.time) is int else epoch_ms(event.time) for event in events]
    if not times_ms or min(times_ms) < 0 or max(times_ms) > latest_ms:
        return None
    odd = [event for event in events if event.confidence is None or event.probabilities is not None]
    return None if any(map(problem_of, odd)) else times_ms


def _read_message(record: Record, arrivals: Arrivals, prefix: str, now_ms: int, latest_ms: int, bytes_max: int) -> None:
    """Read one message, whatever it holds."""
    data = record.value() or b""
    single = data[:1] == b"{"
    try:
        if len(data) >= DIGITS_MAX and (len(data) > bytes_max or may_hold_many_digits(data)):
            found = None
        else:
            found = [decoder_of(Prediction).decode(data)] if single else decoder_of_many(Prediction).decode(data)
    except UNREADABLE:
        found = None
    if found is None:
        _read_slowly(record, data, arrivals, prefix, now_ms, latest_ms, bytes_max)
        return
    usual = _usual_times(found, latest_ms) is not None
    for index, event in enumerate(found):
        problem = None if usual else problem_in_meaning(event, latest_ms)
        if problem is None:
            _accept(arrivals, record, event, index)
        else:
            original = None if single else bytes(_raw_items.decode(data)[index])
            _refuse(arrivals, record, prefix, now_ms, MalformedError(problem), original, index)


def original_of(record: Record, index: int) -> bytes:
    """The bytes of one readable prediction as they arrived: the message, or its element ``index`` if it is an array."""
    data = _body(record.value() or b"")
    return bytes(_raw_items.decode(data)[index]) if data[:1] == b"[" else record.value() or b""


def _body(data: bytes) -> bytes:
    return (data[REGISTRY_PREFIX_BYTES:] if data[:1] == b"\0" else data).strip()


def _accept(arrivals: Arrivals, record: Record, event: Prediction, index: int) -> None:
    arrivals.events.append(event)
    arrivals.times_ms.append(epoch_ms(event.time))
    arrivals.partitions.append(record.partition())
    arrivals.offsets.append(record.offset())
    arrivals.indexes.append(index)


def problem_in_meaning(event: Prediction, latest_ms: int) -> str | None:
    """What is wrong with a prediction that decoded, and where; None where nothing is."""
    if event.probabilities is not None or event.confidence is None:
        problem = problem_of(event)
        if problem is not None:
            return problem
    time_ms = epoch_ms(event.time)
    if not 0 <= time_ms <= latest_ms:
        where = "lies before 1970" if time_ms < 0 else "lies too far in the future"
        return f"{time_ms} {where}; expected RFC 3339 or epoch milliseconds of when the model was asked - at `$.time`"
    return None


def may_hold_many_digits(data: bytes) -> bool:
    """Whether an integer may be too long, by a quick look at every twentieth byte: no long one slips through."""
    return _MANY_DIGITS in data[::DIGITS_STRIDE].translate(_DIGITS_ALIKE)


def _unwieldy_problem(event: Prediction) -> str | None:
    for name, value in (("prediction", event.prediction), *((f"features.{n}", v) for n, v in event.features.items())):
        if isinstance(value, int) and abs(value) >= _INTEGER_MAX:
            return (
                f"an integer of {DIGITS_MAX} digits or more; expected a number within a double's range - at `$.{name}`"
            )
    return None


def _read_slowly(
    record: Record, data: bytes, arrivals: Arrivals, prefix: str, now_ms: int, latest_ms: int, bytes_max: int
) -> None:
    """What the fast path could not read: a registry prefix, blanks before the JSON, or elements that are wrong."""
    data = _body(data)
    if data[:1] == b"[":
        try:
            items = [bytes(item) for item in _raw_items.decode(data)]
        except UNREADABLE as error:
            _refuse(arrivals, record, prefix, now_ms, MalformedError(str(error)), None, 0)
            return
        whole = False
    else:
        items, whole = [data], True
    for index, item in enumerate(items):
        try:
            if len(item) > bytes_max:
                raise MalformedError(f"{len(item)} bytes; a prediction may have {bytes_max}")
            event = decode(Prediction, item)
            problem = _unwieldy_problem(event) or problem_in_meaning(event, latest_ms)
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
        name, kind = _nested_feature(item)
        if kind:
            return MalformedError(
                f"Expected a number, text, true, false or null, got `{kind}` - at `$.features.{name[:NAME_CHARS_MAX]}`"
            )
    return error


def _nested_feature(item: bytes) -> tuple[str, str]:
    """The first feature that is an object or an array, and which; empty where the rest is no JSON either."""
    try:
        features = _features_decoder.decode(item).features
    except UNREADABLE:
        return "", ""
    for name, value in features.items():
        kind = _KINDS.get(bytes(value)[:1])
        if kind is not None:
            return name, kind
    return "", ""


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
