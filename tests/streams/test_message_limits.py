"""A message costs no more than its limits, whatever it unpacks to, and each element gives an event or a Reject."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire.reject import Reject
from streams.arrow.ipc import ARROW_BATCHES_MAX
from streams.message_limits import MESSAGE_EVENTS_MAX_DEFAULT, MessageLimits
from streams.predictions.json.array_limit import element_count
from streams.predictions.message_reader import read_predictions
from streams.predictions.prediction_reader import PredictionReader, Readings
from streams.produce.rejects import REJECT_BYTES_MAX, REJECTS_APART_MAX
from streams.settings import MESSAGE_BYTES_MAX_DEFAULT
from tests.support.arrow_rows import ARROW_HEADERS, arrow_of, stream_of, table_of
from tests.support.plain_record import PREFIX, PlainRecord
from tests.support.prediction_fields import NOW_MS, prediction_fields

DAY_MS = 86_400_000
MIB = 1024 * 1024
CLOUD_EVENT = [("content-type", b"application/cloudevents+json")]


def read(*messages: PlainRecord, limits: MessageLimits | None = None) -> Readings:
    """What INTAKE reads, which must be what the message reader reads."""
    limits = limits or MessageLimits()
    readings = PredictionReader(PREFIX, future_ms_max=DAY_MS, limits=limits).read([messages], now_ms=NOW_MS)
    by_message = read_predictions(messages, PREFIX, now_ms=NOW_MS, future_ms_max=DAY_MS, limits=limits)
    assert readings.rejects == by_message.rejects
    assert sum(len(part.columns) for part in readings.parts) == len(by_message.events)
    return readings


def read_one(data: bytes, headers: Any = None, **options: Any) -> Readings:
    return read(PlainRecord(data, header_list=headers), **options)


def is_whole(data: bytes, reject: Reject) -> bool:
    """Whether a Reject keeps all of the bytes, or says how long they were and what their hash is."""
    if reject.original == data:
        return True
    digest = hashlib.sha256(data).hexdigest()
    return data.startswith(reject.original) and (reject.original_length, reject.original_sha256) == (len(data), digest)


MANY = b"[" + b",".join([b"{}"] * 1_000_000) + b"]"
WRAPPED: dict[str, tuple[bytes, Any, int]] = {
    "bare": (MANY, None, 1_000_000),
    "with an attribute for each": (MANY, [("ce_source", b"/a"), ("ce_specversion", b"1.0")], 1_000_000),
    "behind a registry's prefix": (b"\0\0\0\0\1" + MANY, None, 1_000_000),
    "in an envelope": (b'{"source":"/a","data":' + MANY + b"}", CLOUD_EVENT, 1_000_000),
    "of numbers": (b"[" + b",".join([b"1"] * 1_500_000) + b"]", None, 1_500_000),
    "of texts with marks": (b"[" + b",".join([rb'"\\\",[{"'] * 300_000) + b"]", None, 300_000),
    "of arrays": (b"[" + b",".join([b"[[],[]]"] * 400_000) + b"]", None, 400_000),
}


@pytest.mark.parametrize("way", WRAPPED)
def test_a_million_elements_are_one_reject(way: str) -> None:
    """A message with too many elements is not decoded: one Reject, and memory in the order of its bytes."""
    data, headers, count = WRAPPED[way]
    tracemalloc.start()
    try:
        readings = read_one(data, headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (reject,) = readings.rejects
    assert readings.parts == []
    assert reject.reason.startswith(f"{count} elements; a message may have 10000 (worker.message_events_max)")
    assert (reject.elements, reject.source_index, reject.source_index_last) == (count, 0, count - 1)
    assert is_whole(data, reject)
    assert peak < 12 * len(data)


def test_a_message_is_measured_unpacked() -> None:
    """A message of more than ``kafka.message_bytes_max`` unpacked bytes is refused undecoded, with length and hash."""
    data = json.dumps(prediction_fields(content="x")).encode() + b" " * MESSAGE_BYTES_MAX_DEFAULT
    (reject,) = read_one(data).rejects
    assert "kafka.message_bytes_max" in reject.reason
    assert reject.elements == 1
    assert len(reject.original) == REJECT_BYTES_MAX
    assert is_whole(data, reject)
    assert len(read_one(data, limits=MessageLimits(bytes_max=len(data))).parts[0].columns) == 1


@pytest.mark.parametrize("headers", [None, [("ce_source", b"/a")], [("content-type", b"application/cloudevents+json")]])
def test_at_the_limit_a_message_is_read(headers: Any) -> None:
    """The largest number of elements, with commas and brackets of their own, is read; with one more all are refused."""
    limits = MessageLimits(events_max=50)
    for count in (50, 51):
        rows = [prediction_fields(n, features={"a,[{": 1.0, 'b"': "],{"}) for n in range(count)]
        body: Any = {"source": "/a", "data": rows} if headers and headers[0][0] == "content-type" else rows
        readings = read_one(json.dumps(body).encode(), headers, limits=limits)
        assert sum(len(part.columns) for part in readings.parts) == (50 if count == 50 else 0)
        assert [reject.elements for reject in readings.rejects] == ([] if count == 50 else [51])


def test_the_first_hundred_bad_elements_stand_alone() -> None:
    """Then one Reject sums up the rest: how many, from where to where, and their bytes as an array of just these."""
    rows = [prediction_fields(n) if n % 3 == 0 else {"event_id": n} for n in range(3_000)]
    readings = read_one(json.dumps(rows).encode())
    assert sum(len(part.columns) for part in readings.parts) == 1_000
    *apart, rest = readings.rejects
    bad = [n for n in range(3_000) if n % 3]
    assert [reject.source_index for reject in apart] == bad[:REJECTS_APART_MAX]
    assert all((reject.elements, reject.source_index_last) == (1, None) for reject in apart)
    others = bad[REJECTS_APART_MAX:]
    assert (rest.elements, rest.source_index, rest.source_index_last) == (len(others), others[0], others[-1])
    assert json.loads(rest.original) == [rows[n] for n in others]
    assert rest.reason.startswith(f"{len(others)} more elements of this message are refused, the first of them: ")
    assert rest.field == "$.event_id"


def test_bad_rows_are_summed_up_as_a_stream() -> None:
    """The rest of the bad rows of an Arrow message is an Arrow stream of just these."""
    rows = [prediction_fields(n, confidence=7.0 if n % 2 else 0.5) for n in range(1_000)]
    readings = read_one(arrow_of(rows), ARROW_HEADERS)
    assert sum(len(part.columns) for part in readings.parts) == 500
    *apart, rest = readings.rejects
    assert len(apart) == REJECTS_APART_MAX
    assert (rest.elements, rest.source_index, rest.source_index_last) == (400, 201, 999)
    table = pa.ipc.open_stream(rest.original).read_all()
    assert table.column("event_id").to_pylist() == [f"e-{n}" for n in range(201, 1_000, 2)]


@pytest.mark.parametrize("count", [REJECTS_APART_MAX, REJECTS_APART_MAX + 1])
def test_one_beyond_the_hundred_is_told_like_the_others(count: int) -> None:
    """A single further element gets a Reject of its own instead of a summary."""
    readings = read_one(b"[" + b",".join([b"{}"] * count) + b"]")
    assert [reject.source_index for reject in readings.rejects] == list(range(count))
    assert len({reject.reason for reject in readings.rejects}) == 1


def test_every_element_is_answered_for() -> None:
    """Events and the elements of Rejects add up to what was sent, whatever was wrong."""
    bad = [
        {},
        3,
        prediction_fields(time=0),
        prediction_fields(features={"a": [1]}),
        prediction_fields(confidence=9),
        [],
    ]
    rows = [bad[n % 6] if n % 7 else prediction_fields(n) for n in range(5_000)]
    readings = read_one(json.dumps(rows).encode())
    refused = sum(reject.elements for reject in readings.rejects)
    assert sum(len(part.columns) for part in readings.parts) + refused == readings.elements == 5_000
    assert len(readings.rejects) == REJECTS_APART_MAX + 1


def test_elements_refused_in_meaning_are_not_decoded_again_and_again() -> None:
    """Each element's bytes are found once: the message is not taken apart anew for every one of them."""
    rows = [prediction_fields(n, time=NOW_MS + 10 * DAY_MS) for n in range(5_000)]
    readings = read_one(json.dumps(rows).encode())
    assert sum(reject.elements for reject in readings.rejects) == 5_000
    assert json.loads(readings.rejects[7].original) == rows[7]


