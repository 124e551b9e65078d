"""Every way of writing a prediction has the same meaning in JSON and Arrow, for every reader and for the producer."""

from __future__ import annotations

import functools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.wire.given import GivenLabel, GivenPrediction
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction
from schemas.wire.reject import Reject
from streams.client.outgoing import label_json, prediction_json
from streams.message_limits import MessageLimits
from streams.predictions.label_reader import label_of
from streams.predictions.message_reader import Arrivals, read_predictions
from streams.predictions.prediction_reader import PredictionReader, Readings
from tests.support.arrow_rows import ARROW_HEADERS, arrow_of
from tests.support.plain_readings import plain_arrivals, plain_parts
from tests.support.plain_record import PREFIX, PlainRecord
from tests.support.prediction_fields import NOW_MS, prediction_fields

DAY_MS = 86_400_000
OPTIONAL = [field.name for field in msgspec.structs.fields(Prediction) if not field.required]


prediction = functools.partial(prediction_fields, event_id="e-1")


def messages(value: Any) -> dict[str, PlainRecord]:
    """One prediction in every encoding."""
    data = json.dumps(value).encode()
    records = {
        "single": PlainRecord(data),
        "array": PlainRecord(b"[" + data + b"]"),
        "prefix": PlainRecord(b"\0\0\0\0\1" + data),
        "envelope": PlainRecord(
            json.dumps({"data": value}).encode(), header_list=[("content-type", b"application/cloudevents+json")]
        ),
    }
    records["arrow"] = PlainRecord(arrow_of([value]), header_list=ARROW_HEADERS)
    return records


def read(message: PlainRecord) -> tuple[Readings, Arrivals]:
    """The results of both readers, of the shaped one after it has learned the shape."""
    reader = PredictionReader(PREFIX, future_ms_max=DAY_MS)
    learned = json.dumps(prediction(model_version="1")).encode()
    reader.read([[PlainRecord(learned)]], now_ms=NOW_MS)
    reader.read([[PlainRecord(b"[" + learned + b"]")]], now_ms=NOW_MS)
    readings = reader.read([[message]], now_ms=NOW_MS)
    by_message = read_predictions([message], PREFIX, now_ms=NOW_MS, future_ms_max=DAY_MS)
    assert readings.rejects == by_message.rejects
    assert plain_parts(readings) == plain_arrivals(by_message)
    return readings, by_message


def only_event(message: PlainRecord) -> Prediction:
    _, by_message = read(message)
    assert by_message.rejects == []
    (event,) = by_message.events
    return event


def only_reject(message: PlainRecord) -> Reject:
    readings, _ = read(message)
    assert readings.parts == []
    (reject,) = readings.rejects
    return reject


NULLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{name: ({name: None}, {name: ...}) for name in OPTIONAL if name != "confidence"},
    "confidence": (
        {"confidence": None, "probabilities": {"stay": 0.75, "go": 0.25}},
        {"confidence": ..., "probabilities": {"stay": 0.75, "go": 0.25}},
    ),
    "in slices": ({"slices": {"region": None, "tier": "a"}}, {"slices": {"tier": "a"}}),
    "all of slices": ({"slices": {"region": None}}, {}),
    "in probabilities": ({"probabilities": {"stay": 1.0, "go": None}}, {"probabilities": {"stay": 1.0}}),
    "all of probabilities": ({"probabilities": {"stay": None}}, {}),
    "in consent": ({"consent": {"review": None, "learn": False}}, {"consent": {"learn": False}}),
    "all of consent": ({"consent": {"review": None, "learn": None}}, {}),
    "everything": (dict.fromkeys(OPTIONAL) | {"confidence": 0.5}, {"confidence": 0.5}),
}


@pytest.mark.parametrize("case", NULLS)
def test_null_means_absent(case: str) -> None:
    """Null for a field that is not set means the same as leaving the field out."""
    nulls, absent = NULLS[case]
    wanted = only_event(PlainRecord(json.dumps(prediction(**absent)).encode()))
    for way, message in messages(prediction(**nulls)).items():
        assert only_event(message) == wanted, way


@pytest.mark.parametrize("name", ["event_id", "model", "time", "features", "prediction"])
def test_null_is_no_required_field(name: str) -> None:
    """Required fields are still asked for by name."""
    for way, message in messages(prediction(**{name: None})).items():
        if way != "arrow":
            assert only_reject(message).field.endswith(f".{name}"), way


