from __future__ import annotations

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.settings import Settings
from watchloop.backtest.run import run_backtest
from watchloop.backtest.settings import BacktestSettings
from watchloop.cli_backtest import with_triage
from watchloop.frozen import recorded_answers
from watchloop.table import Columns, RecordedTable


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A stream whose rule turns round at half time, with a model that goes on as before and is as sure as before."""
    draw = np.random.default_rng(5)
    size = 4_000
    x, noise = draw.normal(size=size), draw.normal(size=size)
    answers = x > 0
    truths = np.where(np.arange(size) < size // 2, answers, ~answers)
    path = tmp_path_factory.mktemp("turned") / "turned.parquet"
    confidence = 0.6 + 0.39 * (1.0 - np.exp(-np.abs(x)))
    table = {"x": x, "noise": noise, "truth": truths, "answer": answers, "confidence": confidence}
    pq.write_table(pa.table(table), path)
    return path


def test_after_a_change_the_gate_lets_a_learned_model_serve_and_the_error_alert_fires(turned: pathlib.Path) -> None:
    """The model is right until half time and wrong afterwards: promotion, alert and gain all lie after it."""
    columns = Columns(label="truth", prediction="answer", confidence="confidence")
    source = recorded_answers(RecordedTable.load(turned, columns), model="turned")
    settings = with_triage(Settings(), "turned", {"budget": 0.3, "audit_rate": 0.2}, seed=0)
    report = run_backtest(source, settings, BacktestSettings())
    assert report.accuracy_model == pytest.approx(0.5)
    assert report.gate.promoted[0].version == "turned-1"
    assert report.gate.promoted[0].at > 2_000
    assert report.accuracy_learned > 0.75
    assert any(alert.signal == "error" and alert.at > 2_000 for alert in report.alerts)
    assert all(alert.at > 2_000 for alert in report.alerts)
    assert report.stretches[0].learned == 1.0
    assert report.stretches[-1].model == 0.0
    assert report.stretches[-1].learned > 0.9
