"""Warnings name features that give the true label away, and no ids, honest features or copies of the prediction."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.support.paths import ROOT
from watchloop.recorded.cells.plain_columns import plain_features
from watchloop.recorded.checks.giveaways import giveaways, warnings_of
from watchloop.recorded.checks.roles import role_lines
from watchloop.recorded.columns import Columns
from watchloop.recorded.replayable import recorded_answers
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.training import train_first

DATA = ROOT.parent / "shared" / "data"
SIZE = 4_000
DRAW = np.random.default_rng(0)
LABEL = DRAW.random(SIZE) < 0.4
RARE = DRAW.random(SIZE) < 0.03
MANY = DRAW.integers(0, 80, SIZE)
BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TIMES_MS = [round((BEGIN.timestamp() + 600 * n) * 1000) for n in range(SIZE)]


def flipped(labels: np.ndarray, share: float) -> np.ndarray:
    return labels ^ (DRAW.random(len(labels)) < share)


def after(seconds: Any) -> list[dt.datetime]:
    return [
        dt.datetime.fromtimestamp(time_ms / 1000 + delay, dt.UTC)
        for time_ms, delay in zip(TIMES_MS, seconds, strict=True)
    ]


def leaks(column: Any, truths: Any = LABEL, **options: Any) -> list[str]:
    plain = plain_features(pa.table({"f": column}), ("f",), [], guess=False)
    return [leak.name for leak in giveaways(plain, [str(truth) for truth in truths], **options)]


@pytest.mark.parametrize(
    ("column", "truths"),
    [
        (LABEL, LABEL),
        (~LABEL, LABEL),
        (flipped(LABEL, 0.005), LABEL),
        (flipped(RARE, 0.005), RARE),
        (np.where(LABEL, 17, 4), LABEL),
        (np.where(LABEL, "gone", "here"), LABEL),
        (np.where(LABEL, DRAW.random(SIZE) + 1, DRAW.random(SIZE)), LABEL),
        (np.where(LABEL, DRAW.random(SIZE) * 50, 0.0), LABEL),
        ([1.0 if label else None for label in LABEL], LABEL),
        ([f"case {n}" if label else None for n, label in enumerate(LABEL)], LABEL),
        ([time if label else None for time, label in zip(after(np.full(SIZE, 86_400)), LABEL, strict=True)], LABEL),
        (MANY, MANY),
        ([f"class {number}" for number in MANY], MANY),
        (MANY % 8 * 3.0 + DRAW.random(SIZE), MANY % 8),
    ],
    ids=[
        "copied",
        "inverted",
        "noisy",
        "noisy-of-a-rare-label",
        "numbers",
        "texts",
        "ranges",
        "amount",
        "missing",
        "text-or-missing",
        "date-or-missing",
        "many",
        "many-texts",
        "many-ranges",
    ],
)
def test_a_planted_leak_is_found(column: Any, truths: Any) -> None:
    """Copies, inverted or with half a percent of errors, as numbers, texts or ranges, or by not being missing."""
    assert leaks(column, truths) == ["f"]


def test_a_date_after_the_fact_is_found() -> None:
    """The distance of a date from the event predicts the label, though the date itself does not."""
    column = after(np.where(LABEL, 5 * 86_400, 3_600) + DRAW.integers(0, 600, SIZE))
    assert leaks(column, times_ms=TIMES_MS) == ["f"]


@pytest.mark.parametrize(
    ("column", "truths"),
    [
        (np.arange(SIZE), LABEL),
        (DRAW.permutation(SIZE), LABEL),
        ([f"id-{n}" for n in range(SIZE)], LABEL),
        (after(DRAW.integers(0, 10**6, SIZE)), LABEL),
        (LABEL + DRAW.normal(0, 0.5, SIZE), LABEL),
        (flipped(LABEL, 0.05), LABEL),
        (DRAW.integers(0, 2_000, SIZE), RARE),
        (np.zeros(SIZE), LABEL),
        ([None] * SIZE, LABEL),
        (np.arange(SIZE), np.arange(SIZE) < SIZE // 2),
        (np.arange(SIZE) < SIZE // 2, np.arange(SIZE) < SIZE // 2),
        (np.arange(SIZE), np.arange(SIZE)),
        (np.zeros(SIZE), np.zeros(SIZE)),
    ],
    ids=[
        "counter",
        "number-id",
        "text-id",
        "date",
        "strong",
        "strong-flag",
        "rare",
        "constant",
        "empty",
        "sorted-by-label",
        "sorted-flag",
        "label-is-id",
        "one-label",
    ],
)
def test_what_is_honest_is_left_alone(column: Any, truths: Any) -> None:
    """Ids, strong features, constants, and tables that have each label in one half only, have no warning."""
    assert leaks(column, truths) == []


def test_a_few_rows_tell_nothing() -> None:
    """Tables with fewer than 100 rows, or ten of the rarer label in a half, have no warning."""
    assert leaks(LABEL[:80], LABEL[:80]) == []
    few = np.arange(SIZE) % 600 == 0
    assert leaks(few, few) == []


def test_the_models_twin_is_no_leak() -> None:
    """A copy of the prediction has no warning, however accurate; a copy of the truth has answer."""
    answers = flipped(LABEL, 0.004)
    assert leaks(answers, answers=[str(answer) for answer in answers]) == []
    assert leaks(LABEL, answers=[str(answer) for answer in answers]) == ["f"]
    assert leaks(LABEL, answers=[str(answer) for answer in LABEL]) == ["f"]


def test_warnings_are_bounded_and_clean() -> None:
    """Many leaks give a few lines, and names are quoted."""
    table = pa.table({f"leak\x1b[31m{n}" * 20: LABEL for n in range(40)})
    lines = warnings_of(giveaways(table, [str(label) for label in LABEL]))
    assert len(lines) == 6
    assert all(line.isprintable() and len(line) < 400 for line in lines)
    assert "35 more" in lines[-1]


def test_both_commands_warn(tmp_path: pathlib.Path) -> None:
    """Leaks are warned of with recorded predictions and with --train-first; so are predictions that are never wrong."""
    columns = {"x": DRAW.random(SIZE), "code": np.where(LABEL, 3, 8), "truth": LABEL, "sure": np.full(SIZE, 0.75)}
    path = tmp_path / "calls.parquet"
    pa.parquet.write_table(pa.table({**columns, "said": flipped(LABEL, 0.2)}), path)
    options = {"label": "truth", "prediction": "said", "confidence": "sure"}
    recorded = recorded_answers(RecordedTable.load(path, Columns(**options)), model="m")
    assert any("'code' gives the true label away" in line for line in role_lines(recorded, is_sent=True))
    trained = RecordedTable.load(path, Columns(label="truth", drop=("said", "sure")))
    lines = role_lines(train_first(trained, share=0.2, model="m", seed=0), is_sent=False)
    assert any("'code' gives the true label away" in line for line in lines)
    without = recorded_answers(RecordedTable.load(path, Columns(**options, drop=("code",))), model="m")
    assert not any("warning" in line for line in role_lines(without, is_sent=True))
    pa.parquet.write_table(pa.table({**columns, "said": LABEL}), path)
    never = recorded_answers(RecordedTable.load(path, Columns(**options, features=("x",))), model="m")
    assert any("right in every row" in line for line in role_lines(never, is_sent=True))


@pytest.mark.parametrize(
    ("file", "label"),
    [
        (ROOT / "watchloop" / "data" / "elec2.parquet", "label"),
        (DATA / "stream_insects_wbf" / "insects_wbf.parquet", "species"),
        (DATA / "stream_noaa_weather" / "noaa_weather.parquet", "raw_class"),
        (DATA / "stream_outdoor" / "outdoor.parquet", "label"),
        (DATA / "subgroup_acs_employment_ma" / "acs_employment_ma.parquet", "employed"),
    ],
    ids=lambda value: value.stem if isinstance(value, pathlib.Path) else "",
)
def test_real_streams_are_honest(file: pathlib.Path, label: str) -> None:
    """No feature of the real streams has a warning; the strongest, a price of Elec2, predicts 72 %."""
    if not file.exists():
        pytest.skip("the data sets are not beside the project")
    table = RecordedTable.load(file, Columns(label=label))
    assert giveaways(table.rows, table.labels) == []


def test_a_real_leak_is_found() -> None:
    """COMPAS has the outcome in another column: whether a person was charged again."""
    file = DATA / "subgroup_compas" / "compas_two_years.parquet"
    if not file.exists():
        pytest.skip("the data sets are not beside the project")
    table = RecordedTable.load(file, Columns(label="two_year_recid"))
    assert [leak.name for leak in giveaways(table.rows, table.labels)] == ["is_recid"]
