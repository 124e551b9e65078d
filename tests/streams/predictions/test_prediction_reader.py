"""Predictions as columns: whatever was learned of their shape, they are what the message reader reads."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.prediction import Prediction
from streams.predictions.json.gathered_events import GatheredEvents
from streams.predictions.json.shaped_columns import columns_of
from streams.predictions.json.shapes import ABSENT, SHAPE_CHANGES_MAX, SHAPED_FEATURES_MAX, Shape
from streams.predictions.message_reader import read_predictions
from streams.predictions.parts import Part
from streams.predictions.prediction_reader import PredictionReader, Readings
from tests.support.plain_columns import plain
from tests.support.plain_record import PREFIX, PlainRecord
from tests.support.prediction_fields import NOW_MS, prediction_fields

DAY_MS = 86_400_000


prediction = functools.partial(prediction_fields, confidence=0.9)


Headers = list[tuple[str, bytes | None]]


def records(values: Sequence[Any], begin: int = 0) -> list[PlainRecord]:
    """Messages made of bytes, of values to be written as JSON, or of either with headers."""
    told = [value if isinstance(value, tuple) else (value, None) for value in values]
    data = [value if isinstance(value, bytes) or value is None else json.dumps(value).encode() for value, _ in told]
    return [
        PlainRecord(value, partition_number=3, number=begin + number, header_list=headers)
        for number, (value, (_, headers)) in enumerate(zip(data, told, strict=True))
    ]


def reader(**options: Any) -> PredictionReader:
    return PredictionReader(PREFIX, future_ms_max=DAY_MS, **options)


def read(made: PredictionReader, values: Sequence[Any]) -> Readings:
    return made.read([records(values)], now_ms=NOW_MS)


def is_shaped(made: PredictionReader, values: Sequence[Any]) -> bool:
    """Whether the shaped decoder reads these messages by itself."""
    return made._read_shaped(records(values), GatheredEvents()) is not None


VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=4)
)
ODD = st.sampled_from(
    [
        prediction(features={"nested": {}}),
        prediction(confidence=...),
        prediction(confidence=..., probabilities={"stay": 0.7, "go": 0.3}),
        prediction(probabilities={"stay": 0.5, "go": 0.4}),
        prediction(time=NOW_MS + 10 * DAY_MS),
        prediction(time="2023-11-14T22:13:20+00:00"),
        prediction(event_id=""),
        prediction(features={"huge": 10**250}),
        [prediction(), prediction(confidence=2)],
        [],
        b"rubbish",
        b"",
        None,
        b'{"event_id":"a","event_id":"b","model":"churn","time":0,"features":{"age":1,"age":2},"prediction":"a","confidence":1}',
    ]
)


@st.composite
def usual(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.sets(st.sampled_from(["age", "plan", "ä ö", "x.y", "f0", "model"]), max_size=4))
    return prediction(
        draw(st.integers(0, 9)),
        draw(st.sampled_from(["churn", "fraud"])),
        features={name: draw(VALUE) for name in sorted(names)},
        prediction=draw(st.sampled_from(["stay", 7, True])),
        model_version=draw(st.sampled_from([..., None, "", "3"])),
        confidence=draw(st.sampled_from([0.9, 0.9, 1.0000001, 1.02, -1e-7, 1.03])),
        probabilities=draw(
            st.sampled_from(
                [..., ..., None, {"stay": 1.0000001, "go": None}, {"stay": None}, {"stay": 1.01, "7": -1e-5, "true": 0}]
            )
        ),
        risk=draw(st.sampled_from([..., None, 0.5, 1.0000001])),
        slices=draw(
            st.sampled_from([..., None, {}, {"region": "EU"}, {"region": None}, {"region": "EU", "tier": None}])
        ),
        consent=draw(
            st.sampled_from([..., None, {"review": False}, {"learn": False, "review": None}, {"review": None, "x": 1}])
        ),
        subject=draw(st.sampled_from([..., None, "s"])),
        content=draw(st.sampled_from([..., None, "text"])),
        producer=draw(st.sampled_from([..., None, "service"])),
    )


HEADERS = st.lists(
    st.sampled_from(
        [
            ("traceparent", b"00-1-2-01"),
            ("content-type", b"application/json"),
            ("content-type", b"application/cloudevents+json"),
            ("content-type", b"application/cloudevents+avro"),
            ("content-type", b"application/vnd.apache.arrow.stream"),
            ("ce_specversion", b"1.0"),
            ("ce_id", b"header-1"),
            ("CE_ID", b""),
            ("ce_id", b"\xff"),
            ("ce_time", b"2023-11-14T22:13:20Z"),
            ("ce_time", b"2033-11-14T22:13:20Z"),
            ("ce_time", b"yesterday"),
            ("ce_source", b"/service"),
            ("ce_source", b"x" * 201),
            ("ce_source", None),
        ]
    ),
    max_size=4,
)


@st.composite
def wrapped(draw: st.DrawFn) -> Any:
    """A message with headers, a registry's prefix or in an envelope, or several of these, and fields left to them."""
    left_out = dict.fromkeys(draw(st.sets(st.sampled_from(["event_id", "time"]))), ...)
    event: Any = {**draw(usual()), **left_out}
    event = {name: value for name, value in event.items() if value is not ...}
    event = draw(st.sampled_from([event, [event], [event, prediction(), 3], {}, [{}]]))
    if draw(st.booleans()):
        event = {"id": draw(st.sampled_from(["e-1", "", 3])), "time": "2023-11-14T22:13:20Z", "data": event}
    data = draw(st.sampled_from([b"", b"\0\0\0\0\1", b"\0\0\0\0\2", b"\0", b" "])) + json.dumps(event).encode()
    return data, draw(HEADERS)


