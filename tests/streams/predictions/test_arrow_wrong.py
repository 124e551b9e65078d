"""Arrow messages that are wrong as a whole, or larger than they look: one Reject, whatever they ask for."""

from __future__ import annotations

import json
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.arrow.ipc import ARROW_BYTES_MAX, schema_message
from streams.arrow.sizes import is_little_endian
from streams.message_limits import MESSAGE_EVENTS_MAX_DEFAULT
from streams.predictions.arrow.stream import ARROW_CELLS_MAX, usual_batch
from streams.predictions.arrow.stream import table_of as arrow_table_of
from tests.support.arrow_reading import ids, only_reject, read, read_messages, record
from tests.support.arrow_rows import ARROW_HEADERS, Style, arrow_of, stream_of, table_of
from tests.support.plain_record import PlainRecord
from tests.support.prediction_fields import NOW_MS, prediction_fields


def changed(name: str, values: Any, arrow_type: pa.DataType | None = None) -> bytes:
    table = table_of([prediction_fields()])
    if name in table.column_names:
        table = table.drop_columns([name])
    return stream_of(table if values is None else table.append_column(name, pa.array(values, arrow_type)))


@pytest.mark.parametrize("name", ["event_id", "model", "time", "features", "prediction", "confidence"])
def test_a_column_that_is_needed(name: str) -> None:
    """Without a required column the whole message is one Reject, with its bytes and the column's name."""
    data = changed(name, None)
    reject = only_reject(data)
    assert (reject.original, reject.field, reject.source_index) == (data, f"$.{name}", 0)
    assert f"no column `{name}`" in reject.reason


@pytest.mark.parametrize(
    ("name", "values", "arrow_type", "field", "says"),
    [
        ("event_id", [7], None, "$.event_id", "int64; expected text"),
        ("model", [None], None, "$.model", "null; expected text"),
        ("time", [NOW_MS], pa.timestamp("ms"), "$.time", "timestamp[ms]; expected"),
        ("time", ["2023-11-14T22:13:20Z"], None, "$.time", "expected integers (epoch milliseconds) or timestamps with"),
        ("prediction", [1.0], None, "$.prediction", "double; expected text, integers or booleans"),
        ("confidence", [True], None, "$.confidence", "bool; expected numbers"),
        ("features", ["age"], None, "$.features", "string; expected a struct or a map"),
        ("features", [{"age": [1.0]}], None, "$.features.age", "list<"),
        ("features", [[(1, 1.0)]], pa.map_(pa.int64(), pa.float64()), "$.features", "keys of int64; expected text"),
        ("features", [[("a", None)]], pa.map_(pa.string(), pa.date32()), "$.features[...]", "date32[day]; expected"),
        ("slices", [{"region": 1}], None, "$.slices.region", "int64; expected text"),
        ("probabilities", [{"stay": "1"}], None, "$.probabilities.stay", "string; expected numbers"),
        ("consent", [[("review", True)]], pa.map_(pa.string(), pa.bool_()), "$.consent", "expected a struct"),
        ("consent", [{"review": "yes"}], None, "$.consent.review", "string; expected booleans"),
        ("content", [b"text"], None, "$.content", "binary; expected text"),
    ],
)
def test_a_column_of_another_type(
    name: str, values: Any, arrow_type: pa.DataType | None, field: str, says: str
) -> None:
    """A column that cannot hold what it should makes the message one Reject that names it, and what it may be."""
    data = changed(name, values, arrow_type)
    reject = only_reject(data)
    assert (reject.original, reject.field) == (data, field)
    assert says in reject.reason


def test_a_name_twice() -> None:
    """Two columns of the same name are refused, and so are two features, because nobody knows which one counts."""
    table = table_of([prediction_fields()])
    assert only_reject(stream_of(table.append_column("model", pa.array(["other"])))).field == "$.model"
    twice = pa.StructArray.from_arrays([pa.array([1.0]), pa.array([2.0])], ["age", "age"])
    data = stream_of(table.drop_columns(["features"]).append_column("features", twice))
    assert only_reject(data).reason == "two fields `age` - at `$.features`"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"rubbish",
        json.dumps(prediction_fields()).encode(),
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\x10\x00\x00\x00rubbish",
        arrow_of([prediction_fields()])[:-200],
        arrow_of([prediction_fields()])[:100],
        b"\0\0\0\0\1" + arrow_of([prediction_fields()]),
    ],
)
def test_what_is_no_stream_says_so(data: bytes) -> None:
    """Bytes that are no Arrow stream, or only its beginning, are one Reject with those bytes."""
    reject = only_reject(data)
    assert (reject.original, reject.field) == (data, "")
    assert reject.reason.startswith("no Arrow IPC stream")


