"""Arrow messages: they mean what the same events mean as JSON, and nothing in them stops a stream."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns.prediction_columns import PredictionColumns
from streams.message_limits import PREDICTION_BYTES_MAX, MessageLimits
from streams.predictions.arrow import stream as arrow_stream
from streams.predictions.arrow.arrow_reader import GatheredTables
from streams.predictions.message_elements import elements_of
from streams.predictions.prediction_reader import Readings
from tests.support.arrow_reading import (
    DAY_MS,
    Headers,
    ids,
    only_reject,
    read,
    read_messages,
    record,
)
from tests.support.arrow_rows import ARROW_HEADERS, Style, arrow_of, stream_of, table_of
from tests.support.plain_columns import plain
from tests.support.plain_readings import plain_arrivals, plain_parts
from tests.support.plain_record import PlainRecord
from tests.support.prediction_fields import NOW_MS, prediction_fields

NUMBERS = st.integers(-1_000, 1_000).map(lambda number: number / 4)
FEATURES = {
    "age": st.none() | NUMBERS,
    "n": st.none() | st.integers(-(2**62), 2**62),
    "plan": st.none() | st.text('ab\u0000\U0001f600"\\', max_size=5),
    "new": st.booleans(),
    "empty": st.none(),
}
RATIOS = st.sampled_from([0.0, 0.25, 0.5, 1.0])
WRONG: list[dict[str, Any]] = [
    {"event_id": ""},
    {"event_id": None},
    {"event_id": "x" * 201},
    {"model": ""},
    {"model": None},
    {"time": -1},
    {"time": NOW_MS + DAY_MS + 1},
    {"time": 2**53},
    {"time": None},
    {"features": None},
    {"prediction": None},
    {"confidence": 1.5},
    {"confidence": None},
    {"risk": -0.5},
    {"model_version": "v" * 201},
    {"slices": {"region": "x" * 201}},
    {"slices": {"": "EU"}},
    {"features": {"": 1.0}},
    {"features": {"n" * 201: 1.0}},
    {"features": {f"f{n}": 1.0 for n in range(1_001)}},
    {"confidence": None, "probabilities": {"other": 1.0}},
    {"probabilities": {"stay": 0.5, "go": 0.25}},
    {"probabilities": {"stay": 1.5, "go": -0.5}},
    {"content": "c" * 100_001},
]


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows whose columns have one type each; a few are wrong."""
    labels = draw(st.sampled_from([["stay", "go"], [7, -3], [True, False]]))
    names = draw(st.lists(st.sampled_from(sorted(FEATURES)), unique=True, max_size=4))
    optional = draw(st.sets(st.sampled_from(["risk", "slices", "consent", "content", "producer", "subject"])))
    by_probabilities = draw(st.booleans())
    wrong = [changes for changes in WRONG if type(labels[0]) is str or "probabilities" not in changes]
    rows = []
    for number in range(draw(st.integers(1, 6))):
        row = prediction_fields(
            number,
            draw(st.sampled_from(["churn", "fraud"])),
            features={name: draw(FEATURES[name]) for name in names},
            prediction=draw(st.sampled_from(labels)),
            confidence=draw(RATIOS),
        )
        if by_probabilities:
            spelled = [json.dumps(label).strip('"') for label in labels]
            row |= {
                "probabilities": dict(zip(spelled, [0.25, 0.75], strict=True)),
                "confidence": draw(st.none() | RATIOS),
            }
        values = {
            "risk": draw(st.none() | RATIOS),
            "slices": draw(st.sampled_from([None, {"region": "EU"}, {"region": None, "tier": "1"}, {}])),
            "consent": draw(st.sampled_from([None, {"review": False}, {"review": True, "learn": False}])),
            "content": draw(st.sampled_from([None, "", "text"])),
            "producer": draw(st.sampled_from([None, "service"])),
            "subject": draw(st.sampled_from([None, "s-1"])),
        }
        row |= {name: values[name] for name in optional}
        if draw(st.integers(0, 5)) == 0:
            row |= draw(st.sampled_from(wrong))
        rows.append(row)
    return rows