def test_many_record_batches_are_refused() -> None:
    """Batches of no rows cost as much to open as others."""
    table = table_of([prediction_fields()])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for _ in range(ARROW_BATCHES_MAX + 1):
            writer.write_batch(table.to_batches()[0].slice(0, 0))
    (reject,) = read_one(sink.getvalue().to_pybytes(), ARROW_HEADERS).rejects
    assert reject.reason == f"no Arrow IPC stream: more than {ARROW_BATCHES_MAX} record batches"


def test_columns_that_share_bytes_count_each() -> None:
    """A hundred columns that share a text would each get a copy: the unpacked bytes count, not those that were sent."""
    rows = 1_000
    text = pa.array(["x" * 3_000] * rows)
    features = pa.StructArray.from_arrays([text] * 30, [f"t{n}" for n in range(30)])
    table = table_of([prediction_fields(n, features={}) for n in range(rows)]).drop_columns(["features"])
    data = stream_of(table.append_column("features", features))
    (reject,) = read_one(data, ARROW_HEADERS, limits=MessageLimits(bytes_max=len(data))).rejects
    assert "once unpacked" in reject.reason


def test_two_features_of_a_name_among_very_many() -> None:
    """The search for a repeated name does not take longer for each name if there are many."""
    names = [f"f{n}" for n in range(20_000)] + ["twice", "twice"]
    features = pa.StructArray.from_arrays([pa.nulls(1)] * len(names), names)
    table = table_of([prediction_fields(features={})]).drop_columns(["features"]).append_column("features", features)
    (reject,) = read_one(stream_of(table), ARROW_HEADERS, limits=MessageLimits(bytes_max=64 * MIB)).rejects
    assert "two fields `twice`" in reject.reason


