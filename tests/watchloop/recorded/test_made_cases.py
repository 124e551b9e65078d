"""The cases of public reports as tables made here, with a model that is right in four of five rows."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from watchloop.recorded.checks.roles import role_lines
from watchloop.recorded.columns import Columns
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.training import train_first

ROWS = 800
WRONG = 160
Table = dict[str, list[Any]]
Read = Callable[..., Any]
Refused = Callable[..., str]
Write = Callable[..., Any]


def base() -> Table:
    """A feature, the true label, the prediction and its confidence."""
    draw = np.random.default_rng(1)
    truths = draw.integers(0, 2, ROWS)
    said = truths.copy()
    said[draw.permutation(ROWS)[:WRONG]] ^= 1
    return {
        "x": draw.random(ROWS).tolist(),
        "truth": truths.tolist(),
        "said": said.tolist(),
        "sure": (0.5 + draw.random(ROWS) / 2).tolist(),
    }


def with_words(table: Table, truth: Callable[[int], Any], said: Callable[[int], Any] | None = None) -> Table:
    return {**table, "truth": list(map(truth, table["truth"])), "said": list(map(said or truth, table["said"]))}


def text_of(table: Table, separator: str = ",") -> str:
    out = io.StringIO()
    lines = csv.writer(out, delimiter=separator, lineterminator="\n")
    lines.writerow(table)
    lines.writerows(zip(*table.values(), strict=True))
    return out.getvalue()


BASE = base()
MICROSECONDS = [1_709_251_200_000_000 + 60_000_000 * row for row in range(ROWS)]
RIGHT: dict[str, tuple[Any, str, dict[str, Any], str]] = {
    "plain": (text_of(BASE), "t.csv", {}, ""),
    "an array of objects": (
        json.dumps([dict(zip(BASE, row, strict=True)) for row in zip(*BASE.values(), strict=True)]), "t.json", {}, "",
    ),
    "leading zeros": (text_of(with_words(BASE, "00{}".format)), "t.csv", {}, ""),
    "truth values and numbers": (with_words(BASE, bool, int), "t.parquet", {}, "as truth values"),
    "truth values and words": (with_words(BASE, bool, lambda n: str(bool(n))), "t.parquet", {}, "upper and lower case"),
    "blanks behind a label": (with_words(BASE, "c{} ".format, "c{}".format), "t.parquet", {}, "blanks"),
    "yes and no": (text_of(with_words(BASE, lambda n: "yes" if n else "no", int)), "t.csv", {}, "as truth values"),
    "decimals": (
        {**BASE, "sure": [decimal.Decimal(f"{sure:.4f}") for sure in BASE["sure"]]}, "t.parquet", {}, "",
    ),
    "a confidence a little above 1": (
        {**BASE, "sure": [1.0000001, *BASE["sure"][1:]]}, "t.parquet", {}, "",
    ),
    "microseconds": (
        {**BASE, "time": MICROSECONDS}, "t.parquet", {"time": "time"}, "epoch microseconds from 2024-03-01",
    ),
    "line breaks in a text": (
        text_of({**BASE, "note": ["one\ntwo, \"three\""] * ROWS}), "t.csv", {}, "",
    ),
    "a feature that is half missing": (
        {**BASE, "half": [1.5 if row % 2 else None for row in range(ROWS)]}, "t.parquet", {}, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_the_model_is_right_on_four_of_five(read: Read, case: str) -> None:
    """Every spelling of the table has 160 errors in 800 rows."""
    content, name, columns, tells = RIGHT[case]
    source = read(content, name, **columns)
    assert len(source) == ROWS
    assert sum(a != b for a, b in zip(source.answers, source.truths, strict=True)) == WRONG
    assert tells in "\n".join(role_lines(source, is_sent=False))


WRONG_ONES: dict[str, tuple[Any, str, dict[str, Any], str]] = {
    "missing labels": (
        {**BASE, "truth": [None, *BASE["truth"][1:]]}, "t.parquet", {}, "column 'truth' (--label) is empty"
    ),
    "one name twice": ("x,x,truth,said,sure\n1,2,1,1,0.5\n", "t.csv", {}, "more than one column is called 'x'"),
    "Latin-1": ("x,truth,said,sure\nü,1,1,0.5\n".encode("latin-1"), "t.csv", {}, "line 2: byte 0xfc is not UTF-8"),
    "semicolons": (text_of(BASE, ";"), "t.csv", {}, "separated by a semicolon"),
    "an index without a name": (pd.DataFrame(BASE).to_csv(), "t.csv", {}, "a column has no name"),
    "a first time of 0": (
        {**BASE, "time": [0, *(MICROSECONDS[row] // 1000 for row in range(1, ROWS))]}, "t.parquet", {"time": "time"},
        "row 0: column 'time' (--time) holds 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_ONES)
def test_what_cannot_be_read_right(refused: Refused, case: str) -> None:
    """The error is one line with what is wrong, where, and what would be right."""
    content, name, columns, says = WRONG_ONES[case]
    assert says in refused(content, name, **columns)


def test_years_of_1971_and_slices_without_the_empty_ones(read: Read) -> None:
    """Old times are taken as times, an empty slice as no slice, and a truth value is spelt as in JSON."""
    days = [dt.datetime(1971, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=row) for row in range(ROWS)]
    years = [event.time for event in read({**BASE, "time": days}, "t.parquet", time="time").predictions(0, ROWS)]
    assert [min(years), max(years)] == [31_536_000_000, 31_536_000_000 + (ROWS - 1) * 86_400_000]
    parts = {"region": ["EU", ""] * (ROWS // 2), "flag": [True, False] * (ROWS // 2)}
    sliced = read({**BASE, **parts}, "s.parquet", slices=("region", "flag")).predictions(0, ROWS)
    values = {f"{name}={value}" for event in sliced for name, value in event.slices.items()}
    assert values == {"region=EU", "flag=true", "flag=false"}


def test_a_column_of_nothing_is_left_out_of_training(write: Write) -> None:
    """An empty feature is left out of the training, with a note."""
    columns = {"x": BASE["x"], "truth": BASE["truth"], "empty": [None] * 560 + [1.0] * 240}
    source = train_first(
        RecordedTable.load(write(columns, "t.parquet"), Columns(label="truth")), share=0.3, model="m", seed=0
    )
    assert len(source) == 560
    assert "trained without empty" in "\n".join(source.notes)