STYLES = st.builds(
    Style,
    text=st.sampled_from(
        [
            pa.string(),
            pa.large_string(),
            pa.string_view(),
            pa.dictionary(pa.int8(), pa.string()),
            pa.dictionary(pa.int32(), pa.large_string()),
        ]
    ),
    time=st.sampled_from([pa.int64(), pa.timestamp("ms", "UTC"), pa.timestamp("us", "Europe/Berlin")]),
    as_maps=st.booleans(),
    rows_per_batch=st.integers(1, 4),
    compression=st.sampled_from([None, "lz4", "zstd"]),
)


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """The JSON that a row stands for: null is absent."""
    return {
        name: {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, dict) else value
        for name, value in row.items()
        if value is not None
    }


@given(tables(), STYLES)
@settings(max_examples=400, deadline=None)
def test_arrow_means_what_json_means(rows: list[dict[str, Any]], style: Style) -> None:
    """The same events as a JSON array and as Arrow, however laid out, give the same columns, events and Rejects."""
    message = record(arrow_of(rows, style))
    by_message, readings = read_messages([message]), read([message])
    expected = read_messages([record(json.dumps(list(map(as_json, rows))).encode(), headers=[])])
    assert by_message.events == expected.events
    assert (by_message.times_ms, by_message.indexes) == (expected.times_ms, expected.indexes)
    assert readings.rejects == by_message.rejects
    assert [(reject.source_index, reject.field) for reject in readings.rejects] == [
        (reject.source_index, reject.field) for reject in expected.rejects
    ]
    parts = [part.of_model(number) for part in readings.parts for number in range(len(part.columns.models))]
    assert {part.columns.model for part in parts} == {event.model for event in expected.events}
    for part in parts:
        indexes = [index for index, event in enumerate(expected.events) if event.model == part.columns.model]
        assert plain(part.columns) == plain(PredictionColumns.of([expected.events[index] for index in indexes]))
        assert part.indexes.tolist() == [expected.indexes[index] for index in indexes]
        assert (set(part.partitions.tolist()), set(part.offsets.tolist())) == ({3}, {7})


@given(tables(), STYLES)
@settings(max_examples=100, deadline=None)
def test_a_reject_can_be_sent_again(rows: list[dict[str, Any]], style: Style) -> None:
    """What a Reject holds is an Arrow message of that row alone, and is rejected for the same reason."""
    for reject in read([record(arrow_of(rows, style))]).rejects:
        again = only_reject(reject.original)
        assert (again.reason, again.field, again.source_index) == (reject.reason, reject.field, 0)