@pytest.mark.parametrize("behind", [arrow_of([prediction_fields(event_id="second")]), b"rubbish", b"\0\0x"])
def test_nothing_stands_behind_a_stream(behind: bytes) -> None:
    """A second stream would never be read: the message becomes a Reject, so that its rows are not lost in silence."""
    data = arrow_of([prediction_fields()]) + behind
    reject = only_reject(data)
    assert reject.original == data
    assert reject.reason == f"{len(behind)} bytes behind the end of the Arrow stream; expected one stream a message"


def test_padding_behind_a_stream_is_nothing() -> None:
    """Zeros, as a buffer of a fixed size has them at its end, hold no rows."""
    readings = read([PlainRecord(arrow_of([prediction_fields()]) + bytes(64), header_list=ARROW_HEADERS)])
    assert (sum(len(part.columns) for part in readings.parts), readings.rejects) == (1, [])


def test_a_tombstone_is_a_reject() -> None:
    """A message without bytes holds no stream."""
    assert [reject.original for reject in read([PlainRecord(None, header_list=ARROW_HEADERS)]).rejects] == [b""]


def test_texts_that_are_no_utf8() -> None:
    """Text that is not UTF-8 is refused before it is read."""
    names = pa.array([b"\xff\xfe"]).cast(pa.binary())
    wrong = pa.Array.from_buffers(pa.string(), 1, names.buffers())
    table = table_of([prediction_fields()]).drop_columns(["event_id"]).append_column("event_id", wrong)
    assert "UTF8" in only_reject(stream_of(table)).reason


def test_rows_have_a_bound() -> None:
    """At the bound a message is read, one row more makes it a Reject."""
    rows = [prediction_fields(n, features={}) for n in range(MESSAGE_EVENTS_MAX_DEFAULT + 1)]
    assert len(ids(read([record(arrow_of(rows[:-1]))]))) == MESSAGE_EVENTS_MAX_DEFAULT
    most = MESSAGE_EVENTS_MAX_DEFAULT
    reject = only_reject(arrow_of(rows))
    assert reject.reason == f"{most + 1} rows; an Arrow message may have {most} (worker.message_events_max)"
    assert (reject.elements, reject.source_index, reject.source_index_last) == (most + 1, 0, most)


def test_cells_have_a_bound() -> None:
    """Columns that take no bytes cannot make a small message large."""
    rows = MESSAGE_EVENTS_MAX_DEFAULT
    table = table_of([prediction_fields(n, features={}) for n in range(rows)]).drop_columns(["features"])
    nulls = [pa.nulls(rows) for _ in range(ARROW_CELLS_MAX // rows)]
    features = pa.StructArray.from_arrays(nulls, [f"f{n}" for n in range(len(nulls))])
    assert "cells" in only_reject(stream_of(table.append_column("features", features))).reason
    entries = pa.nulls(ARROW_CELLS_MAX + 1)
    keys = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), len(entries)), pa.array(["k"]))
    single_row = table_of([prediction_fields(features={})]).drop_columns(["features"])
    features = pa.MapArray.from_arrays(pa.array([0, len(entries)], pa.int32()), keys, entries)
    assert "entries of maps" in only_reject(stream_of(single_row.append_column("features", features))).reason


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_bomb_is_not_unpacked(compression: str) -> None:
    """A few kilobytes that unpack to more than the bound are refused by the sizes that the stream declares."""
    row = prediction_fields(content="x" * (ARROW_BYTES_MAX + 1))
    data = arrow_of([row], Style(compression=compression))
    assert len(data) < 1_000_000
    assert "bytes once unpacked" in only_reject(data).reason


def test_a_dictionary_is_not_a_bomb() -> None:
    """A long text that every row refers to counts once for each row."""
    count = MESSAGE_EVENTS_MAX_DEFAULT
    table = table_of([prediction_fields(n, features={}) for n in range(count)])
    long = "x" * (ARROW_BYTES_MAX // count + 1)
    content = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([long]))
    assert "bytes once unpacked" in only_reject(stream_of(table.append_column("content", content))).reason
    few = table.slice(0, 3).append_column("content", content.slice(0, 3))
    assert len(ids(read([record(stream_of(few))]))) == 3


