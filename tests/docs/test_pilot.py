"""The pilot of the README, its commands as they are written, on 12,000 calls: no truth leaks, no call is lost."""

from __future__ import annotations

import re
import shlex
import shutil
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from schemas.topics import LABELS, PREDICTIONS
from streams.consume.log_reader import LogReader
from streams.predictions.prediction_reader import PredictionReader
from tests.support.paths import ROOT
from watchloop.cli.main import app
from watchloop.settings import load_settings

PILOT = (ROOT / "README.md").read_text().partition("## A pilot in a day")[2].partition("\n## ")[0]
ROWS = 12_000
DAY_MS = 86_400_000


def command(verb):
    """The README's command of that verb, as arguments."""
    (line,) = re.findall(rf"^watchloop ({verb} [^#\n]*)", PILOT, re.MULTILINE)
    return shlex.split(line)


def run(*arguments, **variables):
    answer = CliRunner().invoke(app, list(arguments), env=variables)
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    assert answer.exit_code == 0, answer.stderr
    return answer


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with calls.parquet and the settings that the README starts from."""
    draw = np.random.default_rng(3)
    calls, age = draw.poisson(3, ROWS), draw.integers(18, 90, ROWS)
    odds = 1 / (1 + np.exp(3.0 - 0.9 * calls + draw.normal(0, 1, ROWS)))
    leaves = draw.random(ROWS) < odds
    guess = 1 / (1 + np.exp(3.0 - 0.9 * calls))
    table = {
        "age": age,
        "plan": draw.choice(["basic", "gold"], ROWS),
        "calls": calls,
        "outcome": np.where(leaves, "leaves", "stays"),
        "said": np.where(guess > 0.5, "leaves", "stays"),
        "p": np.maximum(guess, 1 - guess),
    }
    pq.write_table(pa.table(table), tmp_path / "calls.parquet")
    shutil.copy(ROOT / "watchloop.example.toml", tmp_path / "watchloop.toml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_looking_back_first(here):
    """The backtest reads the table, says what it takes for what, warns of nothing, and writes its page."""
    answer = run(*command("backtest"))
    assert "3 features: age, plan, calls; label: outcome; prediction: said; confidence: p" in answer.stderr
    assert "warning" not in answer.stderr
    assert f"{ROWS}" in answer.stdout
    assert (here / "report.html").stat().st_size > 1_000
    assert "churn" in load_settings(None).models, "the example's settings are there to be used"
    assert "settings: [models.churn]\n" in answer.stderr


def test_whose_settings_apply_is_said(here):
    """Those of the model that the file is called after; a file by another name has the default ones, and is told."""
    pq.write_table(pq.read_table("calls.parquet").slice(0, 300), "short.parquet")
    answer = run("backtest", "short.parquet", "--label", "outcome", "--prediction", "said", "--confidence", "p")
    assert "settings: [default], as there is no [models.short]; --model NAME" in answer.stderr


@pytest.mark.servers
def test_rehearsing_with_recorded_events(here, kafka_topics):
    """The replay sends every row once, without its true label, dated now, and INTAKE's reader takes them all."""
    arguments = command("replay")
    assert arguments[arguments.index("--rate") + 1] == "100"
    arguments[arguments.index("--rate") + 1] = "0"
    begin_ms = time.time_ns() // 1_000_000
    answer = run(
        *arguments,
        WATCHLOOP_KAFKA_BOOTSTRAP=kafka_topics.bootstrap,
        WATCHLOOP_KAFKA_PREFIX=kafka_topics.prefix,
        WATCHLOOP_KAFKA_PARTITIONS=str(kafka_topics.partitions),
    )
    assert f"{ROWS} predictions of churn-rehearsal sent" in answer.stdout
    assert "3 features: age, plan, calls" in answer.stderr
    records, labels = [], []
    reader = LogReader(kafka_topics, {PREDICTIONS.name: records.append, LABELS.name: labels.append})
    reader.catch_up()
    reader.close()
    now_ms = time.time_ns() // 1_000_000
    read = PredictionReader(kafka_topics.prefix, future_ms_max=DAY_MS).read([records], now_ms=now_ms)
    columns = [part.columns for part in read.parts]
    assert read.rejects == []
    assert len({event_id for part in columns for event_id in part.event_ids.texts}) == sum(map(len, columns)) == ROWS
    assert {name for part in columns for name in part.features} == {"age", "plan", "calls"}
    assert all(begin_ms <= part.times_ms.min() <= part.times_ms.max() <= now_ms for part in columns)
    assert labels == []


@pytest.mark.servers
def test_another_table_under_the_same_name_has_other_events(here, kafka_topics):
    """The same command again sends the same ids, which is a retry; rows of another table are no retries of these."""
    arguments = command("replay")
    arguments[arguments.index("--rate") + 1] = "0"
    pq.write_table(pq.read_table("calls.parquet").slice(0, 500), "short.parquet")
    for table in ("short.parquet", "short.parquet", "calls.parquet"):
        answer = run(
            *[table if argument == "calls.parquet" else argument for argument in arguments],
            WATCHLOOP_KAFKA_BOOTSTRAP=kafka_topics.bootstrap,
            WATCHLOOP_KAFKA_PREFIX=kafka_topics.prefix,
            WATCHLOOP_KAFKA_PARTITIONS=str(kafka_topics.partitions),
        )
        assert "their ids are churn-rehearsal-" in answer.stdout
    sent = []
    reader = LogReader(kafka_topics, {PREDICTIONS.name: lambda record: sent.append(record.key())})
    reader.catch_up()
    reader.close()
    assert len(sent) == 1_000 + ROWS
    assert len(set(sent)) == 500 + ROWS