@given(st.lists(st.tuples(tables(), STYLES) | st.just(None), min_size=1, max_size=5), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_many_messages_give_what_each_gives(
    several: list[tuple[list[dict[str, Any]], Style] | None], more: int
) -> None:
    """Messages of several layouts between JSON and rubbish: read together, nothing is lost, doubled or moved."""
    values = [b"rubbish" if arguments is None else arrow_of(*arguments) for arguments in several]
    records = [record(value, number) for number, value in enumerate(values)]
    records += [record(json.dumps(prediction_fields(n)).encode(), len(values) + n, headers=[]) for n in range(more)]
    readings, by_message = read(records), read_messages(records)
    assert readings.rejects == by_message.rejects
    assert plain_parts(readings) == plain_arrivals(by_message)


def test_usual_messages_are_read_together() -> None:
    """Messages with the same columns become one part, model after model, each in order."""
    rows = [prediction_fields(n, f"m{n % 2}") for n in range(10)]
    records = [record(arrow_of(rows[start : start + 2]), start) for start in range(0, 10, 2)]
    (part,) = read(records).parts
    assert (part.columns.models, part.columns.bounds.tolist()) == (("m0", "m1"), [0, 5, 10])
    assert part.offsets.tolist() == [0, 2, 4, 6, 8] * 2
    assert part.indexes.tolist() == [0] * 5 + [1] * 5
    assert part.of_model(1).columns.event_ids.texts == [f"e-{n}" for n in range(1, 10, 2)]


def test_numbers_of_any_width() -> None:
    """Integers and floats of every width are numbers; whole ones keep their digits, unsigned ones too."""
    types = {"a": pa.int8(), "b": pa.uint64(), "c": pa.float32(), "d": pa.float16(), "e": pa.int64()}
    features = {"a": -5, "b": 2**64 - 1, "c": 0.5, "d": 1.5, "e": 2**60 + 1}
    table = table_of([prediction_fields()]).drop_columns(["features"])
    table = table.append_column("features", pa.array([features], pa.struct(types.items())))
    table = table.set_column(table.schema.get_field_index("confidence"), "confidence", pa.array([1], pa.uint8()))
    (part,) = read([record(stream_of(table))]).parts
    assert part.columns.row_features(0) == features
    assert {name: list(column.values) for name, column in part.columns.features.items()} == {
        name: [value] for name, value in features.items()
    }
    assert part.columns.confidence.tolist() == [1.0]


def test_missing_numbers() -> None:
    """NaN is null: a feature that is absent, a risk that is not given, a confidence that probabilities stand for."""
    rows = [
        prediction_fields(
            n, features={"age": age}, risk=math.nan, confidence=math.nan, probabilities={"stay": 1.0, "go": math.nan}
        )
        for n, age in enumerate([math.nan, 1.5])
    ]
    (part,) = read([record(arrow_of(rows))]).parts
    assert [part.columns.row_features(row) for row in range(2)] == [{}, {"age": 1.5}]
    assert list(part.columns.features["age"].values) == [None, 1.5]
    assert part.columns.confidence.tolist() == [1.0, 1.0]
    assert all(map(math.isnan, part.columns.risk.tolist()))
    assert part.columns.probabilities.tolist() == [{"stay": 1.0}] * 2


@pytest.mark.parametrize("as_maps", [False, True])
def test_a_feature_without_end_is_a_reject(as_maps: bool) -> None:
    """JSON knows no infinity, and nothing behind INTAKE does: that row is refused, the others are not."""
    rows = [prediction_fields(n, features={"age": age}) for n, age in enumerate([1.0, math.inf, 2.0, -math.inf])]
    readings = read([record(arrow_of(rows, Style(as_maps=as_maps)))])
    assert ids(readings) == ["e-0", "e-2"]
    refused = [(reject.source_index, reject.field) for reject in readings.rejects]
    assert refused == [(1, "$.features.age"), (3, "$.features.age")]


def test_features_of_several_models() -> None:
    """If models share a struct of features, each gets its own features: those that are null for it are absent."""
    rows = [prediction_fields(n, f"m{n % 3}", features={f"x{n % 3}": n + 0.5, "all": "a"}) for n in range(9)]
    (part,) = read([record(arrow_of(rows))]).parts
    assert [set(part.of_model(n).columns.features) for n in range(3)] == [{f"x{n}", "all"} for n in range(3)]


def test_unknown_columns_are_ignored() -> None:
    """Columns, and fields of the consent, that a prediction has not may be of any type."""
    table = table_of([prediction_fields(n, consent={"review": False}) for n in range(3)])
    table = table.append_column("more", pa.array([[b"a"], None, []], pa.list_(pa.binary())))
    consent = pa.array([{"review": False, "by": [1]}] * 3)
    table = table.set_column(table.schema.get_field_index("consent"), "consent", consent)
    readings = read([record(stream_of(table))])
    assert (readings.rejects, len(ids(readings))) == ([], 3)
    assert readings.parts[0].columns.reviewable.tolist() == [False] * 3


def test_no_rows_are_nothing() -> None:
    """A stream of no rows, or of no batches, holds no prediction and gives nothing."""
    table = table_of([prediction_fields()])
    for data in (stream_of(table.slice(0, 0)), stream_of(table.schema.empty_table())):
        assert read([record(data)]) == Readings([], [], runs=1)


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Type", b"application/vnd.apache.arrow.stream")],
        [("CONTENT-TYPE", b"Application/Vnd.Apache.Arrow.Stream; charset=binary")],
        [("content-type", b"application/json"), ("content-type", b"application/vnd.apache.arrow.stream")],
    ],
)
def test_the_header_in_any_spelling(headers: Headers) -> None:
    """Names of headers, and media types, are compared without regard to case; the last one counts."""
    assert len(ids(read([record(arrow_of([prediction_fields()]), headers=headers)]))) == 1


def test_without_the_header_it_is_no_json() -> None:
    """An Arrow stream without its header is a message that is not JSON."""
    readings = read([record(arrow_of([prediction_fields()]), headers=[])])
    assert [reject.field for reject in readings.rejects] == [""]
    assert "neither a JSON object" in readings.rejects[0].reason


