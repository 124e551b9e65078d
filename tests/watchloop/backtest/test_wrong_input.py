from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from typer.testing import Result

Run = Callable[..., Result]
SIZE = 600


@pytest.fixture(scope="module")
def table() -> dict[str, list[object]]:
    draw = np.random.default_rng(1)
    x = draw.normal(size=SIZE)
    p = 1.0 / (1.0 + np.exp(-2.0 * x))
    return {
        "x": x.tolist(),
        "truth": (x + 0.5 * draw.normal(size=SIZE) > 0).astype(int).tolist(),
        "answer": (p > 0.5).astype(float).tolist(),
        "sure": np.maximum(p, 1.0 - p).tolist(),
        "0": (1.0 - p).tolist(),
        "1": p.tolist(),
        "words": ["low" if value < 0 else "high" for value in x],
    }


@pytest.fixture
def file(table: dict[str, list[object]], tmp_path: pathlib.Path) -> pathlib.Path:
    return written(table, tmp_path)


def written(table: dict[str, list[object]], folder: pathlib.Path) -> pathlib.Path:
    path = folder / "recorded.csv"
    pa.csv.write_csv(pa.table(table), path)
    return path


def test_recorded_predictions_and_probabilities_say_the_same(run: Run, file: pathlib.Path) -> None:
    """A prediction with its confidence, the probabilities, or both give the same accuracy, with every row replayed."""
    ways = (
        ("--prediction", "answer", "--confidence", "sure"),
        ("--probabilities", "0,1"),
        ("--probabilities", "0,1", "--prediction", "answer"),
    )
    reports = []
    for way in ways:
        result = run(file, "--label", "truth", "--features", "x,words", *way, "--json")
        assert result.exit_code == 0, result.output
        reports.append(json.loads(result.stdout))
    assert [report["events"] for report in reports] == [SIZE] * 3
    assert len({report["accuracy_model"] for report in reports}) == 1
    assert len({report["errors_caught"] for report in reports}) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--label nowhere --train-first 0.2", "has no column 'nowhere' (--label); its columns are x, truth"),
        ("--label truth --train-first 0.2 --slices region", "has no column 'region' (--slices)"),
        ("--label truth --train-first 0.2 --time when", "has no column 'when' (--time)"),
        ("--label truth --train-first 0.2 --time words", "column 'words' (--time) holds"),
        ("--label truth --train-first 0.2 --features truth", "is both --label and one of --features"),
        ("--label truth", "there are no predictions: give --prediction"),
        ("--label truth --prediction answer", "there are no predictions: give --prediction"),
        ("--label truth --prediction answer --confidence x", "--confidence holds"),
        ("--label truth --probabilities x,sure", "expected numbers from 0 that sum to 1"),
        ("--label truth --probabilities 0,words", "column 'words' (--probabilities) does not hold numbers alone"),
        ("--label truth --probabilities 0,1 --prediction words", "none of the columns of --probabilities: 0, 1"),
        ("--label truth --train-first 0.2 --prediction answer", "--train-first makes predictions of its own"),
        ("--label truth --train-first 1.5", "--train-first is 1.5; expected a share between 0 and 1"),
        ("--label truth --train-first nan", "--train-first is nan; expected a share between 0 and 1"),
        ("--label truth --train-first 0.001", "leaves 0 of 600 rows to train on"),
        ("--label truth --train-first 0.2 --budget 2", "--budget is 2; expected a share above 0, at most 1"),
        ("--label truth --train-first 0.2 --audit-rate 0", "--audit-rate is 0; expected a share above 0"),
        ("--label truth --train-first 0.2 --budget 0.01", "--audit-rate must be at most budget"),
        ("--label truth --train-first 0.2 --out /nowhere/at/all.json", "there is no folder /nowhere/at"),
        ("--label truth --train-first 0.2 --config /nowhere.toml", "/nowhere.toml: there is no such file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(run: Run, file: pathlib.Path, options: str, says: str) -> None:
    """Exit code 2, one line on stderr that names the option, nothing on stdout."""
    result = run(file, *options.split())
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_an_empty_answer_is_named_with_its_row(
    run: Run, table: dict[str, list[object]], tmp_path: pathlib.Path
) -> None:
    """An empty prediction is refused and does not become a label called None."""
    holed = {**table, "answer": [*table["answer"][:7], None, *table["answer"][8:]]}
    result = run(written(holed, tmp_path), "--label", "truth", "--prediction", "answer", "--confidence", "sure")
    assert result.exit_code == 2
    assert "row 7: column 'answer' (--prediction) is empty" in result.stderr


def test_an_output_that_cannot_be_written_is_named(run: Run, file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A folder instead of a file is refused in one line."""
    result = run(file, "--label", "truth", "--train-first", "0.2", "--features", "x", "--out", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path}: cannot be written" in result.stderr
