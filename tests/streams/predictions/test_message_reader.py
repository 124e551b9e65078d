"""Predictions out of messages: whatever the bytes are, events or Rejects come out, never an exception."""

from __future__ import annotations

import functools
import gzip
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import decode, encode
from schemas.wire.reject import Reject
from streams.predictions.message_elements import elements_of
from streams.predictions.message_reader import Arrivals, read_predictions
from tests.support.plain_record import PREFIX, PlainRecord
from tests.support.prediction_fields import NOW_MS, prediction_fields

DAY_MS = 86_400_000


prediction = functools.partial(prediction_fields, event_id="e-1", confidence=0.9)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def read(*data: bytes | None, bytes_max: int = 1_000_000) -> Arrivals:
    records = [PlainRecord(value, number=number) for number, value in enumerate(data)]
    return read_predictions(records, PREFIX, now_ms=NOW_MS, future_ms_max=DAY_MS, bytes_max=bytes_max)


def only_reject(*data: bytes | None, **options: Any) -> Reject:
    arrivals = read(*data, **options)
    assert not arrivals.events
    assert len(arrivals.rejects) == 1
    return arrivals.rejects[0]


def test_an_object_is_one_event_with_its_place() -> None:
    """One JSON object gives one event, with its time in milliseconds and its partition and offset."""
    record = PlainRecord(as_json(prediction(time="2023-11-14T22:13:20+00:00")), partition_number=3, number=17)
    arrivals = read_predictions([record], PREFIX, now_ms=NOW_MS, future_ms_max=0)
    assert [event.event_id for event in arrivals.events] == ["e-1"]
    assert (arrivals.times_ms, arrivals.partitions, arrivals.offsets, arrivals.indexes) == ([NOW_MS], [3], [17], [0])


def test_an_array_keeps_the_order_and_the_indexes() -> None:
    """Elements of an array become events in their order, each with its index."""
    arrivals = read(as_json([prediction(event_id=f"e-{number}") for number in range(5)]))
    assert [event.event_id for event in arrivals.events] == [f"e-{number}" for number in range(5)]
    assert arrivals.indexes == [0, 1, 2, 3, 4]


def test_bad_elements_of_an_array_keep_their_own_bytes() -> None:
    """A bad element does not spoil its neighbours, and its Reject holds its own bytes only."""
    bad = [b'{"event_id": "x" ,"model":"m"}', b" 3".strip(), b"null", b'{"event_id":7}']
    good = as_json(prediction())
    arrivals = read(b"[ " + b" , ".join([good, *bad, good]) + b" ]")
    assert len(arrivals.events) == 2
    assert arrivals.indexes == [0, 5]
    assert [reject.original for reject in arrivals.rejects] == bad
    assert [reject.source_index for reject in arrivals.rejects] == [1, 2, 3, 4]
    assert all(reject.role == "intake" and reject.source_topic == "predictions" for reject in arrivals.rejects)


def test_an_element_that_is_no_object_is_not_called_the_message() -> None:
    """An array within an array is no prediction, and the reason does not say that an array would do."""
    reason = "no JSON object: this element of the array begins with '[]'"
    assert [reject.reason for reject in read(b"[[]," + as_json(prediction()) + b"]").rejects] == [reason]


def test_an_array_with_nan_says_so() -> None:
    """Many serializers write NaN as it is, which is no JSON: its sender learns of it by name, and loses no other."""
    odd = as_json(prediction()).replace(b"0.9", b"NaN")
    arrivals = read(b"[" + as_json(prediction()) + b"," + odd + b"]")
    (reject,) = arrivals.rejects
    assert "neither NaN nor infinities" in reject.reason
    assert (len(arrivals.events), reject.source_index, reject.original) == (1, 1, odd)


def test_an_element_that_is_wrong_in_meaning_keeps_its_own_bytes() -> None:
    """An array that decodes whole can still hold a wrong element: it alone is rejected, with its bytes."""
    wrong = b'{"event_id":"e","model":"m","time":0,"features":{},  "prediction":"a","probabilities":{"b":1.0}}'
    arrivals = read(b"[" + as_json(prediction()) + b"," + wrong + b"]")
    assert len(arrivals.events) == 1
    assert [(reject.original, reject.source_index, reject.field) for reject in arrivals.rejects] == [
        (wrong, 1, "$.probabilities")
    ]


