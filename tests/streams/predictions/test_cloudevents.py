"""CloudEvents around predictions, in both modes of the Kafka binding: they say what the JSON leaves out."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from schemas.wire.prediction import Prediction
from schemas.wire.reject import Reject
from streams.message_limits import MessageLimits
from streams.predictions.envelope import usual_bodies
from streams.predictions.json.gathered_events import GatheredEvents
from streams.predictions.message_elements import elements_of
from streams.predictions.message_reader import read_predictions
from streams.predictions.prediction_reader import PredictionReader
from tests.support.plain_readings import plain_arrivals, plain_parts
from tests.support.plain_record import PREFIX, PlainRecord
from tests.support.prediction_fields import NOW_MS, prediction_fields

DAY_MS = 86_400_000
TIME = "2023-11-14T22:13:20Z"
STRUCTURED = "application/cloudevents+json"


prediction = functools.partial(prediction_fields, event_id=..., time=..., confidence=0.9)
"""A prediction that leaves to a CloudEvent all the fields that it can."""


def binary(value: Any, /, **attributes: str | bytes) -> PlainRecord:
    """A CloudEvent whose attributes are headers."""
    told = {"specversion": "1.0", "type": "prediction", "id": "ce-1", "time": TIME, "source": "/service"} | attributes
    headers: list[tuple[str, bytes | None]] = [("traceparent", b"00-1-2-01"), ("content-type", b"application/json")]
    headers += [
        (f"ce_{name}", text if isinstance(text, bytes) else text.encode()) for name, text in told.items() if text != "-"
    ]
    return PlainRecord(value if isinstance(value, bytes) else json.dumps(value).encode(), header_list=headers)


def structured(data: Any, /, media_type: str = STRUCTURED, **attributes: Any) -> PlainRecord:
    """A CloudEvent that is one JSON object."""
    told = {"specversion": "1.0", "type": "prediction", "id": "ce-1", "time": TIME, "source": "/service"} | attributes
    event = {name: value for name, value in {**told, "data": data}.items() if value is not ...}
    return PlainRecord(json.dumps(event).encode(), header_list=[("content-type", media_type.encode())])


def read(*records: PlainRecord) -> tuple[list[Prediction], list[Reject]]:
    """The results of both readers, the second time with learned shapes; they must agree."""
    by_message = read_predictions(records, PREFIX, now_ms=NOW_MS, future_ms_max=DAY_MS)
    reader = PredictionReader(PREFIX, future_ms_max=DAY_MS)
    for _ in range(2):
        readings = reader.read([records], now_ms=NOW_MS)
        assert readings.rejects == by_message.rejects
        assert plain_parts(readings) == plain_arrivals(by_message)
    return by_message.events, by_message.rejects


def only_reject(record: PlainRecord) -> Reject:
    events, (reject,) = read(record)
    assert events == []
    assert reject.original == record.value()
    return reject


@pytest.mark.parametrize("made", [binary, structured])
def test_attributes_fill_in(made: Any) -> None:
    """Id, time and source of the event are the prediction's if it has none of its own."""
    (event,), rejects = read(made(prediction()))
    assert (event.event_id, event.producer, rejects) == ("ce-1", "/service", [])
    assert (
        event
        == read(PlainRecord(json.dumps(prediction(event_id="ce-1", time=TIME, producer="/service")).encode()))[0][0]
    )


@pytest.mark.parametrize("made", [binary, structured])
def test_what_the_json_says_wins(made: Any) -> None:
    """The prediction's own fields count, whatever the attributes hold, be it wrong."""
    own = prediction(event_id="own", time=NOW_MS, producer="")
    for attributes in ({}, {"id": "", "time": "never", "source": "x" * 201}):
        (event,), _ = read(made(own, **attributes))
        assert (event.event_id, event.time, event.producer) == ("own", NOW_MS, "")


def read_shaped(reader: PredictionReader, records: list[PlainRecord]) -> list[str]:
    """The ids of events that are read by shape, as columns at once or gathered; empty for other messages."""
    gathered = GatheredEvents()
    parts = [*(reader._read_shaped(records, gathered) or ()), *gathered.parts()]
    return [event_id for columns, *_ in parts for event_id in columns.event_ids.texts]