def test_an_event_finds_its_bytes_again() -> None:
    """A message's elements give a row as a stream of its own, with its columns and without the others' texts."""
    rows = [prediction_fields(n, content=f"text {n}" * 100) for n in range(100)]
    message = record(arrow_of(rows, Style(text=pa.dictionary(pa.int32(), pa.string()))))
    element = elements_of(message, 10_000).element(41)
    assert len(element) < 5_000
    again = read_messages([record(element)])
    assert again.events == [read_messages([message]).events[41]]
    assert plain_parts(read([record(element)])) == plain_arrivals(again)


def odd_messages(messages: list[PlainRecord]) -> list[Any]:
    """The messages that are not read as columns."""
    tables = GatheredTables(DAY_MS, PREDICTION_BYTES_MAX, MessageLimits())
    tables.add(messages)
    tables.parts()
    return tables.odd


def test_headers_say_who_sends() -> None:
    """Rows that name no producer have that of the CloudEvents header; a wrong one is a Reject of those rows only."""
    rows = [prediction_fields(0, producer="own"), prediction_fields(1, producer=None)]
    headers: Headers = [*ARROW_HEADERS, ("ce_source", b"/service"), ("ce_id", b"x"), ("ce_time", b"never")]
    for message in (record(arrow_of(rows), headers=headers), record(arrow_of(rows[:1]), headers=headers)):
        by_message, odd = read_messages([message]), odd_messages([message])
        assert [event.producer for event in by_message.events] == ["own", "/service"][: len(by_message.events)]
        assert plain_parts(read([message])) == plain_arrivals(by_message)
        assert odd == []
    headers[1] = ("ce_source", b"x" * 201)
    message = record(arrow_of(rows), headers=headers)
    readings, by_message = read([message]), read_messages([message])
    assert [event.producer for event in by_message.events] == ["own"]
    assert plain_parts(readings) == plain_arrivals(by_message)
    assert readings.rejects == by_message.rejects
    assert [(reject.source_index, reject.field) for reject in readings.rejects] == [(1, "ce_source")]


def test_times_of_any_unit() -> None:
    """Seconds to nanoseconds become milliseconds, rounded like times in RFC 3339; times far off are refused."""
    for unit, count in (("s", 1_700_000_000), ("us", 1_700_000_000_000_600), ("ns", 1_700_000_000_000_600_000)):
        table = table_of([prediction_fields(n) for n in range(2)]).drop_columns(["time"])
        far = -(2**62) if unit == "s" else 2**62
        times = pa.array([count, far], pa.int64()).cast(pa.timestamp(unit, "+02:00"))
        readings = read([record(stream_of(table.append_column("time", times)))])
        assert [part.columns.times_ms.tolist() for part in readings.parts] == [[NOW_MS + (unit != "s")]]
        assert [(reject.source_index, reject.field) for reject in readings.rejects] == [(1, "$.time")]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_damage_raises(draw: st.DataObject) -> None:
    """A stream with a few bytes cut, replaced or put in gives events or Rejects, and the same to both readers."""
    style = Style(compression=draw.draw(st.sampled_from([None, "zstd"])))
    data = bytearray(arrow_of([prediction_fields(n, slices={"a": "b"}) for n in range(3)], style))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        data[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    message = record(bytes(data))
    readings, by_message = read([message]), read_messages([message])
    assert readings.rejects == by_message.rejects
    assert plain_parts(readings) == plain_arrivals(by_message)


def test_schemas_are_remembered_within_bounds() -> None:
    """The check of a schema is kept for streams that begin alike, of few and small schemas only."""
    arrow_stream._plan_of.cache_clear()
    for n in range(arrow_stream.SCHEMAS_MAX + 10):
        read([record(arrow_of([prediction_fields(features={f"f{n}": 1.0})]))])
    assert arrow_stream._plan_of.cache_info().currsize == arrow_stream.SCHEMAS_MAX
    before = arrow_stream._plan_of.cache_info().misses
    names = itertools.islice((f"{'f' * 190}{n}" for n in itertools.count()), 1_000)
    assert len(ids(read([record(arrow_of([prediction_fields(features=dict.fromkeys(names, 1.0))]))]))) == 1
    assert arrow_stream._plan_of.cache_info().misses == before