JSON = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{},:"\\ aä\x07', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='[],"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.lists(JSON, min_size=1, max_size=8), st.sampled_from([None, 1]), st.booleans())
def test_elements_are_counted_without_decoding(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    """The count is the array's length, whatever texts hold and however it is laid out."""
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    assert element_count(data) == len(values)
    assert element_count(data, len(values) + 1) in (1, len(values))


@given(st.binary(max_size=60))
def test_any_bytes_are_counted(data: bytes) -> None:
    """What is no JSON has some count, and no error."""
    assert element_count(b"[" + data) >= 1


def test_marks_beyond_one_look_are_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long array is looked at in pieces; texts and nesting go on from one to the next."""
    monkeypatch.setattr("streams.predictions.json.array_limit.MARKS_AT_ONCE", 3)
    values = [{"a": ["]", '"', {"b,": 1}]}, "x,y", [[], [1, 2]], None]
    assert element_count(json.dumps(values).encode()) == len(values)


def test_the_limit_of_elements_is_what_producers_may_send() -> None:
    """The producer of this project packs no more than INTAKE takes."""
    from msgspec import convert

    from streams.settings import ProducerSettings

    convert({"array_events_max": MESSAGE_EVENTS_MAX_DEFAULT}, ProducerSettings)
    with pytest.raises(ValueError, match="array_events_max"):
        convert({"array_events_max": MESSAGE_EVENTS_MAX_DEFAULT + 1}, ProducerSettings)