def test_a_stream_of_them_is_read_by_shape() -> None:
    """Binary events, headers that say nothing, and bare messages between them are read by the shaped decoder."""
    reader = PredictionReader(PREFIX, future_ms_max=DAY_MS)
    bare = PlainRecord(json.dumps(prediction(event_id="e", time=NOW_MS)).encode(), header_list=[("traceparent", b"1")])
    records = [binary(prediction()), structured(prediction()), bare, binary(prediction(event_id="own"))]
    reader.read([records], now_ms=NOW_MS)
    assert read_shaped(reader, records) == ["ce-1", "ce-1", "e", "own"]
    arrays = [binary([prediction(event_id="a", time=NOW_MS), prediction(event_id="b", time=NOW_MS)])]
    assert read_shaped(reader, arrays) == ["a", "b"]
    bodies = usual_bodies(arrays, MessageLimits())
    assert bodies is not None
    assert [event["producer"] for event in json.loads(bodies.json[0])] == ["/service"] * 2
    assert [event.producer for event in read(*arrays)[0]] == ["/service"] * 2


@pytest.mark.parametrize(
    ("attributes", "field", "says"),
    [
        ({"id": ""}, "ce_id", "got ''; expected a text of 1 to 200"),
        ({"id": "x" * 201}, "ce_id", "expected a text of 1 to 200"),
        ({"id": b"\xff"}, "ce_id", "not UTF-8"),
        ({"time": "yesterday"}, "ce_time", "got 'yesterday'; expected RFC 3339"),
        ({"time": "1700000000000"}, "ce_time", "expected RFC 3339"),
        ({"time": "2023-11-14T22:13:20"}, "ce_time", "got '2023-11-14T22:13:20'; expected RFC 3339 with an offset"),
        ({"time": "2033-11-14T22:13:20Z"}, "ce_time", "too far in the future"),
        ({"time": "1960-11-14T22:13:20Z"}, "ce_time", "before 1970"),
        ({"source": "x" * 201}, "ce_source", "expected a text of at most 200"),
    ],
)
def test_a_wrong_header_is_named(attributes: dict[str, Any], field: str, says: str) -> None:
    """A header that is needed and wrong makes a Reject that names it, beside what it should be."""
    reject = only_reject(binary(prediction(), **attributes))
    assert reject.field == field
    assert reject.reason.endswith(f"in header `{field}`")
    assert says in reject.reason


def test_headers_that_are_needed_and_missing() -> None:
    """Without them the prediction lacks the field itself."""
    assert only_reject(binary(prediction(), id="-")).field == "$.event_id"
    assert only_reject(binary(prediction(), time="-")).field == "$.time"
    (event,), _ = read(binary(prediction(), source="-"))
    assert event.producer == ""


@pytest.mark.parametrize("body", [b"{}", b"{ }", b" {\n}", b"rubbish", b"3", b"", b'{"model":', b"null", b"\xff"])
def test_what_is_no_prediction_says_what_it_says_without_headers(body: bytes) -> None:
    """Headers do not hide what is wrong with the JSON."""
    reject = only_reject(binary(body, id="-", time="-"))
    assert reject == only_reject(PlainRecord(body))
    reason = only_reject(binary(body)).reason
    assert reason == reject.reason or reason.startswith("Object missing required field `model`; expected a text")


def test_the_jsons_own_problems_are_named_as_ever() -> None:
    """The paths in reasons are those of the prediction."""
    assert only_reject(binary(prediction(confidence=2))).field == "$.confidence"
    assert only_reject(binary(prediction(time=-1))).field == "$.time"
    assert only_reject(binary(prediction(features={"a": [1]}))).field == "$.features.a"


def test_elements_take_the_source_only() -> None:
    """Many predictions cannot share an id or a time; each without a producer has the event's source."""
    own = prediction(event_id="a", time=NOW_MS)
    events, rejects = read(binary([own, {**own, "producer": "own"}, prediction(), 3]))
    assert [event.producer for event in events] == ["/service", "own"]
    assert [(reject.source_index, reject.field) for reject in rejects] == [(2, "$.event_id"), (3, "")]
    assert [json.loads(reject.original) for reject in rejects] == [prediction(), 3]
    events, rejects = read(binary([own, {**own, "producer": "own"}], source="x" * 201))
    assert [event.producer for event in events] == ["own"]
    assert [(reject.source_index, reject.field) for reject in rejects] == [(0, "ce_source")]


