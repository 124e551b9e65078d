"""Messages of blocks come back as the Structs that were written; of what does not, each row has its reason."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns.block_columns import BLOCK_SCHEMA, block_batch
from schemas.columns.block_rows import struct_of
from schemas.json_text.errors import MalformedError
from schemas.topics import BLOCKS
from schemas.wire.block import Block, CategoryCounts, NumericSummary, SampledRow
from streams.blocks.block_reader import BLOCKS_MAX, ReadBlocks, read_blocks
from streams.message_limits import MessageLimits
from tests.support.made_blocks import blocks, stream_of
from tests.support.plain_record import PlainRecord

LIMITS = MessageLimits()
BLOCK = Block(
    block_id="m/0/17.0", model="m", reference_version="r7", partition=0, first_offset=17, last_offset=18,
    time_min=1, time_max=2, events=2, decisions={"accept": 2}, features_unwatched=1, unwatched=("long",),
    numeric={
        "confidence": NumericSummary(count=2, mean=0.5, minimum=0.25, maximum=0.75, histogram=(1, 1)),
        "feature.x": NumericSummary(count=1, missing=1),
    },
    categorical={"prediction": CategoryCounts(counts={"yes": 1, "no": 1})},
    sample=(
        SampledRow(
            hash=2**63, event_id="e1", time=1, prediction="yes", confidence=0.25,
            features={"a": 1, "b": 1.0, "c": True, "d": None, "e": "1", "f": 2**60 + 1},
        ),
    ),
)  # fmt: skip


def read(data: bytes, limits: MessageLimits = LIMITS) -> ReadBlocks:
    return read_blocks(PlainRecord(data, name=BLOCKS.name), limits)


def structs(data: bytes) -> list[Block]:
    """The blocks of a message, all of which are right."""
    result = read(data)
    assert not result.wrong
    assert list(result.blocks) == list(range(len(result.blocks)))
    return list(map(struct_of, result.blocks.values()))


def json_of(made: list[Block]) -> list[bytes]:
    """Types of values, signs of zeros and orders of names included, which ``==`` does not look at."""
    return list(map(msgspec.json.encode, made))


@settings(max_examples=150, deadline=None)
@given(st.lists(blocks, min_size=1, max_size=4))
def test_what_is_written_is_read(made: list[Block]) -> None:
    """Any blocks come back exactly, and as JSON of the same blocks does."""
    again = structs(stream_of(made))
    assert again == made
    assert json_of(again) == json_of(made)


def test_json_of_before_is_read() -> None:
    """A log that still holds blocks as JSON is read as it always was."""
    assert structs(msgspec.json.encode(BLOCK)) == [BLOCK]


def test_several_record_batches_are_one_message() -> None:
    """Rows count on over the record batches of a stream, each with dictionaries of its own."""
    other = msgspec.structs.replace(BLOCK, model="n", categorical={"prediction": CategoryCounts(counts={"up": 2})})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, BLOCK_SCHEMA) as writer:
        for some in ([BLOCK], [other, BLOCK], []):
            writer.write_batch(block_batch(some))
    assert structs(sink.getvalue().to_pybytes()) == [BLOCK, other, BLOCK]


def changed(column: str, value: Any) -> Any:
    """Three rows, of which the second has another value."""
    batch = block_batch([BLOCK, BLOCK, BLOCK])
    values = batch.column(column).to_pylist()
    values[1] = value
    array = pa.array(values, BLOCK_SCHEMA.field(column).type)
    return batch.set_column(BLOCK_SCHEMA.get_field_index(column), BLOCK_SCHEMA.field(column), array)


SUMMARY = {
    "signal": "s", "count": 1, "missing": 0, "mean": 0.0, "m2": 0.0, "minimum": 0.0, "maximum": 0.0, "histogram": [],
    "centre": 0.0, "mean_offset": 0.0, "m2_exponent": 0,
}  # fmt: skip
ROW = {"hash": 1, "event_id": "e", "time": 1, "features": [], "prediction": "p", "confidence": 0.5}
ENTRY = {"name": "x", "type": 1, "number": 0.0, "text": ""}
COUNTED = {"signal": "s", "counts": [], "missing": 0, "other": 0}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("block_id", "", "an empty text - at `$.block_id`"),
        ("model", "x" * 201, "a text of more than 200 characters - at `$.model`"),
        ("model", None, "null - at `$.model`"),
        ("first_offset", -1, "a number below 0 - at `$.first_offset`"),
        ("time_max", 253_402_300_800_000, "a number above 253402300799999 - at `$.time_max`"),
        ("events", -1, "a number below 0 - at `$.events`"),
        ("unwatched", ["x" * 201], "a text of more than 200 characters - at `$.unwatched[...]`"),
        ("decisions", [("accept", None)], "null - at `$.decisions.items`"),
        ("numeric", None, "null - at `$.numeric`"),
        ("numeric", [SUMMARY | {"mean": float("nan")}], "NaN or an infinity - at `$.numeric[...].mean`"),
        ("numeric", [SUMMARY | {"m2": float("inf")}], "NaN or an infinity - at `$.numeric[...].m2`"),
        ("numeric", [SUMMARY | {"count": -1}], "a number below 0 - at `$.numeric[...].count`"),
        ("numeric", [SUMMARY | {"histogram": [None]}], "null - at `$.numeric[...].histogram[...]`"),
        ("numeric", [SUMMARY | {"signal": None}], "null - at `$.numeric[...].signal`"),
        ("numeric", [None], "null - at `$.numeric[...]`"),
        ("categorical", [COUNTED | {"other": -1}], "a number below 0 - at `$.categorical[...].other`"),
        ("categorical", [COUNTED | {"counts": [("a", None)]}], "null - at `$.categorical[...].counts.items`"),
        ("sample", [ROW | {"confidence": 1.5}], "a number outside [0, 1] - at `$.sample[...].confidence`"),
        ("sample", [ROW | {"event_id": ""}], "an empty text - at `$.sample[...].event_id`"),
        ("sample", [ROW | {"prediction": "p" * 201}], "more than 200 characters - at `$.sample[...].prediction`"),
        ("sample", [ROW | {"features": [ENTRY | {"type": 6}]}], "an unknown type - at `$.sample[...].features[...]."),
        ("sample", [ROW | {"features": [ENTRY | {"type": -1}]}], "an unknown type"),
        ("sample", [ROW | {"features": [ENTRY | {"type": 2, "number": 0.5}]}], "no whole number up to 2^53"),
        ("sample", [ROW | {"features": [ENTRY | {"type": 2, "number": 1e300}]}], "no whole number up to 2^53"),
        ("sample", [ROW | {"features": [ENTRY | {"type": 3, "number": 2.0}]}], "a boolean that is neither 0 nor 1"),
        ("sample", [ROW | {"features": [ENTRY | {"type": 5, "text": "1e3"}]}], "no whole number beyond 2^53"),
        ("sample", [ROW | {"features": [ENTRY | {"type": 5, "text": "9" * 5_000}]}], "no whole number beyond 2^53"),
        ("sample", [ROW | {"features": [ENTRY | {"number": float("inf")}]}], "NaN or an infinity"),
        ("sample", [ROW | {"features": [ENTRY | {"name": None}]}], "null - at `$.sample[...].features[...].name`"),
    ],
)  # fmt: skip
def test_a_wrong_row_costs_no_other_its_place(column: str, value: Any, reason: str) -> None:
    """The rows beside it are read; its own reason names the field, and its element is a message of that row alone."""
    result = read(stream_of([], batch=changed(column, value)))
    assert list(map(struct_of, result.blocks.values())) == [BLOCK, BLOCK]
    assert list(result.blocks) == [0, 2]
    assert list(result.wrong) == [1]
    assert reason in result.wrong[1].reason
    alone = read(result.elements.element(1))
    assert (alone.blocks, [error.reason for error in alone.wrong.values()]) == ({}, [result.wrong[1].reason])


def test_columns_of_a_newer_writer_are_left_out() -> None:
    """A column more, or a field more of a struct, changes nothing."""
    batch = block_batch([BLOCK]).append_column("mood", pa.array(["good"]))
    number = BLOCK_SCHEMA.get_field_index("numeric")
    entries = batch.column(number).values
    more = pa.StructArray.from_arrays(
        [pa.array([1.5] * len(entries)), *(entries.field(index) for index in range(len(entries.type)))],
        names=["newest", *(field.name for field in entries.type)],
    )
    batch = batch.set_column(number, "numeric", pa.ListArray.from_arrays(batch.column(number).offsets, more))
    assert structs(stream_of([], batch=batch)) == [BLOCK]


def narrowed() -> bytes:
    batch = block_batch([BLOCK])
    return stream_of([], batch=batch.set_column(3, "partition", batch.column(3).cast(pa.int16())))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expected"),
        (b"[]", "Expected `object`, got `array`"),
        (b"\xff\xff\xff\xff", "no Arrow IPC stream"),
        (stream_of([BLOCK])[:-100], "no Arrow IPC stream: truncated"),
        (stream_of([BLOCK]) + stream_of([BLOCK]), "behind the end of the Arrow stream"),
        (stream_of([BLOCK] * 300, compression="zstd"), "expected buffers neither compressed nor shared"),
        (stream_of([], batch=block_batch([BLOCK] * 2).drop_columns(["events"])), "0 columns `events`; expected one"),
        (stream_of([], batch=pa.record_batch({"x": [1]})), "0 columns `block_id`; expected one - at `$.block_id`"),
        (narrowed(), "a column of int16; expected int32 - at `$.partition`"),
        (stream_of([]), "no rows"),
    ],
)
def test_a_message_of_no_blocks_is_refused_whole(data: bytes, reason: str) -> None:
    """One reason, whatever the bytes are."""
    with pytest.raises(MalformedError) as error:
        read(data)
    assert reason in error.value.reason


def test_limits_hold() -> None:
    """A message of too many bytes is not decoded, one of too many blocks is not unpacked."""
    with pytest.raises(MalformedError, match=r"kafka\.message_bytes_max"):
        read(stream_of([BLOCK]), MessageLimits(bytes_max=100))
    with pytest.raises(MalformedError, match="1001 rows; a message may have 1000 blocks"):
        read(stream_of([BLOCK] * (BLOCKS_MAX + 1)))


@functools.cache
def two_blocks() -> bytes:
    return stream_of([BLOCK, BLOCK])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_is_a_reason(changes: list[tuple[int, int]]) -> None:
    """Whatever bytes are changed: blocks, or a MalformedError, and nothing else."""
    data = np.frombuffer(two_blocks(), np.uint8).copy()
    for position, byte in changes:
        data[position % len(data)] = byte
    with contextlib.suppress(MalformedError):
        result = read(data.tobytes())
        assert sorted((*result.blocks, *result.wrong)) == list(range(len(result.blocks) + len(result.wrong)))
        for block in result.blocks.values():
            msgspec.json.decode(msgspec.json.encode(struct_of(block)), type=Block)