@pytest.mark.parametrize("around", [(b"\0\0\0\0\x07", b""), (b"  \n\t", b"\n "), (b"\0\0\0\0\0 ", b"")])
@pytest.mark.parametrize("many", [False, True])
def test_a_registry_prefix_and_blanks_are_accepted(around: tuple[bytes, bytes], many: bool) -> None:
    """The five bytes of a registry's serializer and white space do not make a message wrong."""
    body = as_json([prediction(), prediction()]) if many else as_json(prediction())
    arrivals = read(around[0] + body + around[1])
    assert len(arrivals.events) == (2 if many else 1)
    assert not arrivals.rejects


@pytest.mark.parametrize(
    "data", [None, b"", b"   ", b"\0\0\0\0\1", b"\0", b"null", b"3", b'"text"', b"hello", b"\xff\xfe"]
)
def test_what_is_no_object_says_so(data: bytes | None) -> None:
    """Empty messages, tombstones and anything but objects and arrays become a Reject that says what there was."""
    reject = only_reject(data)
    assert reject.original == (data or b"")
    assert "neither a JSON object nor an array" in reject.reason


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"time": "yesterday"}, "$.time", "RFC 3339 with an offset, such as 2026-10-01T08:00:00Z"),
        ({"time": 1_795_615_821_504_000_000}, "$.time", "or whole epoch milliseconds - at `$.time`"),
        ({"time": 1_700_000_000.5}, "$.time", "or whole epoch milliseconds - at `$.time`"),
        ({"time": 1_795_615_821}, "$.time", "look like seconds; expected when the model was asked"),
        ({"time": 4_000_000_000_000}, "$.time", "h beyond what is taken now; expected when the model was asked"),
        ({"features": {"age": 1, "sum": [1]}}, "$.features.sum", "expected a number, text, true, false or null"),
        ({"features": {"a`b": {}}}, "$.features.a`b", "got {}"),
        ({"probabilities": {"a": 1.5}}, "$.probabilities.a", "got 1.5; expected a number from 0 to 1"),
        ({"slices": {"region": 5}}, "$.slices.region", "got 5; expected a text"),
    ],
)
def test_a_reason_says_where_and_what_would_be_right(changes: dict[str, Any], field: str, told: str) -> None:
    """The sender of a wrong value reads its name and what to send instead, also if it is one of many events."""
    for data in (as_json(prediction(**changes)), as_json([prediction(), prediction(**changes)])):
        (reject,) = read(data).rejects
        assert reject.field == field
        assert told in reject.reason


def test_what_was_compressed_with_gzip_says_so() -> None:
    """A producer that compresses bodies itself learns that Kafka does it."""
    assert "compressed with gzip" in only_reject(gzip.compress(as_json(prediction()))).reason


@pytest.mark.parametrize(
    ("time", "says"),
    [
        (0, "looks like a time that was not set"),
        ("1970-01-01T00:00:00Z", "looks like a time that was not set"),
        (1_790_000_000, "look like seconds"),
        (1_790_000_000.25, "1790000000.25, which looks like seconds"),
        (1_790_000_000_000_000, "1790000000000000, which looks like microseconds"),
        (1_790_000_000_000_000_000, "1790000000000000000, which looks like nanoseconds"),
        (200_000_000_000_000, "and looks like microseconds"),
    ],
)
def test_a_time_in_another_unit_is_told(time: Any, says: str) -> None:
    """A sender with times in another unit, or without a time, learns what they look like and what is expected."""
    (reject,) = read(as_json(prediction(time=time))).rejects
    assert says in reject.reason
    assert "epoch milliseconds" in reject.reason
    assert reject.field == "$.time"


@pytest.mark.parametrize("time", [1, 999_999_999, 10_000_000_000])
def test_early_times_that_are_no_seconds_are_taken(time: int) -> None:
    """Recorded data may be old; a time that was never set, and today's time in seconds, are refused."""
    assert [event.time for event in read(as_json(prediction(time=time))).events] == [time]