def test_a_null_producer_leaves_room_for_the_source() -> None:
    """CloudEvents' source is said of a prediction that names no producer, be it by leaving it out or by null."""
    data = json.dumps(prediction(producer=None)).encode()
    headers = [("ce_source", b"/services/churn")]
    for message in (PlainRecord(data, header_list=headers), PlainRecord(b"[" + data + b"]", header_list=headers)):
        assert only_event(message).producer == "/services/churn"


RATIO = st.sampled_from([0.0, 0.25, 1.0, 1.0000001, 1.00001, 1.02, 1.0201, 1.5, -1e-7, -1e-4, -0.001, -1.0])


def taken(value: float) -> float | None:
    return min(1.0, max(0.0, value)) if -1e-4 <= value <= 1.02 else None


@given(st.sampled_from(["confidence", "risk", "probabilities"]), RATIO)
@settings(deadline=None, max_examples=40)
def test_a_rounding_is_taken_alike_everywhere(field: str, value: float) -> None:
    """JSON and Arrow, every reader, and the producer that checks before it sends."""
    changes: dict[str, Any] = {field: value}
    if field == "probabilities":
        changes = {"confidence": ..., "probabilities": {"stay": value, "go": 1.0 - (taken(value) or 0.0)}}
    for way, message in messages(prediction(**changes)).items():
        if taken(value) is None:
            reject = only_reject(message)
            assert reject.field.endswith(f".{field}" if field != "probabilities" else ".probabilities.stay"), way
            assert reject.reason.startswith(f"got {value}; expected a number from 0 to 1 (a rounding up to 1.02 is"), (
                way
            )
        else:
            event = only_event(message)
            given_value = event.probabilities["stay"] if event.probabilities else getattr(event, field)
            assert given_value == taken(value), way
    sent = Prediction(**prediction(**changes))
    try:
        prediction_json(sent, now_ms=NOW_MS, future_seconds_max=60, bytes_max=10_000)
    except ValueError:
        assert taken(value) is None
    else:
        assert taken(value) is not None


def test_the_fields_are_those_of_a_prediction_and_of_a_label() -> None:
    """GivenPrediction has every field of Prediction, in the same order, and the same fields are required."""
    for strict, lenient in ((Prediction, GivenPrediction), (Label, GivenLabel)):
        wanted, given = (
            [(field.name, field.required) for field in msgspec.structs.fields(struct)] for struct in (strict, lenient)
        )
        assert wanted == given


def label(**changes: Any) -> bytes:
    whole = {"event_id": "e-1", "model": "churn", "label": "go", "time": NOW_MS}
    return json.dumps(whole | changes).encode()


