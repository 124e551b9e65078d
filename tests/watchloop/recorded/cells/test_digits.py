"""Digits: whole numbers keep theirs from a table to ClickHouse's columns; a note says where a double loses some."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from schemas.codec import encode
from streams.predictions.message_reader import read_predictions
from tests.support.plain_record import PREFIX, PlainRecord
from warehouse.store.feature_maps import EXACT_MAX, TOO_LARGE, feature_maps, split_features

Read = Callable[..., Any]

D = decimal.Decimal
NOW_MS = 1_795_000_000_000
ROWS = [
    "2026-01-01T00:00:00Z,1,1,0.9",
    "2026-01-02T00:00:00Z,0,1,0.8",
    "2026-01-03T00:00:00Z,1,1,0.7",
]


def as_json(cells: list[str]) -> str:
    rows = zip(cells, ROWS, strict=True)
    return "\n".join(
        f'{{"f": {cell}, "truth": {row.split(",")[1]}, "said": {row.split(",")[2]}, "sure": 0.9}}' for cell, row in rows
    )


def as_csv(cells: list[str]) -> str:
    return "f,time,truth,said,sure\n" + "\n".join(f"{cell},{row}" for cell, row in zip(cells, ROWS, strict=True))


def stored(source: Any) -> list[Any]:
    """The values of feature ``f`` in ClickHouse: sent as JSON, read as INTAKE does, split as RECORD does."""
    sent = [
        PlainRecord(encode(event), number=number, time_ms=NOW_MS)
        for number, event in enumerate(source.predictions(0, len(source)))
    ]
    read = read_predictions(sent, PREFIX, now_ms=NOW_MS, future_ms_max=1_000, bytes_max=100_000)
    assert not read.rejects
    features = [event.features for event in read.events]
    values = []
    for row, maps in enumerate(zip(*(column.to_pylist() for column in feature_maps(features)), strict=True)):
        numbers, integers, texts = map(dict, maps)
        alone = split_features(features[row])
        assert (numbers, texts) == (alone.numbers, alone.texts)
        assert {name: int(digits) for name, digits in integers.items()} == alone.integers
        values.append({**numbers, **alone.integers, **texts}.get("f"))
    return values


@pytest.mark.parametrize(("arrow_type", "size"), [(pa.float64(), 2**53), (pa.float32(), 2**24), (pa.float16(), 2**11)])
@pytest.mark.parametrize("option", ["truth", "said", "region"])
def test_labels_as_floats_that_hold_no_neighbour_apart_are_refused(
    read: Read, refused: Callable[..., str], arrow_type: Any, size: int, option: str
) -> None:
    """Large floats are refused as labels, as two whole numbers may have become one; large whole numbers are read."""
    slices = {"slices": ("region",)} if option == "region" else {}
    floats = pa.array([float(size), -float(size), float("nan"), None]).drop_null().cast(arrow_type)
    message = refused({option: floats, "x": pa.array([1, 2, 3])}, **slices)
    assert f"column '{option}'" in message
    assert f"holds {size} as a number with a point" in message
    below = pa.array([float(size - 1), 0.0, 1.0]).cast(arrow_type)
    whole = pa.array([2**53, 2**53 + 1, 0])
    for values in (below, whole):
        source = read({"truth": values, "said": values, option: values}, **slices)
        assert len(set(source.truths)) == 3


LARGE_FLOATS = ["1.152921504606847e+18", "1.0E18", "1e+20", "9007199254740992.0", "-1152921504606846976.00"]


@pytest.mark.parametrize("large", LARGE_FLOATS)
@pytest.mark.parametrize("option", ["truth", "said", "region"])
@pytest.mark.parametrize("written_as", ["csv", "texts", "mixed json"])
def test_labels_written_as_large_floats_are_refused(
    read: Read, refused: Callable[..., str], large: str, option: str, written_as: str
) -> None:
    """Texts that are the written form of such floats are refused too."""
    slices = {"slices": ("region",)} if option == "region" else {}
    columns = {"x": ["1", "2", "3"], "truth": ["7", "8", "7"], "said": ["7", "8", "8"], "sure": ["0.9"] * 3}
    columns |= {"region": ["1", "2", "3"], option: [large, "7", "other" if written_as == "mixed json" else "8"]}
    content: Any = columns
    if written_as == "csv":
        content = "\n".join(map(",".join, [tuple(columns), *zip(*columns.values(), strict=True)]))
    elif written_as == "mixed json":
        cells = {name: [cell if cell != "other" else '"other"' for cell in column] for name, column in columns.items()}
        rows = [", ".join(f'"{name}": {column[row]}' for name, column in cells.items()) for row in range(3)]
        content = "\n".join(f"{{{row}}}" for row in rows)
    message = refused(content, {"mixed json": "t.jsonl", "csv": "t.csv"}.get(written_as, ""), **slices)
    assert f"column '{option}'" in message
    assert "as a number with a point, which has no room for all the digits" in message


@pytest.mark.parametrize(
    "labels",
    [
        ["9007199254740993", "9007199254740992", "7"],
        ["9007199254740993.00", "9007199254740992.00", "7.00"],
        ["9007199254740991.0", "1e+15", "0.5"],
        ["1e99", "12e4", "9e15"],
        ["v1.0e+99", "1e+400", "1.2.3"],
    ],
)
def test_labels_that_keep_their_digits_or_are_codes_are_taken(read: Read, labels: list[str]) -> None:
    """Whole numbers, decimals of a database, exact doubles, and codes that look like a number are labels."""
    rows = "\n".join(f"{n},{label},{label},0.9" for n, label in enumerate(labels))
    assert read(f"x,truth,said,sure\n{rows}\n").truths == labels


LARGEST = TOO_LARGE - 1
WHOLE = {
    "int64": pa.array([2**53 + 1, -(2**63), 2**63 - 1]),
    "uint64": pa.array([2**64 - 1, 2**63 + 1, 7], pa.uint64()),
    "uint64 with a gap": pa.array([2**64 - 1, None, 7], pa.uint64()),
    "decimal128": pa.array([D(10**37 + 1), None, D(-(10**37) - 1)], pa.decimal128(38, 0)),
    "decimal256": pa.array([D(LARGEST), D(-LARGEST), D(5)], pa.decimal256(76, 0)),
    "decimal of 64 bits without a sign": pa.array([D(2**64 - 1), D(0), None], pa.decimal128(38, 0)),
    "decimal of hundreds": pa.array([D(10**30 + 100), D(200), D(-100)], pa.decimal128(30, -2)),
    "decimal with empty fractions": pa.array([D("90071992547409930.00"), D(2), D(3)], pa.decimal128(38, 2)),
    "dictionary": pa.array([2**60 + 1, 2**60 + 3, 2**60 + 1]).dictionary_encode(),
}


TYPES_IN_FILES = [(type_name, name) for type_name in WHOLE for name in ("t.parquet", "t.arrow")]
TYPES_IN_FILES.remove(("decimal of hundreds", "t.parquet"))  # Parquet has no decimals with a negative scale


@pytest.mark.parametrize(("type_name", "name"), TYPES_IN_FILES)
def test_whole_numbers_keep_their_digits(read: Read, type_name: str, name: str) -> None:
    """Whole numbers of any type: those that a double holds are doubles in ClickHouse, the others Decimals."""
    values = WHOLE[type_name].to_pylist()
    source = read({"f": WHOLE[type_name]}, name)
    features = [row["f"] for row in source.table.features(0, 3)]
    assert features == [None if value is None else int(value) for value in values]
    assert {type(value) for value in features} <= {int, type(None)}
    for kept, value in zip(stored(source), values, strict=True):
        assert kept == value
        assert value is None or type(kept) is (float if abs(value) <= EXACT_MAX else int)
    assert not [note for note in source.notes if "digits" in note]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["9007199254740993", "1", "-9223372036854775808"], [2**53 + 1, 1, -(2**63)]),
        (["18446744073709551615", "1", "null"], [2**64 - 1, 1, None]),
        (["18446744073709551616", "-1", "null"], [2**64, -1, None]),
        (["9223372036854775808", "-1", "0"], [2**63, -1, 0]),
        (["9" * 76, "-" + "9" * 76, "3"], [LARGEST, -LARGEST, 3]),
    ],
)
def test_whole_numbers_of_json_keep_their_digits(read: Read, cells: list[str], values: list[int | None]) -> None:
    """Whole numbers keep their digits in JSON lines and in one JSON array."""
    lines = as_json(cells)
    for content, name in ((lines, "t.ndjson"), ("[" + lines.replace("\n", ",") + "]", "t.json")):
        source = read(content, name)
        assert [row["f"] for row in source.table.features(0, 3)] == values
        assert stored(source) == values
        assert not [note for note in source.notes if "digits" in note]


def test_what_no_column_of_numbers_holds_is_text_with_a_note(read: Read) -> None:
    """Whole numbers of more than 76 digits in JSON, or 64 bits in CSV, stay texts, with a note."""
    cells = ["1" * 77, "2", "3"]
    source = read(as_json(cells), "t.json")
    assert stored(source) == cells
    assert "column 'f' has a whole number of more than 76 digits: all are taken as text" in source.notes
    cells = ["18446744073709551616", "2", "3"]
    source = read(as_csv(cells), "t.csv", time="time")
    assert stored(source) == cells
    assert any("column 'f' is taken as texts: its whole numbers have more digits" in note for note in source.notes)
    source = read(as_csv(["18446744073709551615", "2", "3"]), "t.csv", time="time")
    assert stored(source) == [2**64 - 1, 2, 3]


def test_ids_of_many_digits_stay_apart_as_labels_too(read: Read) -> None:
    """Two labels of 38 digits that differ in the last digit are two labels, in every format."""
    first, second = "1" * 38, "1" * 37 + "2"
    digits = pa.array([D(first), D(second), D(first)], pa.decimal128(38, 0))
    source = read({"truth": digits, "said": digits})
    assert source.truths == source.answers == [first, second, first]
    lines = [
        json.dumps({"x": 1.5, "truth": int(label), "said": int(first), "sure": 0.9}) for label in (first, second, first)
    ]
    source = read("\n".join(lines), "t.ndjson")
    assert (source.truths, source.answers) == ([first, second, first], [first] * 3)
    rows = "".join(f"1.5,{label}.0,{first},0.9\n" for label in (first[:30], second[:29] + "2", first[:30]))
    source = read("x,truth,said,sure\n" + rows.replace(first, first[:30]), "t.csv")
    assert [truth == answer for truth, answer in zip(source.truths, source.answers, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    ("content", "name", "shown"),
    [
        ({"f": pa.array([D("12345678901234567.89"), D("0.10"), D("0.30")], pa.decimal128(38, 2))}, "t.parquet",
         "12345678901234567.89 is read as 1.2345678901234568e+16"),
        ({"f": pa.array([D("0." + "123456789" * 4), None, D(1)], pa.decimal128(38, 36))}, "t.parquet",
         "0.123456789123456789123456789123456789 is read as 0.12345678912345678"),
        ({"f": pa.array([D("999999.9" + "9" * 69), D(1), D(1)], pa.decimal256(76, 70))}, "t.parquet", "is read as"),
        (as_json(["9007199254740993", "0.5", "1"]), "t.json", "9007199254740993 is read as 9007199254740992.0"),
        (as_csv(["9007199254740993", "0.5", "1"]), "t.csv", "'9007199254740993' is read as 9007199254740992.0"),
    ],
)  # fmt: skip
def test_a_fraction_makes_doubles_and_lost_digits_are_noted(read: Read, content: Any, name: str, shown: str) -> None:
    """A column with a fraction becomes doubles; if digits are lost, a note names the column and a value."""
    source = read(content, name)
    assert all(type(row["f"]) is float for row in source.table.features(0, 3) if row["f"] is not None)
    (told,) = [note for note in source.notes if "more digits than a double keeps" in note]
    assert "column 'f'" in told
    assert shown in told.replace("'", "") or shown in told


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"f": pa.array([D("0.10"), D("1234567.89"), D("-3.30")], pa.decimal128(38, 2))}, "t.parquet"),
        ({"f": pa.array([D("0.1"), D("0.2"), D("0.3")], pa.decimal128(38, 30))}, "t.parquet"),
        (as_json(["9007199254740992", "0.5", "0.1"]), "t.json"),
        (as_csv(["0.10000000000000001", "1e3", "9007199254740992"]), "t.csv"),
    ],
)
def test_what_a_double_is_written_as_is_not_lost(read: Read, content: Any, name: str) -> None:
    """0.1 has no note, although no double is exactly 0.1."""
    assert not [note for note in read(content, name).notes if "digits" in note]


def test_a_number_beyond_doubles_is_infinite_to_them_with_a_note(read: Read) -> None:
    """A number of 400 digits beside fractions makes the column text."""
    source = read(as_csv(["1.5", "9" * 400, "2.5"]), "t.csv")
    assert [row["f"] for row in source.table.features(0, 3)] == [1.5, None, 2.5]
    assert any("infinite numbers are taken as missing" in note for note in source.notes)