def test_header_names_in_any_spelling() -> None:
    """Names are compared without regard to case; of two the last counts, and one without a value says nothing."""
    record = binary(prediction(), id="-")
    assert record.header_list is not None
    record.header_list += [("Ce_Id", b"first"), ("CE_ID", b"second"), ("ce_id", None)]
    (event,), _ = read(record)
    assert event.event_id == "second"


def test_with_a_registry_prefix() -> None:
    """Binary events may bear a registry's prefix as well."""
    value = b"\0\0\0\0\1" + json.dumps(prediction()).encode()
    (event,), _ = read(binary(value))
    assert event.event_id == "ce-1"
    (event,), _ = read(
        PlainRecord(b"\0\0\0\0\1" + (structured(prediction()).value() or b""), header_list=structured({}).header_list)
    )
    assert event.event_id == "ce-1"


# --- structured mode ---


@pytest.mark.parametrize(
    ("record", "field", "says"),
    [
        (structured(prediction(confidence=2)), "$.data.confidence", "at `$.data.confidence`"),
        (structured(prediction(model=...)), "$.data.model", "missing required field `model`"),
        (structured(prediction(features={"a": {}})), "$.data.features.a", "at `$.data.features.a`"),
        (structured(prediction(confidence=...)), "$.data.confidence", "at `$.data.confidence`"),
        (structured(prediction(time=-1)), "$.data.time", "at `$.data.time`"),
        (structured(prediction(), id=""), "$.id", "got ''; expected a text of 1 to 200 characters - at `$.id`"),
        (structured(prediction(), id=3), "$.id", "got `int` - at `$.id`"),
        (structured(prediction(), time="never"), "$.time", "or whole epoch milliseconds - at `$.time`"),
        (
            structured(prediction(), time="2033-11-14T22:13:20Z"),
            "$.time",
            "expected when the model was asked",
        ),
        (structured(prediction(), source="x" * 201), "$.source", "at most 200 characters, or null - at `$.source`"),
        (structured(...), "$.data", "without `data`"),
        (structured(None), "", "neither a JSON object nor an array"),
        (structured("text"), "", "neither a JSON object nor an array"),
        (PlainRecord(b"rubbish", header_list=[("content-type", STRUCTURED.encode())]), "", "malformed"),
        (PlainRecord(None, header_list=[("content-type", STRUCTURED.encode())]), "", "the message is empty"),
        (structured(prediction(), "application/cloudevents+avro"), "content-type", "application/cloudevents+avro"),
        (structured(prediction(), "application/cloudevents-batch+json"), "content-type", "as headers"),
    ],
)
def test_a_wrong_envelope_says_where(record: PlainRecord, field: str, says: str) -> None:
    """Paths are those of the whole message: of the envelope, or of the prediction within it."""
    if record.data is None:
        record.data = b""
    reject = only_reject(record)
    assert reject.field == field
    assert says in reject.reason


def test_media_types_in_any_spelling() -> None:
    """Media types are compared without regard to case, and may have parameters."""
    for media_type in ("Application/CloudEvents+JSON", f"{STRUCTURED}; charset=UTF-8", "application/cloudevents"):
        (event,), _ = read(structured(prediction(), media_type))
        assert event.event_id == "ce-1"


def test_an_envelope_around_many() -> None:
    """``data`` may be an array; its elements take the source, keep their own bytes, and find them again."""
    own = prediction(event_id="a", time=NOW_MS)
    record = structured([own, 3, {**own, "confidence": 2}])
    (event,), rejects = read(record)
    assert event.producer == "/service"
    assert [json.loads(reject.original) for reject in rejects] == [3, {**own, "confidence": 2}]
    assert [reject.field for reject in rejects] == ["", "$.data.confidence"]
    assert json.loads(elements_of(record, 10_000).element(0)) == own


def test_an_event_finds_its_bytes_again() -> None:
    """Of a single event they are the message's, envelope and prefix included."""
    for record in (
        structured(prediction()),
        binary(prediction()),
        binary(b"\0\0\0\0\1" + json.dumps(prediction()).encode()),
    ):
        assert elements_of(record, 10_000).element(0) == record.value()