MESSAGES = usual() | ODD | st.lists(usual(), max_size=3) | wrapped()


class OddIsJson:
    """A registry whose schemas with even ids are another kind."""

    def problem_of(self, schema_id: int) -> str | None:
        return None if schema_id % 2 else "even"


@given(st.lists(usual(), max_size=6), st.lists(MESSAGES, min_size=1, max_size=6), st.sampled_from([None, OddIsJson()]))
@settings(max_examples=400, deadline=None)
def test_columns_are_what_the_message_reader_reads(before: list[Any], values: list[Any], schemas: Any) -> None:
    """Whatever shapes were learned from earlier messages, events, places and Rejects are the same."""
    made = reader(schemas=schemas)
    if before:
        read(made, before)
        read(made, before)
    readings = read(made, values)
    by_message = read_predictions(records(values), PREFIX, now_ms=NOW_MS, future_ms_max=DAY_MS, schemas=schemas)
    assert readings.rejects == by_message.rejects
    by_model: dict[str, list[Prediction]] = {}
    for event in by_message.events:
        by_model.setdefault(event.model, []).append(event)
    parts = [part.of_model(number) for part in readings.parts for number in range(len(part.columns.models))]
    assert {part.columns.model for part in parts} == set(by_model)
    for part in parts:
        assert plain(part.columns) == plain(PredictionColumns.of(by_model[part.columns.model]))
        indexes = [index for index, event in enumerate(by_message.events) if event.model == part.columns.model]
        for name in ("partitions", "offsets", "indexes"):
            assert getattr(part, name).tolist() == [getattr(by_message, name)[index] for index in indexes]


@pytest.mark.parametrize("many", [False, True])
def test_a_shape_is_learned_from_the_first_batch(many: bool) -> None:
    """The second batch of a model is read by a decoder made for it, singles and arrays alike."""
    made = reader()
    values: list[Any] = [prediction(number) for number in range(10)]
    values = [values] if many else values
    assert not is_shaped(made, values)
    read(made, values)
    assert is_shaped(made, values)


