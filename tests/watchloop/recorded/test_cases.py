"""The small tables of public reports: each is read right, or refused in a helpful line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.paths import SHARED
from watchloop.recorded.checks.roles import role_lines
from watchloop.recorded.columns import Columns
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.training import train_first

CASES = SHARED / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the tables are not beside the project")

Read = Callable[..., Any]
Refused = Callable[..., str]
PROBABILITIES: dict[str, Any] = {"prediction": None, "confidence": None, "probabilities": ("0", "1")}
SPACED: dict[str, Any] = {"label": " truth", "prediction": " said", "confidence": " sure", "features": (" x",)}


@pytest.mark.parametrize(
    ("file", "columns", "tells"),
    [
        ("a00_base.csv", {}, ""),
        ("a07_leading_zero_labels.csv", {"label": "code"}, ""),
        ("a04_bool_label_int_prediction.parquet", {}, "as truth values"),
        ("a05_bool_label_text_True.parquet", {}, "upper and lower case"),
        ("a06_label_trailing_space.parquet", {}, "blanks"),
        ("b04_yes_no.csv", {}, "as truth values"),
        ("b05_prob_1_0000001.parquet", PROBABILITIES, ""),
        ("b05_conf_1_0000001.parquet", {}, ""),
        ("t02_int_us.parquet", {}, "epoch microseconds from 2024-03-01"),
        ("t08_t_is_temperature.parquet", {"drop": ("t",)}, "no column is the time"),
        ("t08_t_is_temperature.parquet", {}, "no column is the time"),
        ("a03_decimal_confidence.parquet", {}, ""),
        ("b07_slices.parquet", {"slices": ("region", "code", "flag")}, ""),
        ("b03_newlines.csv", {}, ""),
        ("b10_space_names.csv", SPACED, ""),
        ("a16_array.json", {}, ""),
        ("r02_half_missing.parquet", {}, ""),
    ],
)
def test_the_model_is_right_on_four_of_five(read: Read, file: str, columns: dict[str, Any], tells: str) -> None:
    """Every spelling of the table has 160 errors in 800 rows."""
    source = read(CASES / file, **columns)
    assert len(source) == 800
    assert sum(a != b for a, b in zip(source.answers, source.truths, strict=True)) == 160
    assert tells in "\n".join(role_lines(source, is_sent=False))


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("a08_nan_labels.parquet", "column 'truth' (--label) is empty"),
        ("a11_duplicate_columns.csv", "more than one column is called 'x'"),
        ("a12_latin1.csv", "line 2: byte 0xfc is not UTF-8"),
        ("a14_semicolon.csv", "separated by a semicolon"),
        ("b06_unnamed0.csv", "a column has no name"),
        ("t03_first_zero_ms.parquet", "row 0: column 'time' (--time) holds 0"),
    ],
)
def test_what_cannot_be_read_right(refused: Refused, file: str, says: str) -> None:
    """The error is one line with what is wrong, where, and what would be right."""
    assert says in refused(CASES / file)


def test_the_rest_of_what_is_right(read: Read) -> None:
    """Times of 1971 are read as times, decimals as numbers, empty slices as no slice; the index can be left out."""
    years = [event.time for event in read(CASES / "t05_1971.parquet").predictions(0, 700)]
    assert [min(years), max(years)] == [31_536_000_000, 31_536_000_000 + 699 * 86_400_000]
    amounts = {type(row["amount"]) for row in read(CASES / "a01_decimal_feature.parquet").table.features(0, 3_000)}
    assert amounts <= {float, type(None)}
    sliced = read(CASES / "b07_slices.parquet", slices=("region", "code", "flag")).predictions(0, 800)
    values = {f"{name}={value}" for event in sliced for name, value in event.slices.items()}
    assert values == {"region=EU", "code=1", "code=2", "flag=true", "flag=false"}
    assert "" not in read(CASES / "b06_unnamed0.csv", drop=("",)).table.feature_names
    assert len(read(CASES / "d01_drift_many.parquet")) == 7_000
    assert len(read(CASES / "d07_constant_id.parquet")) == 6_000


def test_a_column_of_nothing_is_left_out_of_training() -> None:
    """An empty feature is left out of the training, with a note."""
    table = RecordedTable.load(CASES / "b08a_train_first_all_null.parquet", Columns(label="truth"))
    source = train_first(table, share=0.3, model="m", seed=0)
    assert len(source) == 2_100
    assert "trained without allnull" in "\n".join(source.notes)