def test_a_view_is_not_a_bomb() -> None:
    """Views of one long text are measured before they are resolved."""
    count = MESSAGE_EVENTS_MAX_DEFAULT
    table = table_of([prediction_fields(n, features={}) for n in range(count)])
    long = pa.array(["x" * (ARROW_BYTES_MAX // count + 1), None, "short"], pa.string_view())
    _, views, data = long.buffers()
    content = pa.Array.from_buffers(
        pa.string_view(), count, [None, pa.py_buffer(views.to_pybytes()[:16] * count), data]
    )
    assert "bytes once unpacked" in only_reject(stream_of(table.append_column("content", content))).reason
    few = table.slice(0, 3).append_column("content", long.slice(0, 3))
    (part,) = read([record(stream_of(few))]).parts
    assert list(part.columns.contents or ())[1:] == [None, "short"]


@pytest.mark.parametrize("length", [1_000, 100_000])
def test_a_prediction_has_a_size(length: int) -> None:
    """A row is bounded as the same prediction is as JSON, its neighbours are kept, and at the bound it is taken."""
    rows = [prediction_fields(), prediction_fields(1, features={"text": "x" * length})]
    whole = len(ids(read([record(arrow_of(rows))])))
    size = len(json.dumps(rows[1], separators=(",", ":")))
    for bytes_max in range(size - 1, size + 200, 100):
        readings = read([record(arrow_of(rows))], bytes_max=bytes_max)
        assert readings.rejects == read_messages([record(arrow_of(rows))], bytes_max=bytes_max).rejects
    assert whole == 2
    readings = read([record(arrow_of(rows))], bytes_max=size - 1)
    assert [(reject.source_index, "bytes as JSON" in reject.reason) for reject in readings.rejects] == [(1, True)]
    assert ids(readings) == ["e-0"]


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3),
    st.integers(0, 40),
    st.sampled_from([None, "lz4", "zstd"]),
)
@settings(deadline=None, max_examples=300)
def test_the_short_way_reads_what_the_long_way_reads(
    changes: list[tuple[int, int]], cut: int, compression: str | None
) -> None:
    """Of any bytes, also damaged and truncated ones, it reads the same rows as ``table_of``, or leaves them to it."""
    rows = [prediction_fields(number, slices={"region": "EU"}, risk=0.5) for number in range(3)]
    data = bytearray(stream_of(table_of(rows).append_column("more", pa.array([1, 2, 3])), compression=compression))
    for at, value in changes:
        data[at % len(data)] = value
    damaged = bytes(data[: len(data) - cut])
    usual = usual_batch(damaged, MESSAGE_EVENTS_MAX_DEFAULT)
    if not changes and not cut:
        assert usual is not None
    if usual is not None:
        table = arrow_table_of(damaged, MESSAGE_EVENTS_MAX_DEFAULT)
        assert pa.Table.from_batches([usual.batch]).select(usual.plan.names).equals(table)


def big_endian(head: bytes) -> bytes:
    """The message of a schema with its endianness changed: the first field of the FlatBuffer's Schema table."""
    metadata = bytearray(head)
    (root,) = struct.unpack_from("<I", metadata, 8)
    message = 8 + root
    (offsets,) = struct.unpack_from("<i", metadata, message)
    (header,) = struct.unpack_from("<H", metadata, message - offsets + 8)
    schema = message + header + struct.unpack_from("<I", metadata, message + header)[0]
    (schema_offsets,) = struct.unpack_from("<i", metadata, schema)
    # The writer leaves the default out; the entry is pointed at a field whose first two bytes are not 0.
    struct.pack_into("<H", metadata, schema - schema_offsets + 4, 4)
    return bytes(metadata)


def test_numbers_the_other_way_round_take_the_long_way() -> None:
    """A stream of a big-endian machine says so in its schema, and only the long way turns its numbers round."""
    head = schema_message(stream_of(table_of([prediction_fields()])))
    assert is_little_endian(head)
    assert not is_little_endian(big_endian(head))
    with pytest.raises(ValueError, match="damaged"):
        is_little_endian(head[:10])