def test_nulls_of_a_label() -> None:
    """Null means absent in a label as well."""
    wanted = label_of(PlainRecord(label()), MessageLimits(), DAY_MS)
    assert label_of(PlainRecord(label(purpose=None, source=None)), MessageLimits(), DAY_MS) == wanted


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"time": 0}, "looks like a time that was not set; expected when the truth was known"),
        ({"time": 1_700_000_000}, "look like seconds; expected when the truth was known"),
        ({"time": NOW_MS * 1_000}, f"{NOW_MS * 1_000}, which looks like microseconds; expected RFC 3339"),
        ({"time": NOW_MS + DAY_MS + 3_600_000}, "lies too far in the future, 1.0 h beyond what is taken now"),
        ({"time": NOW_MS * 1.5}, "expected RFC 3339"),
        ({"label": None}, "`$.label`"),
    ],
)
def test_a_wrong_label_says_why(changes: dict[str, Any], says: str) -> None:
    """A label's time is looked at as a prediction's is; the helper that sends labels says the same."""
    with pytest.raises(ValueError, match="at `") as caught:
        label_of(PlainRecord(label(**changes)), MessageLimits(), DAY_MS)
    assert says in str(caught.value)
    if isinstance(changes.get("time"), int):
        late = Label(event_id="e-1", model="churn", label="go", time=changes["time"])
        with pytest.raises(ValueError, match=r"looks? like|future"):
            label_json(late, now_ms=NOW_MS, future_seconds_max=DAY_MS // 1000)


def test_how_far_ahead_a_label_may_lie() -> None:
    """As far as a prediction may, counted from when Kafka took the message and whatever the reader's own clock says."""
    ahead = label(time=NOW_MS + DAY_MS)
    assert label_of(PlainRecord(ahead), MessageLimits(), DAY_MS).time == NOW_MS + DAY_MS
    for slack, taken_at in ((DAY_MS - 1, NOW_MS), (DAY_MS, NOW_MS - 1)):
        with pytest.raises(ValueError, match=r"too far in the future, 0\.0 h beyond .* - at `\$\.time`"):
            label_of(PlainRecord(ahead, time_ms=taken_at), MessageLimits(), slack)


CAFE, CAFE_APART = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("name", [CAFE, CAFE_APART])
def test_a_label_has_one_form_however_its_letters_are_put_together(name: str) -> None:
    """Composed and decomposed letters are the same label, in the prediction and its probabilities, for every reader."""
    changes = {"prediction": name, "confidence": ..., "probabilities": {CAFE_APART: 0.75, "tea": 0.25}}
    for way, message in messages(prediction(**changes)).items():
        event = only_event(message)
        assert (event.prediction, event.probabilities) == (CAFE, {CAFE: 0.75, "tea": 0.25}), way
    for way, message in messages(prediction(prediction=name)).items():
        assert only_event(message).prediction == CAFE, way
    assert label_of(PlainRecord(label(label=name)), MessageLimits(), DAY_MS).label == CAFE


WRONG_LABELS = {
    "x ": "has blanks around it",
    "\u00a0x": "has blanks around it",
    " ": "has blanks around it",
    " 1": "has blanks around it",
    "": "is an empty text",
    "\u0000": "holds the control character U+0000",
    "a\nb": "holds the control character U+000A",
    "\x1b[31mgo": "holds the control character U+001B",
    "a\u2028b": "holds the control character U+2028",
    "\u200b": "has no character that is seen",
    "\u3164": "has no character that is seen",
    "\u034f\u115f": "has no character that is seen",
    "\u2800": "has no character that is seen",
    "__cannot_tell__": "is reserved for people who give no label",
    "__withdrawn__": "is reserved for people who give no label",
    "\u0958" * 150: "300 characters in Unicode's NFC; a label has at most 200",
}


@pytest.mark.parametrize("name", WRONG_LABELS)
def test_what_is_no_label_is_refused_wherever_it_stands(name: str) -> None:
    """A prediction, an entry of probabilities and a late label are refused with their field, by readers and senders."""
    says = WRONG_LABELS[name]
    among = {"prediction": "stay", "confidence": ..., "probabilities": {"stay": 1.0, name: 0.0}}
    for changes, field in (({"prediction": name}, "prediction"), (among, "probabilities")):
        for way, message in messages(prediction(**changes)).items():
            reject = only_reject(message)
            assert says in reject.reason, way
            assert reject.field.endswith(f".{field}"), way
        with pytest.raises(ValueError, match=r"blanks|people|NFC|empty|control|seen"):
            prediction_json(Prediction(**prediction(**changes)), now_ms=NOW_MS, future_seconds_max=60, bytes_max=10_000)
    with pytest.raises(ValueError, match=r"at `\$\.label`") as caught:
        label_of(PlainRecord(label(label=name)), MessageLimits(), DAY_MS)
    assert says in str(caught.value)


def test_two_probabilities_of_one_label_are_refused() -> None:
    """Two labels that compose to the same one are refused, because one of their probabilities would be lost."""
    changes = {"prediction": CAFE, "confidence": ..., "probabilities": {CAFE: 0.5, CAFE_APART: 0.5}}
    for way, message in messages(prediction(**changes)).items():
        reject = only_reject(message)
        assert reject.reason.startswith(r"'caf\xe9' and 'cafe\u0301' are the same label"), way


def test_letters_of_other_scripts_are_other_labels() -> None:
    """Letters that only look alike, such as x in Latin and in Cyrillic, stay different labels."""
    for way, message in messages(prediction(prediction="\u0445")).items():
        assert only_event(message).prediction == "\u0445", way


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (r'"\ud800"', r"half of a surrogate pair: \ud800 (byte 13); expected both or neither"),
        (r'"e\uDBFFx"', r"half of a surrogate pair: \uDBFF (byte 14)"),
        (r'"\udc00 and more of it"', r"half of a surrogate pair: \udc00 (byte 13)"),
        (r'"\ud800\u0041"', r"half of a surrogate pair: \ud800 (byte 13)"),
        (r'"\ud83d\ude00\ud83d"', r"half of a surrogate pair: \ud83d (byte 25)"),
        (r'"\\ud800', "truncated"),
    ],
)
def test_half_a_surrogate_pair_is_called_so(text: str, says: str) -> None:
    """At the end of a text the decoder calls it truncated; an escaped backslash before a u begins no escape."""
    rest = "}" if text.endswith('"') else ""
    reject = only_reject(PlainRecord(f'{{"event_id":{text}{rest}'.encode()))
    assert says in reject.reason
