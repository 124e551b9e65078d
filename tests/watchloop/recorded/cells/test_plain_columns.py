"""Columns: text stays text, a number of any type is a number, and other types are refused."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

Read = Callable[..., Any]
Refused = Callable[..., str]

D = decimal.Decimal


def test_leading_zeros_keep_labels_apart(read: Read) -> None:
    """``007`` and ``07`` are two labels, and wrong predictions stay wrong."""
    cells = [("007" if n % 2 else "07", "07" if n % 5 else "007") for n in range(800)]
    rows = [f"{n / 7},{code},{said},0.9" for n, (code, said) in enumerate(cells)]
    source = read("\n".join(["x,code,said,sure", *rows]), label="code")
    assert set(source.truths) == set(source.answers) == {"007", "07"}
    wrong = sum(a != b for a, b in zip(source.answers, source.truths, strict=True))
    assert wrong == sum(code != said for code, said in cells) > 0


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "2"], [1, 2]),
        (['"1"', '"-2"'], [1, -2]),
        ([" 1", "2 "], [1, 2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["0.50", ".5", "1.", "1e3"], [0.5, 0.5, 1.0, 1000.0]),
        (["1", "", "NaN", "null", "N/A"], [1, None, None, None, None]),
        (["1.5", "inf", "-Infinity"], [1.5, None, None]),
        (["007", "08"], ["007", "08"]),
        (["+1", "2"], ["+1", "2"]),
        (["1_000", "2"], ["1_000", "2"]),
        (["0x10", "2"], ["0x10", "2"]),
        (['"1,5"', '"2,5"'], ["1,5", "2,5"]),
        (["9007199254740993", "1"], [9007199254740993, 1]),
        (["18446744073709551615", "1"], [18446744073709551615, 1]),
        (["123456789012345678901", "1"], ["123456789012345678901", "1"]),
        (["gold", "NA", "null"], ["gold", "NA", "null"]),
        (["gold", "", '""'], ["gold", None, ""]),
        (["true", "false"], [True, False]),
        (["TRUE", "FALSE", ""], [True, False, None]),
        (["True", "yes"], ["True", "yes"]),
        (["T", "F"], ["T", "F"]),
        (["2026-10-01", "2026-10-02"], ["2026-10-01", "2026-10-02"]),
        (["", ""], [None, None]),
    ],
)
def test_what_text_of_csv_becomes(read: Read, cells: list[str], values: list[Any]) -> None:
    """A column whose values are all numbers, or all truth values, becomes such a column; others stay text."""
    source = read("f,x,truth,said,sure\n" + "".join(f"{cell},1.5,1,1,0.9\n" for cell in cells))
    features = [row["f"] for row in source.table.features(0, len(cells))]
    assert features == values
    assert list(map(type, features)) == list(map(type, values))


@pytest.mark.parametrize(
    "cells",
    [
        ['"0,75"', '"-1,5"', '"2,25"'], ['"75,748.56"', '"1,000.00"', "12"], ["75.748.560", "1.000.000", "12"],
        ["75 748", "1 000", "12"], ["$ 7.57", "€8", "£9.10"], ["60.5%", "1 %", "7%"], ["(0.76)", "(12)", "3"],
        ["+0.5", "+1", "+2"], ["\u22120.5", "\u22121", "2"], ["\u0660.\u0665", "\u0661", "\u0662"],
        ["75\u202f748", "1\u00a0000", "12"], ["7.57 €", "8 €", "9 €"],
    ],
)  # fmt: skip
def test_numbers_in_another_spelling_are_texts_with_a_note(read: Read, cells: list[str]) -> None:
    """Decimal commas, separated thousands, units, signs and other digits stay text, with a note."""
    source = read("f,x,truth,said,sure\n" + "".join(f"{cell},1.5,1,1,0.9\n" for cell in cells))
    assert {type(row["f"]) for row in source.table.features(0, 3)} == {str}
    (note,) = [note for note in source.notes if "'f'" in note]
    assert "is taken as texts" in note
    assert "may be meant as a number; expected digits with a point, such as -1234.5" in note


@pytest.mark.parametrize(
    "cells",
    [
        ["007", "01234", "0815"], ["1.2.3", "1.10.0", "2.0.1"], ["2026-10-01", "2026-10-02", "2026-10-03"],
        ["gold", "basic", "gold"], ["A1", "B2", "C3"], ["10:30", "11:00", "12:15"], ["yes", "no", "yes"],
    ],
)  # fmt: skip
def test_codes_versions_and_dates_are_texts_without_a_word(read: Read, cells: list[str]) -> None:
    """Columns of codes, versions, dates and words stay texts without a note."""
    source = read("f,x,truth,said,sure\n" + "".join(f"{cell},1.5,1,1,0.9\n" for cell in cells))
    assert [row["f"] for row in source.table.features(0, 3)] == cells
    assert not [note for note in source.notes if "'f'" in note]


def test_truth_values_in_several_spellings_are_noted(read: Read) -> None:
    """``true`` beside ``yes`` and ``1`` are texts, and the note lists all three."""
    cells = ["true", "no", "1", "false", "yes", "0"]
    source = read("f,x,truth,said,sure\n" + "".join(f"{cell},1.5,1,1,0.9\n" for cell in cells))
    assert [row["f"] for row in source.table.features(0, 6)] == cells
    (note,) = [note for note in source.notes if "'f'" in note]
    assert "truth values in more than one spelling ('0', '1', 'false', 'no', 'true', 'yes')" in note


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([D("1.50"), None, D("-2.25")], pa.decimal128(12, 2)), [1.5, None, -2.25]),
        (pa.array([D(1), D(2), D(3)], pa.decimal128(12, 0)), [1, 2, 3]),
        (pa.array([D("1.5")] * 3, pa.decimal256(60, 2)), [1.5] * 3),
        (pa.array([1.0, float("nan"), float("inf")]), [1.0, None, None]),
        (pa.array([-0.0, 1e308, 5e-324]), [-0.0, 1e308, 5e-324]),
        (pa.array(np.array([1.5, 2.5, 3.5], np.float16)), [1.5, 2.5, 3.5]),
        (pa.array([2**53 + 1, -(2**63), 2**63 - 1]), [2**53 + 1, -(2**63), 2**63 - 1]),
        (pa.array([2**64 - 1, 0, 1], pa.uint64()), [2**64 - 1, 0, 1]),
        (pa.array([1, 2, 3], pa.int8()), [1, 2, 3]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([3, 4, 3]).dictionary_encode(), [3, 4, 3]),
        (pa.array(["a", None, "007"], pa.large_string()), ["a", None, "007"]),
        (pa.array([True, None, False]), [True, None, False]),
        (pa.nulls(3), [None] * 3),
        (pa.array([dt.timedelta(seconds=90)] * 3, pa.duration("ms")), [90.0] * 3),
        (pa.array([dt.date(2026, 10, 1)] * 3), ["2026-10-01"] * 3),
        (pa.array([dt.date(2026, 10, 1)] * 3, pa.date64()), ["2026-10-01"] * 3),
        (pa.array([dt.time(8, 30)] * 3, pa.time32("s")), ["08:30:00"] * 3),
        (pa.array([0, 1, 2], pa.timestamp("s")), [f"1970-01-01T00:00:0{n}" for n in range(3)]),
        (
            pa.array([dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)] * 3, pa.timestamp("s", "Europe/Berlin")),
            ["2026-07-01T12:00:00Z"] * 3,
        ),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_what_typed_columns_become(read: Read, array: pa.Array, values: list[Any]) -> None:
    """Every type of numbers gives numbers, every type of times gives text."""
    source = read({"f": array})
    features = [row["f"] for row in source.table.features(0, 3)]
    assert features == values
    assert list(map(type, features)) == list(map(type, values))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1], [2], [3]]),
        pa.array([[1, 2]] * 3, pa.list_(pa.int64(), 2)),
        pa.array([{"a": 1}] * 3),
        pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
        pa.array([b"\xff", b"b", b"c"]),
        pa.array([b"ab"] * 3, pa.binary(2)),
        pa.array([(1, 2, 3)] * 3, pa.month_day_nano_interval()),
    ],
    ids=lambda array: str(array.type),
)
def test_what_no_feature_can_be_made_of(read: Read, refused: Refused, array: pa.Array) -> None:
    """The error names the column, its type, and two options that help; both work."""
    message = refused({"odd": array})
    assert "'odd' (" in message
    assert "--features" in message
    assert read({"odd": array}, drop=("odd",)).table.feature_names == ("x",)
    assert read({"odd": array}, features=("x",)).table.feature_names == ("x",)
    assert "holds" in refused({"odd": array}, label="odd", drop=("truth",))


def test_dates_may_be_labels(read: Read) -> None:
    """Times of any type become text, also in years that Python does not know."""
    far = pa.array([400_000_000_000, 0, 0], pa.timestamp("s"))
    source = read({"truth": far, "said": pa.array(["1970-01-01"] * 3).cast(pa.date32()).cast(pa.timestamp("s"))})
    assert source.truths == ["14645-06-30T15:06:40", "1970-01-01T00:00:00", "1970-01-01T00:00:00"]
    assert source.answers == ["1970-01-01T00:00:00"] * 3


def test_infinities_and_counters_are_noted(read: Read) -> None:
    """Infinities and running numbers that are left out or taken for missing have a note."""
    source = read({"far": pa.array([float("inf")] * 200), "n": list(range(5, 205))})
    assert source.table.feature_names == ("x", "far")
    assert any("infinite" in note and "far" in note for note in source.notes)
    assert any("only numbers the rows" in note and "n" in note for note in source.notes)
    assert read({"n": list(range(5, 205))}, features=("n",)).table.feature_names == ("n",)


@pytest.mark.parametrize("first", ["oldest", "newest", "any"])
@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("ties", [1, 3])
def test_what_numbers_the_rows_does_so_in_whatever_order_the_file_has(
    read: Read, first: str, step: int, ties: int
) -> None:
    """Rows newest first, oldest first, or shuffled; counted up or down; several rows at one time."""
    order = np.random.default_rng(3).permutation(200) if first == "any" else np.arange(200)
    order = order[::-1] if first == "newest" else order
    times = 1_709_251_200 + 60 * (order // ties)
    source = read({"time": times, "n": 500 + step * order, "other": order // 2})
    assert source.table.feature_names == ("x", "other")
    assert any("column n only numbers the rows" in note for note in source.notes)


def test_a_column_that_counts_down_without_times_numbers_the_rows(read: Read) -> None:
    """Row numbers of any whole type are left out; numbers in no order are a feature."""
    for arrow_type in (pa.int64(), pa.uint64(), pa.int8()):
        assert read({"n": pa.array(range(110, 0, -1), arrow_type)}).table.feature_names == ("x",)
    assert read({"n": np.random.default_rng(3).permutation(200)}).table.feature_names == ("x", "n")


def test_nested_json_is_refused_and_mixed_columns_are_text(read: Read, refused: Refused) -> None:
    """An object within a row is no feature; 1, "1" and true in one column become texts, with a note."""
    row = '{"x": %s, "truth": %s, "said": "1", "sure": 0.9}\n'
    assert "struct" in refused(row % ('{"a": 1}', '"1"'), "a.jsonl")
    assert "list" in refused(row % ("[1]", '"1"'), "a.jsonl")
    assert "numbers, objects" in refused(row % ('{"a": 1}', 1) + row % ("3", 1), "a.jsonl")
    source = read(row % (1, 1) + row % ('"a"', '"1"') + row % ("null", "1.0"), "a.jsonl")
    assert source.truths == ["1", "1", "1"]
    assert [row["x"] for row in source.table.features(0, 3)] == ["1", "a", None]
    assert any("mixes" in note for note in source.notes)
    big = read(row % (2**63, 1) + row % (1, 1), "big.jsonl")
    assert big.table.features(0, 1) == [{"x": 2**63}]


@pytest.mark.parametrize(
    ("label", "row", "count"),
    [
        ([0.0, float("nan"), 1.0, None], 1, 2),
        (["a", "", "a", "b"], 1, 1),
        (["a", "a", "  ", "b"], 2, 1),
        (["1.0", "0.0", "1.0", "nan"], 3, 1),
        ([None, None, None, None], 0, 4),
    ],
)
def test_an_empty_label_is_no_label(refused: Refused, label: list[Any], row: int, count: int) -> None:
    """NaN, null, only blanks, and "nan" among numbers are empty: the error names the row and their number."""
    message = refused({"truth": pa.array(label)})
    assert f"row {row}: column 'truth' (--label) is empty" in message
    assert f"in {count} of 4 rows" in message


def test_slices_have_no_blanks_around_as_labels_have_none(read: Read) -> None:
    """The values "EU " and "EU" are one slice, with a note."""
    source = read({"region": pa.array(["EU ", "EU", "\tEU"])}, slices=("region",))
    assert {event.slices["region"] for event in source.predictions(0, 3)} == {"EU"}
    assert source.slice_count == 1
    assert any("column 'region' (--slices) is read without the blanks" in note for note in source.notes)


def test_slices_are_texts_or_absent(read: Read, refused: Refused) -> None:
    """1.0 is the slice 1, true is ``true``, a null is no slice; a slice that is too long is refused, as by INTAKE."""
    columns = {
        "region": pa.array(["EU", None, "US"]),
        "code": pa.array([1.0, 2.0, float("nan")]),
        "flag": pa.array([True, False, None]),
        "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
        "long": pa.array(["ok", "y" * 201, "ok"]),
    }
    source = read(columns, slices=("region", "code", "flag", "kind"))
    assert [dict(event.slices) for event in source.predictions(0, 3)] == [
        {"region": "EU", "code": "1", "flag": "true", "kind": "a"},
        {"code": "2", "flag": "false", "kind": "b"},
        {"region": "US", "kind": "a"},
    ]
    assert "row 1: column 'long'" in refused(columns, slices=("region", "long"))
    assert "both --label and one of --slices" in refused(columns, slices=("truth",))


def test_ties_of_probabilities_are_noted_once_with_their_count(read: Read) -> None:
    """Among equal probabilities the column that is named first is the answer."""
    shares = {"a": [0.5, 0.3, 0.4, 0.25], "b": [0.5, 0.7, 0.4, 0.5], "c": [0.0, 0.0, 0.2, 0.25]}
    truths = {"truth": ["a", "b", "c", "b"]}
    options = {"confidence": None, "probabilities": ("b", "a", "c")}
    source = read({**shares, **truths}, prediction=None, **options)
    assert source.answers == ["b", "b", "b", "b"]
    assert [note for note in source.notes if "several columns of --probabilities are the largest" in note] == [
        "in 2 of 4 rows several columns of --probabilities are the largest: the answer is the one that is named first"
        " (--prediction would name a column with the answers)"
    ]
    assert "largest" not in "".join(read({**shares, **truths, "said": ["a", "b", "a", "b"]}, **options).notes)


@pytest.mark.parametrize(
    ("sure", "taken"),
    [
        (pa.array([D("0.5006"), D("1.0000"), D("0.0000")], pa.decimal128(6, 4)), [0.5006, 1.0, 0.0]),
        (pa.array([1.0000001, 1.02, -1e-9]), [1.0, 1.0, 0.0]),
        (pa.array(["0.5", " 1", "1.01"]), [0.5, 1.0, 1.0]),
        (pa.array([1, 0, 1]), [1.0, 0.0, 1.0]),
        (pa.array([0.5, 0.25, 1.0], pa.float32()), [0.5, 0.25, 1.0]),
    ],
)
def test_confidences_are_numbers_with_slack(read: Read, sure: pa.Array, taken: list[float]) -> None:
    """Confidences may have any type of numbers, and a rounding error above 1 is 1."""
    assert read({"sure": sure}).confidences == taken


@pytest.mark.parametrize(
    ("sure", "says"),
    [
        (pa.array([0.5, 1.03, 0.5]), "row 1: column 'sure' of --confidence holds 1.03; expected numbers in [0, 1]"),
        (pa.array([0.5, 97.0, 0.5]), "percent"),
        (pa.array([0.5, 0.5, -0.01]), "row 2: column 'sure' of --confidence holds -0.01"),
        (pa.array([0.5, None, 0.5]), "row 1: column 'sure' of --confidence is empty"),
        (pa.array([0.5, float("nan"), 0.5]), "row 1: column 'sure' of --confidence is empty"),
        (pa.array([float("inf"), 0.5, 0.5]), "row 0: column 'sure' of --confidence holds inf"),
        (pa.array(["0,5", "0.5", "0.5"]), "does not hold numbers alone: '0,5'"),
        (pa.array([[0.5]] * 3), "does not hold numbers alone but list"),
        (pa.array([True] * 3), "does not hold numbers alone but bool"),
    ],
)
def test_what_is_no_confidence(refused: Refused, sure: pa.Array, says: str) -> None:
    """The error names the row, the column and what it may be."""
    assert says in refused({"sure": sure})


def test_probabilities_have_the_same_slack(read: Read, refused: Refused) -> None:
    """Probabilities and their sum may have rounding errors; the names of columns are matched with answers."""
    columns = {"0": [1.0000001, 0.5, 0.02], "1": [0.0, 0.51, 0.98]}
    source = read(columns, prediction=None, confidence=None, probabilities=("0", "1"))
    assert source.confidences == [1.0, 0.51, 0.98]
    assert source.predictions(0, 1)[0].probabilities == {"0": 1.0, "1": 0.0}
    as_words = read({**columns, "said": [False, True, True]}, confidence=None, probabilities=("0", "1"))
    assert as_words.answers == ["false", "true", "true"]
    assert as_words.predictions(1, 2)[0].probabilities == {"false": 0.5, "true": 0.51}
    wrong = {"0": [0.5, 0.5, 0.5], "1": [0.5, 0.6, 0.5]}
    message = refused(wrong, prediction=None, confidence=None, probabilities=("0", "1"))
    assert "row 1: --probabilities are 0.5, 0.6; expected numbers from 0 that sum to 1" in message
