"""``backtest`` and ``replay`` read tables alike, and refuse the same tables in the same line, before anything runs."""

from __future__ import annotations

import json
import os
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from watchloop.cli.main import app

ROLES = ("--label", "truth", "--prediction", "said", "--confidence", "sure")
HEADER = "x,truth,said,sure\n"
ROWS = "".join(f"{n / 7},{n % 2},{n % 2 if n % 5 else 1 - n % 2},0.{5 + n % 5}\n" for n in range(60))
NOWHERE = "127.0.0.1:1"


def run(*arguments: str) -> Result:
    cleared = {name: None for name in os.environ if name.startswith("WATCHLOOP_")}
    answer = CliRunner().invoke(app, list(arguments), env=cleared)
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer


def test_a_backtest_does_not_depend_on_the_name_of_the_file(tmp_path: pathlib.Path) -> None:
    """The same rows with the same seed give the same draws."""
    reports = []
    for name in ("calls", "answers of may"):
        file = tmp_path / f"{name}.csv"
        file.write_text(HEADER + ROWS * 8)
        told = run("backtest", str(file), *ROLES, "--audit-rate", "0.1", "--budget", "0.3", "--json").stdout
        reports.append(json.loads(told) | {"seconds": 0.0})
    assert reports[0] == reports[1]
    assert reports[0]["reviewed"] > 20


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        (HEADER, (), "has no rows"),
        (HEADER.replace("x", "") + ROWS, (), "a column has no name"),
        (HEADER.replace("x", "said") + ROWS, (), "more than one column is called 'said'"),
        ((HEADER + ROWS).replace(",", ";"), (), "a semicolon"),
        (HEADER + "1,,1,0.5\n", (), "row 0: column 'truth' (--label) is empty"),
        (HEADER + "1,1,,0.5\n", (), "row 0: column 'said' (--prediction) is empty"),
        (HEADER + "1,1,1,1.5\n", (), "row 0: column 'sure' of --confidence holds 1.5"),
        (HEADER + "1,cat,0,0.5\n2,dog,1,0.5\n", (), "nothing in common"),
        (HEADER + f"1,{'y' * 201},{'y' * 201},0.5\n", (), "row 0: column 'said' would be rejected"),
        (HEADER + ROWS, ("--slices", "truth"), "both --label and one of --slices"),
        (HEADER + ROWS, ("--time", "x"), "--time"),
        (HEADER + ROWS, ("--time", "x", "--no-time"), "exclude each other"),
        (HEADER + ROWS, ("--time-unit", "ms"), "--time-unit needs --time"),
        ("time," + HEADER + "9999-12-31,1,1,1,0.5\n", (), "row 0: column 'time' would be rejected"),
        ("time," + HEADER + "2026-01-01,1,1,1,0.5\n,1,1,1,0.5\n", (), "row 1: column 'time' (--time) is empty"),
    ],
)
def test_both_refuse_the_same(tmp_path: pathlib.Path, text: str, options: tuple[str, ...], says: str) -> None:
    """Exit code 2, one line on standard error, nothing on standard output, and no connection to Kafka."""
    file = tmp_path / "calls.csv"
    file.write_text(text)
    answers = [
        run("backtest", str(file), *ROLES, *options),
        run("replay", str(file), "--model", "calls", "--kafka", NOWHERE, *ROLES, *options),
    ]
    assert [answer.exit_code for answer in answers] == [2, 2]
    assert [answer.stdout for answer in answers] == ["", ""]
    assert answers[0].stderr == answers[1].stderr
    assert answers[0].stderr.count("\n") == 1
    assert says in answers[0].stderr


def test_notes_are_not_in_the_json(tmp_path: pathlib.Path) -> None:
    """Roles, notes and warnings go to standard error; the report on standard output stays JSON, also for one row."""
    file = tmp_path / "calls.parquet"
    table = pa.csv.read_csv(pa.py_buffer((HEADER + ROWS).encode()))
    pq.write_table(table.append_column("leak", table["truth"]), file)
    answer = run("backtest", str(file), *ROLES, "--json")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["events"] == 60
    first, *rest = answer.stderr.splitlines()
    assert first.startswith("2 features: x, leak; label: truth; prediction: said; confidence: sure")
    assert any("as if half an hour apart" in line for line in rest)
    pq.write_table(table.slice(0, 1), file)
    assert json.loads(run("backtest", str(file), *ROLES, "--json").stdout)["events"] == 1


def test_labels_are_sent_only_if_there_are_any(tmp_path: pathlib.Path) -> None:
    """``replay --labels`` without ``--label`` says which option is missing."""
    file = tmp_path / "calls.csv"
    file.write_text(HEADER + ROWS)
    answer = run("replay", str(file), "--model", "m", *ROLES[2:], "--labels")
    assert answer.exit_code == 2
    assert "--labels needs --label" in answer.stderr
