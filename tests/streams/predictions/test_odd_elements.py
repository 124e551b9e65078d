"""One odd element of an array costs no other its verdict, in whatever way the array comes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.message_limits import MessageLimits
from streams.predictions.message_elements import elements_of
from streams.predictions.message_reader import read_predictions
from streams.predictions.prediction_reader import PredictionReader, Readings
from streams.produce.rejects import REJECTS_APART_MAX
from tests.support.plain_record import PREFIX, PlainRecord
from tests.support.prediction_fields import NOW_MS, prediction_fields

DAY_MS = 86_400_000
Headers = list[tuple[str, bytes | None]]
SOURCE: Headers = [("ce_source", b"/service"), ("content-type", b"application/json")]
STRUCTURED: Headers = [("content-type", b"application/cloudevents+json")]


def prediction(number: int = 0, **changes: Any) -> bytes:
    return json.dumps(prediction_fields(number, **{"time": NOW_MS} | changes)).encode()


def plus(tail: bytes) -> bytes:
    return prediction()[:-1] + b"," + tail + b"}"


ODD: dict[str, tuple[bytes, str]] = {
    "NaN of Python's json.dumps": (
        prediction(features={"age": float("nan")}),
        "NaN (byte 81): JSON has neither NaN nor infinities; expected a number or null, or the field left out",
    ),
    "infinity": (prediction(features={"age": float("-inf")}), "-Infinity (byte 81): JSON has neither NaN nor inf"),
    "nan": (plus(b'"risk":nan'), "nan (byte "),
    "half of a pair": (prediction(features={"age": "\ud800"}), "half of a surrogate pair: \\ud800 (byte 82); expected"),
    "half of a pair in an unknown field": (plus(b'"more":"\\udc00"'), "expected both or neither"),
    "nesting": (plus(b'"more":' + b"[" * 1_100 + b"]" * 1_100), "nested too deeply; expected no more than"),
    "a deep feature": (
        prediction().replace(b"41.5", b"[" * 1_100 + b"]" * 1_100),
        "got " + "[" * 40 + "…; expected a number, text, true, false or null - at `$.features.age`",
    ),
    "a wrong field before an odd one": (
        prediction(confidence=62)[:-1] + b',"more":NaN}', "got 62; expected a number from 0 to 1",
    ),
    "nested objects": (plus(b'"more":' + b'{"a":' * 1_100 + b"1" + b"}" * 1_100), "nested too deeply; expected"),
    "escape": (plus(b'"content":"\\q"'), "'\\\\q\"}'; expected one of \\\" \\\\ \\/ \\b"),
    "escape in an unknown field": (plus(b'"more":"\\q"'), "'\\\\q\"}'; expected one of"),
    "short escape": (plus(b'"content":"\\u12"'), "expected four hexadecimal digits behind \\u"),
    "control character": (plus(b'"content":"a\x01b"'), "expected control characters as escapes, such as \\n"),
    "line break in a text": (plus(b'"more":"inf\nb"'), "expected control characters as escapes, such as \\n"),
    "leading zero": (plus(b'"risk":01'), "expected a number as JSON has them, such as 1, -0.5 or 1e9: without a 0"),
    "no digits": (plus(b'"risk":1.'), "expected a number as JSON has them"),
    "Python's None": (plus(b'"risk":None'), "expected a number, a text in double quotes, true, false, null"),
    "no quotes": (plus(b"risk:1"), "expected a name in double quotes"),
    "comma": (plus(b'"risk":1,'), "expected commas only between two"),
    "bytes of another encoding": (plus(b'"content":"\xff"'), "not UTF-8: 0xff"),
    "two without a comma": (prediction() + b" " + prediction(), "expected one object, or one array of them with"),
    "brackets mixed up": (plus(b'"more":[1}').removesuffix(b"}") + b"]", "expected ',' or ']'"),
}  # fmt: skip


def read(*records: PlainRecord) -> tuple[list[str], list[int], list[Any]]:
    """Ids, indexes and Rejects, in which INTAKE's reader agrees with the message reader, before and after it learns."""
    by_message = read_predictions(records, PREFIX, now_ms=NOW_MS, future_ms_max=DAY_MS)
    reader = PredictionReader(PREFIX, future_ms_max=DAY_MS)
    for _ in range(2):
        readings: Readings = reader.read([records], now_ms=NOW_MS)
        assert readings.rejects == by_message.rejects
        assert sum(len(part.columns) for part in readings.parts) == len(by_message.events)
    return [event.event_id for event in by_message.events], by_message.indexes, by_message.rejects


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("way", ["plain", "with headers", "behind a prefix", "in an envelope"])
def test_an_odd_element_is_refused_alone(name: str, way: str) -> None:
    """Its neighbours get verdicts; its Reject has its index, its bytes, and the reason it would have as a message."""
    odd, says = ODD[name]
    data = b"[ " + prediction(1) + b" ,\n" + odd + b"," + prediction(3) + b"\t]"
    headers: Headers | None = None
    if way == "with headers":
        headers = SOURCE
    elif way == "behind a prefix":
        data = b"\0\0\0\0\1" + data
    elif way == "in an envelope":
        data, headers = b'{"specversion":"1.0","source":"/s", "data" : ' + data + b' ,"type":"prediction"}', STRUCTURED
    record = PlainRecord(data, header_list=headers)
    ids, indexes, (reject,) = read(record)
    assert (ids, indexes) == (["e-1", "e-3"], [0, 2])
    assert (reject.source_index, reject.elements, reject.original) == (1, 1, odd)
    (alone,) = read(PlainRecord(odd))[2]
    assert says in alone.reason
    assert (alone.reason, alone.field) == (reject.reason.replace("$.data", "$"), reject.field.replace("$.data", "$"))
    assert elements_of(record, 10_000).element(2) == prediction(3)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"event_id": 7}, "got a number; expected a text of 1 to 200 characters - at `$.event_id`"),
        ({"features": []}, "got an array; expected an object of at most 1000 names"),
        ({"consent": True}, "got true or false; expected an object such as"),
    ],
)
def test_a_wrong_field_of_what_is_cut_off_is_said_in_the_same_words(changes: dict[str, Any], says: str) -> None:
    """Where the field's value cannot be shown, because the rest is no JSON, the reason says of what kind it was."""
    _, _, (reject,) = read(PlainRecord(prediction(**changes)[:-1] + b',"more":[1'))
    assert says in reject.reason