def test_models_of_one_topic_have_a_shape_each() -> None:
    """Fifty models with features of their own are read by one decoder, and come apart into a part each."""
    made = reader()
    values = [prediction(n, f"m{n % 50}", features={f"x{n % 50}": n + 0.5, "all": "a"}) for n in range(200)]
    read(made, values)
    assert is_shaped(made, values)
    parts = read(made, values).parts
    assert len(parts) == 50
    assert all(set(part.columns.features) == {f"x{part.columns.model[1:]}", "all"} for part in parts)
    assert sorted(offset for part in parts for offset in part.offsets.tolist()) == list(range(200))


def test_whole_numbers_stay_whole() -> None:
    """A feature that was a fraction and then a whole number, however large, keeps its digits."""
    made = reader()
    read(made, [prediction(features={"id": 0.5})])
    values = [prediction(features={"id": 2**60 + 1}), prediction(features={"id": 1.5})]
    assert is_shaped(made, values)
    (part,) = read(made, values).parts
    assert list(part.columns.features["id"].values) == [2**60 + 1, 1.5]
    assert isinstance(part.columns.row_features(0)["id"], int)


@pytest.mark.parametrize(
    ("changes", "confidence"),
    [
        ({"confidence": 0.25, "probabilities": {"stay": 0.75, "go": 0.25}}, 0.25),
        ({"confidence": ..., "probabilities": {"stay": 0.75, "go": 0.25}}, 0.75),
        ({"confidence": ..., "probabilities": {"true": 0.625, "false": 0.375}, "prediction": True}, 0.625),
        ({"confidence": ...}, None),
        ({"probabilities": {"go": 1.0}}, None),
        ({"confidence": ..., "probabilities": {"go": 1.0}}, None),
        ({"probabilities": {"stay": 0.5, "go": 0.25}}, None),
    ],
)
@pytest.mark.parametrize("others", [{}, {"probabilities": {"stay": 1.0}}])
def test_a_confidence_or_probabilities(
    changes: dict[str, Any], confidence: float | None, others: dict[str, Any]
) -> None:
    """What probabilities say is read by shape as well; where they are wrong, the message reader says how."""
    made = reader()
    read(made, [prediction()])
    values = [prediction(0, **others), prediction(1, **changes)]
    assert is_shaped(made, values) == (confidence is not None)
    readings = read(made, values)
    if confidence is None:
        assert [reject.source_offset for reject in readings.rejects] == [1]
    else:
        assert readings.parts[0].columns.confidence.tolist() == [0.9, confidence]


def test_columns_keep_no_event_alive() -> None:
    """Columns outlive the batch by far: of a decoded event nothing may stay but what they hold."""
    shape = Shape.of("churn", [{"age": 41.5, "plan": "gold"}])
    values = [prediction(number, subject=f"s-{number}") for number in range(3)]
    events = msgspec.json.decode(json.dumps(values).encode(), type=list[shape.struct])  # type: ignore[name-defined]

    def references() -> list[int]:
        return [count for event in events for count in (sys.getrefcount(event), sys.getrefcount(event.subject))]

    before = references()
    columns = columns_of([(shape, len(events))], events, NOW_MS + DAY_MS)
    assert columns is not None
    assert references() == before
    assert columns.row_features(2) == values[2]["features"]


ROWS = st.lists(st.dictionaries(st.sampled_from("abcd"), st.sampled_from([1, 2.5, "x", None])), min_size=1, max_size=5)


@given(st.lists(ROWS, min_size=1, max_size=3))
def test_a_shape_learns_the_same_in_one_go_and_in_several(batches: list[list[dict[str, Any]]]) -> None:
    """A name is absent from a shape as soon as one row lacks it, before the name first came or after it."""
    rows = [row for batch in batches for row in batch]
    expected = {
        name: {type(row[name]) if name in row else ABSENT for row in rows}
        for name in dict.fromkeys(name for row in rows for name in row)
    }
    shape: Shape | None = None
    for batch in batches:
        shape = Shape.of("churn", batch, shape)
    assert shape is not None
    assert shape.types == Shape.of("churn", rows).types == expected