def test_an_empty_array_holds_nothing() -> None:
    """No prediction, no verdict, nothing to reject."""
    arrivals = read(b"[]")
    assert (arrivals.events, arrivals.rejects) == ([], [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": ...}, "$.event_id"),
        ({"event_id": ""}, "$.event_id"),
        ({"event_id": "x" * 201}, "$.event_id"),
        ({"model": 3}, "$.model"),
        ({"time": "yesterday"}, "$.time"),
        ({"time": "2023-11-14T22:13:20"}, "$.time"),
        ({"time": NOW_MS + DAY_MS + 1}, "$.time"),
        ({"time": "1960-01-01T00:00:00Z"}, "$.time"),
        ({"time": -1}, "$.time"),
        ({"confidence": 1.5}, "$.confidence"),
        ({"confidence": ...}, "$.confidence"),
        ({"probabilities": {"stay": 0.5, "go": 0.4}}, "$.probabilities"),
        ({"probabilities": {"go": 1.0}}, "$.probabilities"),
        ({"features": ...}, "$.features"),
        ({"features": {"nested": {"a": 1}}}, "$.features.nested"),
        ({"features": {"fine": 1, "list": [1]}}, "$.features.list"),
        ({"features": {"": 1}}, "$.features"),
        ({"features": {"huge": 10**400}}, "$.features.huge"),
        ({"prediction": 10**250}, "$.prediction"),
        ({"prediction": "x" * 201}, "$.prediction"),
        ({"consent": {"review": "yes"}}, "$.consent.review"),
    ],
)
def test_a_reject_names_the_field(changes: dict[str, Any], field: str) -> None:
    """Whatever is wrong, the Reject says with which field, and holds the message byte for byte."""
    data = as_json(prediction(**changes))
    reject = only_reject(data)
    assert reject.field == field
    assert field.rpartition(".")[2] in reject.reason
    assert reject.original == data


def test_the_clock_that_counts_is_kafkas() -> None:
    """The future begins at the time at which Kafka received the message, so a later reader comes to the same result."""
    data = as_json(prediction(time=NOW_MS + 10 * DAY_MS))
    early = read_predictions([PlainRecord(data)], PREFIX, now_ms=0, future_ms_max=DAY_MS)
    late = read_predictions([PlainRecord(data)], PREFIX, now_ms=NOW_MS + 100 * DAY_MS, future_ms_max=DAY_MS)
    assert [reject.reason for reject in early.rejects] == [reject.reason for reject in late.rejects] != []


USUAL = st.builds(
    lambda number, label, time: as_json(prediction(event_id=f"e-{number}", prediction=label, time=time)),
    st.integers(0, 9),
    st.sampled_from(["stay", 7, True]),
    st.sampled_from([0, NOW_MS, NOW_MS + DAY_MS, "2023-11-14T22:13:20+00:00"]),
)
UNUSUAL = st.sampled_from(
    [
        as_json(prediction(confidence=...)),
        as_json(prediction(confidence=..., probabilities={"stay": 0.7, "go": 0.3})),
        as_json(prediction(probabilities={"stay": 0.5, "go": 0.4})),
        as_json(prediction(time=NOW_MS + DAY_MS + 1)),
        as_json(prediction(time="1960-01-01T00:00:00Z")),
        as_json(prediction(features={"huge": 10**250})),
        as_json(prediction(features={"text": "7" * 500})),
        as_json(prediction(features={"large": "x" * 2_000})),
        as_json(prediction(features={"nested": {}})),
        as_json([prediction(), prediction(confidence=...), prediction(time=-1)]),
        as_json([]),
        b"  " + as_json(prediction()),
        b"\0\0\0\0\7" + as_json(prediction()),
        as_json(prediction()) + b"," + as_json(prediction()),
        as_json(prediction())[:-1],
        b"7" * 300,
        b"",
        None,
    ]
)


@given(st.lists(USUAL, max_size=8), st.lists(USUAL | UNUSUAL, max_size=4), st.sampled_from([1_500, 4_000, 1_000_000]))
@settings(max_examples=150, deadline=None)
def test_read_together_or_one_by_one(usual: list[bytes], more: list[bytes | None], bytes_max: int) -> None:
    """Messages read all at once give what they give one by one, which an empty message at their beginning enforces."""
    together = read(as_json(prediction()), *usual, *more, bytes_max=bytes_max)
    one_by_one = read(None, *usual, *more, bytes_max=bytes_max)
    for name in ("events", "times_ms", "partitions", "offsets", "indexes"):
        assert getattr(together, name)[1:] == getattr(one_by_one, name)
    assert together.rejects == one_by_one.rejects[1:]


def test_a_run_reads_on_after_an_unusual_message() -> None:
    """A long batch with one bad message in its middle keeps every other one, in order and with its offset."""
    data = [as_json(prediction(event_id=f"e-{number}")) for number in range(1_000)]
    data[500] = b"rubbish"
    arrivals = read(*data)
    assert arrivals.offsets == [number for number in range(1_000) if number != 500]
    assert [event.event_id for event in arrivals.events] == [f"e-{number}" for number in arrivals.offsets]
    assert [reject.source_offset for reject in arrivals.rejects] == [500]


