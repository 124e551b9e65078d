"""Hostile Arrow messages of verdicts: one reason each, within bounds, and never anything else than MalformedError."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import encode
from schemas.columns.verdict_columns import VERDICT_SCHEMA, VERDICTS_PER_STREAM_MAX, batch_of_verdicts, verdict_streams
from schemas.json_text.errors import MalformedError
from streams.arrow.ipc import ARROW_BYTES_MAX
from streams.message_limits import TooManyElementsError
from streams.verdicts.arrow_messages import BATCHES_MAX, VerdictElements, verdict_rows
from streams.verdicts.messages import read_verdicts
from tests.support.any_verdicts import verdict
from tests.support.paths import ROOT

VERDICTS = [verdict(number, reasons=("why",) * (number % 3)) for number in range(20)]


def stream_of(batch: Any, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        stream.write(batch)
    return bytes(sink.getvalue().to_pybytes())


def good() -> bytes:
    (data,) = verdict_streams(batch_of_verdicts(VERDICTS), rows_max=100, bytes_max=2**20)
    return data


def batch() -> Any:
    (read,) = pa.ipc.open_stream(good())
    return read


def with_column(name: str, column: Any) -> Any:
    number = VERDICT_SCHEMA.get_field_index(name)
    return pa.RecordBatch.from_arrays(
        [column if at == number else old for at, old in enumerate(batch().columns)], names=VERDICT_SCHEMA.names
    )


def reason(data: bytes) -> str:
    with pytest.raises(MalformedError) as error:
        verdict_rows(data)
    return error.value.reason


def test_both_encodings_are_told_apart() -> None:
    """The first bytes say which it is; what is neither is told as JSON is."""
    assert read_verdicts(good(), 10).values == VERDICTS
    assert read_verdicts(encode(VERDICTS), 10).values == VERDICTS
    assert read_verdicts(encode(VERDICTS[0]), 10).values == VERDICTS[:1]
    with pytest.raises(MalformedError, match="malformed"):
        read_verdicts(b"\xff\xff\xff", 10)


def test_json_needs_no_pyarrow() -> None:
    """A service that reads verdicts as JSON imports neither pyarrow nor NumPy."""
    code = "import sys, streams.client.verdict_reader; assert not {'pyarrow', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1_000_000), st.binary(min_size=1, max_size=8))
def test_damaged_bytes_are_a_reason(at: int, noise: bytes) -> None:
    """Whatever bytes are overwritten, the message is read or refused; rows and refused rows add up."""
    data = bytearray(good())
    at %= len(data)
    data[at : at + len(noise)] = noise
    try:
        rows = verdict_rows(bytes(data))
    except MalformedError:
        return
    assert len(rows.batch) + len(rows.wrong) == len(rows.all_rows)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1_000_000))
def test_a_truncated_stream_is_a_reason(at: int) -> None:
    """Half a stream never passes for a whole one, unless only the mark of its end is missing."""
    data = good()
    kept = data[: at % (len(data) - 8)]
    if len(kept) > 4:
        assert reason(kept)


def test_codes_beyond_their_texts() -> None:
    """A dictionary out of bounds is found before a code is looked up."""
    codes = np.full(20, 7, np.int16)
    column = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(["m"]), safe=False)
    assert reason(stream_of(with_column("model", column))).startswith("no Arrow IPC stream: ")


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_stream_that_unpacks_to_too_much(compression: str) -> None:
    """A small message that becomes large is refused before it is unpacked."""
    text = "x" * (ARROW_BYTES_MAX + 1)
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20, np.int16)), pa.array([text]))
    data = stream_of(with_column("model", column), compression=compression)
    assert len(data) < 2**20
    assert reason(data).endswith(f"bytes once unpacked; an Arrow message may have {ARROW_BYTES_MAX}")


def test_compressed_streams_are_read() -> None:
    """Other writers than INTAKE may compress buffers."""
    assert read_verdicts(stream_of(batch(), compression="lz4"), 10).values == VERDICTS


def test_too_many_rows() -> None:
    """The number of rows is known, and refused, before they are read."""
    whole = batch()
    many = whole.take(pa.array(np.zeros(VERDICTS_PER_STREAM_MAX + 1, np.int64)))
    with pytest.raises(TooManyElementsError) as error:
        verdict_rows(stream_of(many))
    assert (error.value.elements, error.value.reason) == (10_001, "10001 verdicts; an Arrow message may have 10000")


def test_too_many_batches() -> None:
    """Thousands of empty batches are refused."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, VERDICT_SCHEMA) as stream:
        for _ in range(BATCHES_MAX + 1):
            stream.write(batch().slice(0, 0))
    assert reason(sink.getvalue().to_pybytes()) == f"no Arrow IPC stream: more than {BATCHES_MAX} record batches"


def test_one_stream_a_message() -> None:
    """What lies behind the end of a stream would be lost."""
    assert "behind the end of the Arrow stream" in reason(good() + good())


def test_a_wrong_row_brings_its_own_texts_alone() -> None:
    """The bytes of a refused row do not hold the texts of the others, however large these are."""
    texts = ["x" * 1_000_000, "", "churn"]
    codes = [0] * 18 + [1, 2]
    column = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int16()), pa.array(texts))
    rows = verdict_rows(stream_of(with_column("model", column)))
    assert (rows.indexes.tolist(), list(rows.wrong)) == ([19], list(range(19)))
    elements = VerdictElements(rows)
    assert len(elements.element(18)) < 10_000
    assert len(elements.elements(list(range(18)))) < 1_100_000
    assert verdict_rows(elements.element(18)).wrong[0].reason == rows.wrong[18].reason
