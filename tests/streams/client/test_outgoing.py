"""What a producer sends is checked as INTAKE checks it, and packed within its bounds."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import json
import math
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.wire.label import Label
from schemas.wire.prediction import Consent, Prediction
from streams.client.outgoing import label_json, packed, prediction_json
from streams.errors import StreamsError, WrongEvent
from streams.message_limits import PREDICTION_BYTES_MAX, prediction_bytes_max
from streams.predictions.message_reader import Arrivals, read_predictions
from streams.settings import ProducerSettings, VerdictReaderSettings, checked
from tests.support.paths import ROOT
from tests.support.plain_record import PREFIX, PlainRecord

NOW_MS = 1_700_000_000_000
FUTURE_SECONDS_MAX = 60
BYTES_MAX = 10_000


def prediction(**changes: Any) -> Prediction:
    given_: dict[str, Any] = {
        "event_id": "e-1",
        "model": "churn",
        "time": NOW_MS,
        "features": {"age": 41, "plan": "gold"},
        "prediction": "stay",
        "confidence": 0.9,
    }
    return Prediction(**(given_ | changes))


def json_of(event: Prediction) -> bytes:
    return prediction_json(event, now_ms=NOW_MS, future_seconds_max=FUTURE_SECONDS_MAX, bytes_max=BYTES_MAX)


def refusal_of(event: Prediction) -> WrongEvent:
    with pytest.raises(WrongEvent) as caught:
        json_of(event)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, StreamsError)
    assert str(caught.value) == f"{caught.value.what}: {caught.value.reason}"
    assert "\n" not in str(caught.value)
    return caught.value


def read(data: bytes) -> Arrivals:
    """The message as INTAKE reads it."""
    record = PlainRecord(data, time_ms=NOW_MS)
    return read_predictions(
        [record], PREFIX, now_ms=NOW_MS, future_ms_max=FUTURE_SECONDS_MAX * 1000, bytes_max=BYTES_MAX
    )


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no event id": ({"event_id": ""}, "$.event_id"),
    "long event id": ({"event_id": "e" * 201}, "$.event_id"),
    "number for an id": ({"event_id": 7}, "$.event_id"),
    "no model": ({"model": ""}, "$.model"),
    "time without an offset": ({"time": dt.datetime(2023, 11, 14)}, "$.time"),  # noqa: DTZ001  # that is the point
    "time before 1970": ({"time": dt.datetime(1960, 1, 1, tzinfo=dt.UTC)}, "$.time"),
    "negative time": ({"time": -1}, "$.time"),
    "time in seconds, a fraction": ({"time": 1_700_000_000.5}, "$.time"),
    "time ahead": ({"time": NOW_MS + FUTURE_SECONDS_MAX * 1000 + 1}, "$.time"),
    "no features": ({"features": None}, "$.features"),
    "too many features": ({"features": {f"f{n}": 0 for n in range(1001)}}, "$.features"),
    "nested feature": ({"features": {"age": 41, "words": ["a"]}}, "$.features.words"),
    "prediction is a fraction": ({"prediction": 0.5}, "$.prediction"),
    "prediction is nothing": ({"prediction": None}, "$.prediction"),
    "confidence above 1": ({"confidence": 1.5}, "$.confidence"),
    "confidence is text": ({"confidence": "high"}, "$.confidence"),
    "neither confidence nor probabilities": ({"confidence": None}, "$.confidence"),
    "probabilities without the answer": ({"probabilities": {"go": 1.0}}, "$.probabilities"),
    "probabilities that do not sum to 1": ({"probabilities": {"stay": 0.5, "go": 0.1}}, "$.probabilities"),
    "name of two lines": ({"features": {"a\nb": []}}, r"$.features.a\nb"),
    "endless integer": ({"features": {"n": 10**250}}, "$.features.n"),
    "endless label": ({"prediction": 10**250}, "$.prediction"),
    "risk above 1": ({"risk": 2}, "$.risk"),
    "consent that is no object": ({"consent": True}, "$.consent"),
    "too many slices": ({"slices": {f"s{n}": "a" for n in range(51)}}, "$.slices"),
    "too large": ({"content": "x" * BYTES_MAX}, ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_intake_rejects_is_refused_in_the_same_words(name: str) -> None:
    """The error has the field and the reason that the Reject would have."""
    changes, field = WRONG[name]
    event = prediction(**changes)
    refused = refusal_of(event)
    assert refused.field == field
    (reject,) = read(msgspec.json.encode(event)).rejects
    assert (refused.reason, refused.field) == (reject.reason, reject.field)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"probabilities": {"stay": 0.5, "go": math.nan}}, "$.probabilities.go"),
        ({"slices": {"region": "EU", "age": 41}}, "$.slices.age"),
        ({"features": {"age": 41, "income": math.inf}}, "$.features.income"),
        ({"features": {"age": np.float32("-inf")}}, "$.features.age"),
        ({"features": {"when": object()}}, "$.features.when"),
        ({"features": {"rows": np.arange(3)}}, "$.features.rows"),
        ({"features": {"half": "\ud800"}}, "$.features.half"),
        ({"features": {"\ud800": 1}}, r"$.features.\ud800"),
        ({"features": {("a", "b"): 1}}, "$.features.('a', 'b')"),
        ({"prediction": 1j}, "$.prediction"),
        ({"risk": math.nan}, "$.risk"),
        ({"confidence": math.inf, "probabilities": {"stay": 1.0}}, "$.confidence"),
        ({"features": {"long": np.longdouble(1)}}, "$.features.long"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_name(changes: dict[str, Any], field: str) -> None:
    """A value that JSON cannot hold, or would lose, is named down to the feature."""
    assert refusal_of(prediction(**changes)).field == field


def test_scalars_of_numpy_travel_as_plain_ones() -> None:
    """Values as a model returns them are accepted; NaN, which stands for a missing value, becomes null."""
    event = prediction(
        features={
            "half": np.float32(0.5),
            "many": np.int64(7),
            "yes": np.bool_(True),
            "word": np.str_("a"),
            "missing": np.float64("nan"),
            "exact": decimal.Decimal("1.50"),
        },
        prediction=np.int64(3),
        confidence=np.float64(0.75),
    )
    decoded = decode(Prediction, json_of(event))
    assert decoded.features == {"half": 0.5, "many": 7, "yes": True, "word": "a", "missing": None, "exact": 1.5}
    assert [type(value) for value in decoded.features.values()] == [float, int, bool, str, type(None), float]
    assert (decoded.prediction, decoded.confidence) == (3, 0.75)


LATEST = dt.datetime(2100, 1, 1)  # noqa: DTZ001  # hypothesis adds the offsets
NAMES = st.text(min_size=1, max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
EVENTS = st.builds(
    prediction,
    event_id=st.text(max_size=3),
    time=st.integers(-1000, NOW_MS + 120_000)
    | st.datetimes(LATEST.replace(year=1950), LATEST, timezones=st.none() | st.just(dt.UTC)),
    features=st.dictionaries(NAMES, SCALARS, max_size=4),
    prediction=st.sampled_from(["stay", "go"]) | st.integers() | st.booleans(),
    confidence=st.none() | st.floats(0, 1) | st.floats(),
    probabilities=st.none()
    | st.just({"stay": 0.25, "go": 0.75})
    | st.fixed_dictionaries({"stay": st.floats(0, 1), "go": st.floats(0, 1)}),
    slices=st.dictionaries(NAMES, st.text(max_size=3), max_size=2),
    risk=st.none() | st.floats(0, 1),
    consent=st.builds(Consent, review=st.booleans(), learn=st.booleans()),
)


@given(EVENTS)
@settings(max_examples=300, deadline=None)
def test_what_is_sent_is_never_rejected(event: Prediction) -> None:
    """Every prediction is either refused at once, or accepted by INTAKE."""
    try:
        data = json_of(event)
    except WrongEvent as error:
        assert error.reason  # noqa: PT017  # both ways are right
    else:
        arrivals = read(data)
        assert not arrivals.rejects
        assert [arrived.event_id for arrived in arrivals.events] == [event.event_id]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": ""}, "$.event_id"),
        ({"label": 0.5}, "$.label"),
        ({"purpose": "train"}, "$.purpose"),
        ({"label": np.arange(2)}, "$.label"),
        ({"label": ""}, "$.label"),
        ({"time": NOW_MS + 61_000}, "$.time"),
    ],
)
def test_a_wrong_label_is_refused(changes: dict[str, Any], field: str) -> None:
    """A label is checked as a prediction is."""
    made = Label(**({"event_id": "e-1", "model": "churn", "label": "go", "time": NOW_MS} | changes))
    with pytest.raises(WrongEvent, match=r"^label '(e-1)?': ") as caught:
        label_json(made, now_ms=NOW_MS, future_seconds_max=60)
    assert caught.value.field == field


@given(
    st.lists(st.integers(2, 60), max_size=40),
    st.integers(1, 10),
    st.integers(2, 150),
)
@settings(max_examples=200, deadline=None)
def test_packing_keeps_order_and_bounds(sizes: list[int], events_max: int, bytes_max: int) -> None:
    """Every event is packed once, in order; only a single event exceeds a bound; no two messages would fit into one."""
    events = [(f"e{number}", b'"' + b"x" * (size - 2) + b'"') for number, size in enumerate(sizes)]
    messages = list(packed(events, events_max=events_max, bytes_max=bytes_max))
    assert [event_id for ids, _ in messages for event_id in ids] == [event_id for event_id, _ in events]
    values = [json.loads(data) for _, data in messages]
    flat = [element for value in values for element in (value if isinstance(value, list) else [value])]
    assert flat == [json.loads(data) for _, data in events]
    for ids, data in messages:
        assert len(ids) <= events_max
        assert len(data) <= bytes_max or len(ids) == 1
    for (ids, _), (next_ids, _) in itertools.pairwise(messages):
        whole = [json.loads(dict(events)[event_id]) for event_id in (*ids, next_ids[0])]
        assert len(whole) > events_max or len(json.dumps(whole, separators=(",", ":"))) > bytes_max


def test_packing_hands_out_what_came_before_a_wrong_event() -> None:
    """The events before a wrong one are packed all the same."""

    def events() -> Any:
        yield "e0", b"0"
        yield "e1", b"1"
        raise WrongEvent("prediction 'e2'", "wrong", "$.time", 2)

    messages = packed(events(), events_max=10, bytes_max=100)
    assert next(messages) == (("e0", "e1"), b"[0,1]")
    with pytest.raises(WrongEvent):
        next(messages)


def test_the_largest_prediction_follows_the_largest_message() -> None:
    """It is a quarter of a message, and at most a MiB."""
    assert prediction_bytes_max(64 * 1024) == 16 * 1024
    assert prediction_bytes_max(64 * 1024 * 1024) == PREDICTION_BYTES_MAX


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (ProducerSettings(buffered_events_max=0), "buffered_events_max"),
        (ProducerSettings(at_bound="forget"), "at_bound"),  # type: ignore[arg-type]
        (VerdictReaderSettings(begin="now"), "begin"),  # type: ignore[arg-type]
    ],
)
def test_a_setting_out_of_bounds_is_named(wrong: msgspec.Struct, field: str) -> None:
    """One line with the setting's name and what it may be."""
    with pytest.raises(ValueError, match=rf"^{type(wrong).__name__}: .*`\$\.{field}`$"):
        checked(wrong)


def test_a_service_needs_no_role() -> None:
    """Importing the helper brings schemas, streams, msgspec and confluent_kafka with what that needs, nothing else."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import streams.client\n"
        "found = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(found - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"typing_extensions"} == {"confluent_kafka", "msgspec", "schemas", "streams"}
