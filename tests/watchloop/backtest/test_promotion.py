from __future__ import annotations

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.settings import Settings
from learning.learner import Event, Learner
from learning.serving import Scores, ServingModel
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.correction import Correction
from schemas.wire.prediction import Prediction
from watchloop.backtest.loop import BacktestSettings, Loop
from watchloop.backtest.run import run_backtest
from watchloop.cli.backtest import with_triage
from watchloop.recorded.columns import Columns
from watchloop.recorded.replayable import Replayable, recorded_answers
from watchloop.recorded.table import RecordedTable


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A stream whose rule is inverted at half time, while the model predicts as before with the same confidence."""
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


def stream_of(path: pathlib.Path) -> tuple[Replayable, Settings]:
    columns = Columns(label="truth", prediction="answer", confidence="confidence")
    source = recorded_answers(RecordedTable.load(path, columns), model="turned")
    return source, with_triage(Settings(), "turned", {"budget": 0.3, "audit_rate": 0.2}, seed=0)


def test_after_a_change_the_gate_lets_a_learned_model_serve_and_the_error_alert_fires(turned: pathlib.Path) -> None:
    """The model is right until half time and wrong afterwards: promotion, alert and gain come after half time."""
    source, settings = stream_of(turned)
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


def test_a_label_reaches_the_learner_only_after_its_event_was_answered(
    turned: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prequential: a model has learned nothing of the batch it serves, and each event is scored exactly once."""
    answered: list[str] = []
    served = 0
    learned: set[str] = set()
    many, learn, replay = ServingModel.many, Learner.learn, Loop.replay

    def scoring(self: ServingModel, events: PredictionColumns) -> Scores:
        nonlocal served
        served += 1
        assert not learned & set(events.event_ids.texts)
        return many(self, events)

    def replaying(self: Loop, events: list[Prediction], truths: list[str]) -> None:
        answered.extend(event.event_id for event in events)
        assert not learned & {event.event_id for event in events}
        replay(self, events, truths)

    def learning(self: Learner, correction: Correction) -> list[Event]:
        assert correction.event_id in answered
        learned.add(correction.event_id)
        return learn(self, correction)

    monkeypatch.setattr(ServingModel, "many", scoring)
    monkeypatch.setattr(Loop, "replay", replaying)
    monkeypatch.setattr(Learner, "learn", learning)
    source, settings = stream_of(turned)
    run_backtest(source, settings, BacktestSettings())
    assert len(answered) == len(set(answered)) == len(source)
    assert learned
    assert served > 10
