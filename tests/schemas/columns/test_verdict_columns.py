"""Verdicts as Arrow: what is written is read again, and readers know what a Struct may hold."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.columns.coded import Coded
from schemas.columns.read_verdicts import checked_verdicts, events_of, structs_of
from schemas.columns.verdict_columns import (
    VERDICT_SCHEMA,
    VERDICTS_PER_STREAM_MAX,
    batch_of_verdicts,
    some_verdicts,
    verdict_batch,
    verdict_streams,
)
from schemas.json_text.errors import MalformedError
from schemas.wire.verdict import Verdict
from tests.support.any_verdicts import VERDICTS, verdict
from tests.support.paths import GOLDEN

BYTES_MAX = 4 * 1024 * 1024


def streams(verdicts: list[Verdict], rows_max: int = 1_000, bytes_max: int = BYTES_MAX) -> list[bytes]:
    return list(verdict_streams(batch_of_verdicts(verdicts), rows_max=rows_max, bytes_max=bytes_max))


def table_of(data: bytes) -> Any:
    table = pa.ipc.open_stream(data).read_all()
    table.validate(full=True)
    return table


def read(data: bytes) -> list[Verdict]:
    rows = checked_verdicts(table_of(data))
    assert rows.wrong == {}
    return structs_of(rows.batch)


def changed(**columns: Any) -> Any:
    """A table of three verdicts, of which some columns are others; None takes a column away."""
    (data,) = streams([verdict(number) for number in range(3)])
    table = table_of(data)
    for name, column in columns.items():
        table = table.drop_columns(name) if name in table.column_names else table
        table = table if column is None else table.append_column(name, column)
    return table


def test_the_schema_has_the_fields_of_a_verdict() -> None:
    """A field that is added to Verdict is not forgotten here."""
    assert tuple(VERDICT_SCHEMA.names) == Verdict.__struct_fields__


@settings(max_examples=200, deadline=None)
@given(st.lists(VERDICTS, min_size=1, max_size=12), st.integers(1, 12))
def test_what_is_written_is_read(verdicts: list[Verdict], rows_max: int) -> None:
    """Any verdicts, in streams of any number of rows, come back as they were and in their order."""
    written = streams(verdicts, rows_max)
    assert len(written) == -(-len(verdicts) // rows_max)
    assert [value for data in written for value in read(data)] == verdicts
    assert {table_of(data).schema for data in written} == {VERDICT_SCHEMA}


@settings(max_examples=50, deadline=None)
@given(st.lists(VERDICTS, min_size=1, max_size=8))
def test_arrow_says_what_json_says(verdicts: list[Verdict]) -> None:
    """A row as a dictionary has the names and values of the JSON, defaults included."""
    (data,) = streams(verdicts)
    rows = [msgspec.to_builtins(value) | {"reasons": list(value.reasons)} for value in verdicts]
    assert table_of(data).to_pylist() == rows


def test_columns_may_be_codes_and_arrays() -> None:
    """Columns as INTAKE has them are the same verdicts: texts and reasons as codes, arrays of Arrow and NumPy."""
    reasons = [("plainly accepted",), (), ("a rule", "its risk")]
    batch = verdict_batch(
        4,
        constant={"model": "m", "decided_at": 7, "learned_version": "3"},
        columns={
            "event_id": pa.array(["a", "b", "c", "d"], pa.large_string()),
            "model_version": pa.array(["1", "2", "1", ""]),
            "time": np.arange(4),
            "decision": Coded(np.array([0, 1, 2, 0], np.int8), ("accept", "review", "escalate")),
            "reasons": Coded(np.array([0, 1, 2, 2]), reasons),
            "uncertainty": np.full(4, 0.5),
            "inclusion_probability": [0.1, 0.2, 0.3, 0.4],
            "error_probability": np.array([np.nan, 0.5, np.nan, 0.0]),
            "audit": np.array([True, False, False, True]),
            "task_id": ["", "t-1", "t-2", "t-3"],
        },
    )
    (data,) = verdict_streams(batch, rows_max=10, bytes_max=BYTES_MAX)
    fields = {"model": "m", "decided_at": 7, "learned_version": "3", "uncertainty": 0.5}
    assert read(data) == [
        Verdict(
            event_id="a", model_version="1", time=0, decision="accept", reasons=reasons[0], inclusion_probability=0.1,
            audit=True, **fields,
        ),
        Verdict(
            event_id="b", model_version="2", time=1, decision="review", inclusion_probability=0.2,
            error_probability=0.5, task_id="t-1", **fields,
        ),
        Verdict(
            event_id="c", model_version="1", time=2, decision="escalate", reasons=reasons[2],
            inclusion_probability=0.3, task_id="t-2", **fields,
        ),
        Verdict(
            event_id="d", time=3, decision="accept", reasons=reasons[2], inclusion_probability=0.4,
            error_probability=0.0, audit=True, task_id="t-3", **fields,
        ),
    ]  # fmt: skip


def test_a_missing_field_or_row_is_named() -> None:
    """Nothing is made up, and no column is cut off in silence."""
    with pytest.raises(KeyError, match="Verdict has no default for 'event_id'"):
        verdict_batch(1, constant={"model": "m"}, columns={})
    with pytest.raises(ValueError, match="2 values of 'event_id' for 3 verdicts"):
        verdict_batch(3, constant={}, columns={"event_id": ["a", "b"]})


def test_a_stream_has_the_texts_of_its_own_rows() -> None:
    """What is said of other rows, cut into other streams or left out, does not travel along."""
    verdicts = [verdict(number, model=f"m{number}", reasons=(f"why-{number}",)) for number in range(6)]
    batch = batch_of_verdicts(verdicts)
    written = [
        *verdict_streams(batch, rows_max=2, bytes_max=BYTES_MAX),
        *verdict_streams(batch.filter(pa.array([n == 5 for n in range(6)])), rows_max=2, bytes_max=BYTES_MAX),
    ]
    for data, numbers in zip(written, ({0, 1}, {2, 3}, {4, 5}, {5}), strict=True):
        assert {number for number in range(6) if f"why-{number}".encode() in data} == numbers
        assert {number for number in range(6) if f"m{number}".encode() in data} == numbers


def test_streams_keep_within_bytes() -> None:
    """Long texts make streams of fewer rows; a single row that is larger goes alone."""
    verdicts = [verdict(number, reasons=(str(number) * 3_000,)) for number in range(100)]
    verdicts[40] = verdict(40, reasons=("x" * 200_000,))
    written = streams(verdicts, bytes_max=64 * 1024)
    assert [value for data in written for value in read(data)] == verdicts
    assert [len(read(data)) for data in written if len(data) > 64 * 1024] == [1]
    assert len(written) < 20


def test_more_texts_than_codes_make_more_streams() -> None:
    """Codes of 16 bits suffice for what is cut into streams, however many texts the batch has."""
    verdicts = [verdict(n, correction_id=str(n), reasons=tuple(f"{n}-{k}" for k in range(8))) for n in range(9_000)]
    written = streams(verdicts, rows_max=100_000, bytes_max=64 * BYTES_MAX)
    assert len(written) > 1
    assert [value for data in written for value in read(data)] == verdicts


def test_which_events_a_batch_is_about() -> None:
    """The ids of events, and the model of each, without reading the other columns."""
    verdicts = [verdict(number, model="ab"[number % 2]) for number in range(5)]
    event_ids, models = events_of(checked_verdicts(table_of(streams(verdicts)[0])).batch)
    assert (event_ids.to_pylist(), models.listed()) == ([f"e-{number}" for number in range(5)], list("ababa"))


def test_a_model_that_only_wrong_rows_name_is_a_text() -> None:
    """A dictionary may hold null for rows that are left out: whoever hashes its texts meets none."""
    models = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int16()), pa.array(["churn", None]))
    rows = checked_verdicts(changed(model=models))
    assert list(rows.wrong) == [1]
    _, named = events_of(rows.batch)
    assert (named.listed(), list(named.values)) == (["churn", "churn"], ["churn", ""])


def test_a_published_stream_is_read_for_ever() -> None:
    """The stream of the first version holds the verdicts of the JSON samples."""
    told = [decode(Verdict, (GOLDEN / f"verdicts.v{version}.json").read_bytes()) for version in (1, 2)]
    assert read((GOLDEN / "verdicts.v1.arrow").read_bytes()) == told


def test_columns_of_other_versions() -> None:
    """Unknown columns are ignored; for a column that an older writer lacks its default stands."""
    newer = changed(of_tomorrow=pa.array([{"a": 1}] * 3), settled_label=None, reasons=None, error_probability=None)
    assert structs_of(checked_verdicts(newer).batch) == [verdict(number) for number in range(3)]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"event_id": None}, "no column `event_id`; expected string - at `$.event_id`"),
        ({"time": pa.array([1.0, 2.0, 3.0])}, "a column of double; expected int64 - at `$.time`"),
        ({"model": pa.array(["m"] * 3)}, "a column of string; expected dictionary<values=string, indices=int16, "),
        ({"reasons": pa.array([["x"]] * 3)}, "a column of list<item: string>; expected list<item: dictionary<"),
        ({"audit": pa.array([0, 1, 0])}, "a column of int64; expected bool - at `$.audit`"),
    ],
)
def test_a_column_of_another_type_is_named(columns: dict[str, Any], reason: str) -> None:
    """Such a message is refused as a whole, with what would be right."""
    with pytest.raises(MalformedError) as error:
        checked_verdicts(changed(**columns))
    assert error.value.reason.startswith(reason)


def test_what_a_message_may_not_be() -> None:
    """Two columns of a name, several record batches, or more rows or reasons than the format allows."""
    twice = changed().append_column("time", pa.array([1, 2, 3]))
    apart = pa.concat_tables([changed(), changed()])
    many = table_of(streams([verdict()] * VERDICTS_PER_STREAM_MAX, VERDICTS_PER_STREAM_MAX)[0])
    more = pa.concat_tables([many, changed()]).combine_chunks()
    item = VERDICT_SCHEMA.field("reasons").type.value_type
    lists = pa.ListArray.from_arrays(
        pa.array([0, 0, 0, 1_000_001], pa.int32()),
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000_001, np.int16)), pa.array(["x"])),
    )
    assert lists.type.value_type == item
    for table, reason in (
        (twice, "2 columns `time`; expected one - at `$.time`"),
        (apart, "2 record batches; expected one with all verdicts of the message"),
        (more, "10003 verdicts; an Arrow message may have 10000"),
        (changed(reasons=lists), "1000001 reasons; an Arrow message may have 1000000 - at `$.reasons`"),
    ):
        with pytest.raises(MalformedError) as error:
            checked_verdicts(table)
        assert error.value.reason == reason


WRONG = {
    "event_id": ["", "x" * 201, None],
    "model": ["", "x" * 201, None],
    "model_version": ["x" * 201, None],
    "time": [-1, 253_402_300_800_000, None],
    "decision": ["maybe", None],
    "reasons": [None, [None]],
    "uncertainty": [float("nan"), 1.5, float("-inf"), None],
    "error_probability": [-0.5, float("inf")],
    "audit": [None],
    "task_id": ["x" * 201, None],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_row_costs_no_other(name: str, value: Any) -> None:
    """A value that a verdict may not have is said with its field; the rows beside it are read."""
    right = changed().column(name).to_pylist()
    column = pa.array([right[0], value, right[2]], VERDICT_SCHEMA.field(name).type)
    rows = checked_verdicts(changed(**{name: column}))
    assert structs_of(rows.batch) == [verdict(0), verdict(2)]
    assert (rows.indexes.tolist(), list(rows.wrong)) == ([0, 2], [1])
    assert rows.wrong[1].field.startswith(f"$.{name}")
    again = checked_verdicts(table_of(some_verdicts(rows.all_rows, [1])))
    assert (len(again.batch), again.wrong[0].reason) == (0, rows.wrong[1].reason)


def test_an_unknown_probability_may_be_nan() -> None:
    """As in predictions, NaN says the same as null."""
    rows = checked_verdicts(changed(error_probability=pa.array([0.5, float("nan"), None])))
    assert [value.error_probability for value in structs_of(rows.batch)] == [0.5, None, None]


def test_a_text_that_no_row_has_is_not_looked_at() -> None:
    """Only texts that are used count, and a dictionary may be empty where there are no rows."""
    models = pa.DictionaryArray.from_arrays(pa.array([1, 1, 1], pa.int16()), pa.array(["", "churn", "x" * 201]))
    assert len(checked_verdicts(changed(model=models)).batch) == 3
    empty = VERDICT_SCHEMA.empty_table()
    assert structs_of(checked_verdicts(empty).batch) == []
    assert structs_of(checked_verdicts(table_of(some_verdicts(batch_of_verdicts([]), []))).batch) == []
