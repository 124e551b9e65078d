from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from tests.support.paths import ELEC2
from watchloop.cli.main import app
from watchloop.recorded.columns import Columns
from watchloop.recorded.replayable import Replayable
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.training import train_first

OPTIONS = ("--label", "label", "--drop", "date,nswprice", "--train-first", "0.2", "--budget", "0.1")

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def elec2_rows() -> pa.Table:
    return pq.read_table(ELEC2).slice(0, 6_000)


@pytest.fixture(scope="session")
def elec2_file(elec2_rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("elec2") / "small.parquet"
    pq.write_table(elec2_rows, path)
    return path


@pytest.fixture(scope="session")
def source(elec2_file: pathlib.Path) -> Replayable:
    columns = Columns(label="label", drop=("date", "nswprice"))
    return train_first(RecordedTable.load(elec2_file, columns), share=0.2, model="small", seed=0)


@pytest.fixture(scope="session")
def short(source: Replayable) -> Replayable:
    """The first 1,000 replayed events, for tests with many corrections."""
    table = dataclasses.replace(
        source.table,
        rows=source.table.rows.slice(0, source.first + 1_000),
        labels=source.table.labels[: source.first + 1_000],
        times_ms=source.table.times_ms[: source.first + 1_000],
    )
    assert source.probabilities is not None
    return dataclasses.replace(
        source,
        table=table,
        answers=source.answers[:1_000],
        confidences=source.confidences[:1_000],
        probabilities=source.probabilities[:1_000],
    )


@pytest.fixture(scope="session")
def run() -> Run:
    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["backtest", *(str(argument) for argument in arguments)])

    return invoke


@pytest.fixture(scope="session")
def report(run: Run, elec2_file: pathlib.Path) -> dict[str, Any]:
    result = run(elec2_file, *OPTIONS, "--slices", "day", "--json")
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report