def test_one_bad_message_does_not_spoil_the_shape() -> None:
    """A run with rubbish in it is read with care, the next one fast again."""
    made = reader()
    good = [prediction(number) for number in range(5)]
    read(made, good)
    readings = read(made, [*good, b"rubbish"])
    assert (len(readings.rejects), len(readings.parts[0].columns)) == (1, 5)
    assert is_shaped(made, good)


def test_a_producer_that_invents_names_is_given_up() -> None:
    """After ``SHAPE_CHANGES_MAX`` changes no further decoder is made for the model, and nothing is lost."""
    made = reader()
    for number in range(SHAPE_CHANGES_MAX + 10):
        (part,) = read(made, [prediction(features={f"invented{number}": 1.0})]).parts
        assert list(part.columns.features) == [f"invented{number}"]
    values = [prediction(features={f"invented{SHAPE_CHANGES_MAX + 9}": 1.0})]
    assert not is_shaped(made, values)
    read(made, [prediction(model="other")])
    assert is_shaped(made, [prediction(model="other")])


@pytest.mark.parametrize(
    "features",
    [
        {f"f{number}": 1.0 for number in range(SHAPED_FEATURES_MAX + 1)},
        {'a"b': 1.0},
        {"back\\slash": 1.0},
        {"tab\t": 1},
    ],
)
def test_what_has_no_shape_is_read_all_the_same(features: dict[str, Any]) -> None:
    """Too many features, or names that no field can have, are left to the general decoder."""
    made = reader()
    values = [prediction(number, features=features) for number in range(3)]
    read(made, values)
    assert not is_shaped(made, values)
    (part,) = read(made, values).parts
    assert part.columns.row_features(2) == features


def test_models_beyond_the_bound_have_no_shape() -> None:
    """The shapes of ``models_max`` models are kept; the events of one more are read by the general decoder."""
    made = reader(models_max=2)
    for model in ("a", "b", "c"):
        read(made, [prediction(model=model)])
    assert [is_shaped(made, [prediction(model=model)]) for model in ("a", "b", "c")] == [True, True, False]
    assert read(made, [prediction(model="c")]).parts[0].columns.model == "c"


def test_a_draw_is_the_same_whichever_way_an_event_was_read() -> None:
    """Hashes of ids, on which audit and samples rest, do not depend on the decoder."""
    made = reader()
    values = [prediction(number) for number in range(20)]
    first, second = (read(made, values).parts[0].columns for _ in range(2))
    assert np.array_equal(first.hashes, second.hashes)


def test_parts_of_a_model_are_joined_in_the_order_of_their_partitions() -> None:
    """What came as Arrow was read before the JSON around it; blocks and verdicts need each partition in order."""
    made = [Prediction(f"e{number}", "m", number, {}, "a", confidence=0.5) for number in range(6)]

    def part(partition: int, *positions: tuple[int, int]) -> Part:
        """A part of events with these offsets and indexes in one partition."""
        events = [made[offset + index] for offset, index in positions]
        offsets, indexes = (np.array(column) for column in zip(*positions, strict=True))
        return Part(PredictionColumns.of(events), np.full(len(positions), partition), offsets, indexes)

    joined = Part.joined([part(1, (1, 0), (1, 1)), part(1, (0, 0), (3, 0)), part(0, (4, 0))])
    where = list(zip(joined.partitions.tolist(), joined.offsets.tolist(), joined.indexes.tolist(), strict=True))
    assert where == [(0, 4, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 3, 0)]
    assert joined.columns.event_ids.texts == ["e4", "e0", "e1", "e2", "e3"]
    assert Part.joined([part(0, (0, 0)), part(1, (1, 0)), part(0, (2, 0))]).offsets.tolist() == [0, 2, 1]