def test_duplicates_are_both_events() -> None:
    """Two messages with one event_id are two events: the reader does not look for repetitions."""
    assert len(read(as_json(prediction()), as_json(prediction())).events) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'[{"a":' * 50_000,
        as_json(prediction())[:-1] + b',"more":' + b"[" * 100_000,
        as_json(prediction(features=...))[:-1] + b',"features":{"a":' + b'{"b":' * 100_000,
    ],
)
def test_nesting_without_end_is_a_reject(data: bytes) -> None:
    """JSON that nests deeper than the decoder goes is bad input, not a crash."""
    assert only_reject(data).original == data


@pytest.mark.parametrize(
    "tail",
    [b', "features": {"a": [1]}, rubbish', b', "features": {"a": [1]}, "features": 3}', b', "features": {"a": [1'],
)
def test_a_nested_feature_in_broken_json_is_a_reject(tail: bytes) -> None:
    """The search for the wrong feature does not fail at what follows it."""
    data = as_json(prediction(features=...))[:-1] + tail
    assert only_reject(data).original == data


def test_a_prediction_has_a_size() -> None:
    """A prediction that a task could not carry is rejected and its neighbours are not; one at the bound is accepted."""
    small, large = as_json(prediction()), as_json(prediction(features={"text": "x" * 5_000}))
    arrivals = read(b"[" + small + b"," + large + b"]", bytes_max=4_000)
    assert (len(arrivals.events), [reject.original for reject in arrivals.rejects]) == (1, [large])
    assert "bytes" in arrivals.rejects[0].reason
    assert len(read(large, bytes_max=len(large)).events) == 1
    assert len(read(large, bytes_max=len(large) - 1).rejects) == 1


def test_many_digits_are_fine_in_text_and_decimals() -> None:
    """Only integers beyond a double are refused."""
    arrivals = read(as_json(prediction(features={"text": "7" * 500, "big": 10**150, "small": 1e-300})))
    assert not arrivals.rejects
    assert arrivals.events[0].features["text"] == "7" * 500


def test_an_event_finds_its_bytes_again() -> None:
    """A message's elements give a readable event's bytes: the element of an array, the whole of a single message."""
    first, second = as_json(prediction()), as_json(prediction(event_id="e-2"))
    assert elements_of(PlainRecord(b"[" + first + b" , " + second + b"]"), 10_000).element(1) == second
    assert elements_of(PlainRecord(b"\0\0\0\0\1" + first), 10_000).element(0) == b"\0\0\0\0\1" + first


def test_rejects_fit_into_messages() -> None:
    """A Reject of something huge keeps its beginning, says so, and stays below what a message may have."""
    reject = only_reject(b"rubbish" * 1_000_000)
    assert (b"rubbish" * 1_000_000).startswith(reject.original)
    assert len(encode(reject)) < 3 * 1024 * 1024
    assert "of 7000000 bytes are kept" in reject.reason


def holds_the_law(data: bytes) -> None:
    """Events or Rejects come out; every Reject travels; its original is the message or a part of it."""
    arrivals = read(data)
    count = len(arrivals.events) + len(arrivals.rejects)
    assert count >= 1 or data.strip(b"\0 \n\t\r").startswith(b"[")
    assert len(arrivals.events) == len(arrivals.times_ms) == len(arrivals.partitions) == len(arrivals.offsets)
    for reject in arrivals.rejects:
        assert decode(Reject, encode(reject)) == reject
        assert reject.original in data
        assert reject.reason
    for event, time_ms in zip(arrivals.events, arrivals.times_ms, strict=True):
        msgspec.json.encode(event)
        assert 0 <= time_ms <= NOW_MS + DAY_MS


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_bytes_raise(data: bytes) -> None:
    """Any bytes give events or Rejects."""
    holds_the_law(data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from([*prediction(), "probabilities", "consent", "slices", "risk", "other"])


@given(st.dictionaries(FIELDS, VALUES, max_size=3), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_wrong_field_raises(changes: dict[str, Any], many: bool) -> None:
    """A valid prediction with some fields replaced by anything gives exactly as many events and Rejects as elements."""
    data = as_json([prediction(), prediction(**changes)] if many else prediction(**changes))
    holds_the_law(data)
    arrivals = read(data)
    if not arrivals.rejects or arrivals.rejects[0].original != data:
        assert len(arrivals.events) + len(arrivals.rejects) == (2 if many else 1)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_damage_raises(draw: st.DataObject) -> None:
    """Valid JSON with a few bytes cut, replaced or put in gives events or Rejects."""
    data = bytearray(as_json([prediction(), prediction(features={"a": [1]})]))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        data[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    holds_the_law(bytes(data))