@pytest.mark.parametrize("name", ODD)
def test_messages_beside_such_an_array_are_read(name: str) -> None:
    """Other messages of the same run lose nothing either."""
    array = b"[" + ODD[name][0] + b"," + prediction(2) + b"]"
    records = [PlainRecord(data, number=number) for number, data in enumerate((prediction(1), array, prediction(3)))]
    ids, _, rejects = read(*records)
    assert ids == ["e-1", "e-2", "e-3"]
    assert [(reject.source_offset, reject.source_index) for reject in rejects] == [(1, 0)]


def test_every_odd_element_is_answered_for() -> None:
    """Events and the elements of Rejects add up, also if there are more wrong elements than Rejects of their own."""
    odd = [element for element, _ in ODD.values()]
    rows = [odd[n % len(odd)] if n % 3 else prediction(n) for n in range(3_000)]
    ids, indexes, rejects = read(PlainRecord(b"[" + b",".join(rows) + b"]"))
    assert ids == [f"e-{n}" for n in range(0, 3_000, 3)]
    assert indexes == list(range(0, 3_000, 3))
    assert len(rejects) == REJECTS_APART_MAX + 1
    assert sum(reject.elements for reject in rejects) == 2_000
    assert [rows[n] for n in (1, 2)] == [reject.original for reject in rejects[:2]]


@pytest.mark.parametrize(("data", "empty"), [(b"[%s,]", [1]), (b"[,%s]", [0]), (b"[%s,,%s]", [1])])
def test_a_comma_too_many_is_an_empty_element(data: bytes, empty: list[int]) -> None:
    """An empty element between two commas costs no other element."""
    count = data.count(b"%s")
    ids, _, rejects = read(PlainRecord(data % tuple(prediction(n) for n in range(count))))
    assert len(ids) == count
    assert [reject.source_index for reject in rejects] == empty
    assert rejects[0].reason.endswith("is empty; expected a JSON object, and a comma only between two")


@pytest.mark.parametrize(
    "data",
    [
        b"[" + prediction(1) + b',{"event_id":"e-2,' + prediction(3) + b"]",
        b"[" + prediction(1) + b"," + prediction(2),
        b"[" + prediction(1) + b"]]",
        b"[" + prediction(1) + b"],[" + prediction(2) + b"]",
        b"[" + prediction(1) + b',{"a":[1},' + prediction(3) + b"]",
    ],
)
def test_elements_that_cannot_be_told_apart_are_one_reject(data: bytes) -> None:
    """After a text that never ends, or with unbalanced brackets, nobody can say where an element begins."""
    ids, _, (reject,) = read(PlainRecord(data))
    assert ids == []
    assert (reject.source_index, reject.elements, reject.original) == (0, 1, data)


@pytest.mark.parametrize(
    "around",
    [b'{"time":NaN,"data":[%s]}', b'{"source":"\\q","data":[%s]}', b'{"data":[%s],"data":{"a":NaN}}', b'{"data":[%s]'],
)
def test_an_envelope_that_is_wrong_itself_is_one_reject(around: bytes) -> None:
    """The attributes of a CloudEvent are defaults for all elements of the array in it."""
    ids, _, (reject,) = read(PlainRecord(around % (prediction(1) + b",NaN"), header_list=STRUCTURED))
    assert (ids, reject.elements) == ([], 1)


def test_limits_stand_before_the_elements() -> None:
    """A message of too many elements is refused as a whole, whatever else is wrong with it."""
    data = b"[" + b",".join([b"NaN"] * 30) + b"]"
    arrivals = read_predictions(
        [PlainRecord(data)], PREFIX, now_ms=NOW_MS, future_ms_max=DAY_MS, limits=MessageLimits(events_max=20)
    )
    (reject,) = arrivals.rejects
    assert (reject.elements, reject.original) == (30, data)
