"""/metrics has numbers of the models that have a place and of no others, whatever names come."""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import CollectorRegistry

from agents.shared import metrics
from agents.shared.metric_files import FOLDER_VARIABLE
from agents.shared.metrics import OF_MODELS, bound_models, exposition
from agents.shared.model_metrics import ModelCounter, ModelGauge, ModelMetric
from agents.shared.model_places import ModelPlaces
from tests.support.program import ROOT, environment
from tests.support.waiting import PATIENCE_SECONDS
from watchloop.processes.workers import Worker, Workers, WorkerSpec

NAMED = re.compile(r'model="([^"]*)"')
PLACES_MAX, STRANGERS = 20, 3_000


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Remove the numbers that a test has set."""
    yield
    bound_models(ModelPlaces())
    for metric in OF_MODELS:
        metric.clear()


def told(metric: ModelMetric, model: str) -> None:
    """One number of a model."""
    more = [""] * (len(metric._labelnames) - 1)
    if isinstance(metric, ModelCounter):
        metric.inc(model, *more)
    elif isinstance(metric, ModelGauge):
        metric.set(1.0, model, *more)


@pytest.mark.parametrize("shared", [False, True])
def test_strangers_names_are_bounded(shared: bool, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every metric of models has as many as there are places, beside the configured ones; so has what is shown."""
    if shared:
        monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    bound_models(ModelPlaces(PLACES_MAX, {"ours"}))
    for metric in OF_MODELS:
        told(metric, "ours")
        for number in range(STRANGERS):
            told(metric, f"stranger {number}")
    shown = exposition().decode()
    for metric in OF_MODELS:
        lines = [line for line in shown.splitlines() if line.startswith(metric._name + "{")]
        names = NAMED.findall("\n".join(lines))
        assert len(names) == PLACES_MAX + 1
        assert {"ours", f"stranger {STRANGERS - 1}"} <= set(names)
    assert len(set(NAMED.findall(shown))) == PLACES_MAX + 1


def test_every_metric_that_names_a_model_is_bounded() -> None:
    """No other metric has a label whose values producers send."""
    others = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    assert {label for metric in others for label in metric._labelnames} == {"decision", "lane", "role", "table"}
    of_models = {metric for metric in vars(metrics).values() if isinstance(metric, ModelMetric)}
    assert of_models == set(OF_MODELS), "who is not among them has no bound"


def test_a_metric_reads_as_any_other() -> None:
    """Name, type, help and escapes are those of prometheus_client."""
    counter, gauge = ModelCounter("fired_total", "How many.", "severity"), ModelGauge("late", "How late.")
    counter.inc('a"b\n', "high")
    counter.inc('a"b\n', "high")
    gauge.set(2.5, "a")
    registry = CollectorRegistry()
    registry.register(counter)
    registry.register(gauge)
    text = generate_latest(registry).decode()
    assert "# TYPE fired_total counter" in text
    assert r'fired_total{model="a\"b\n",severity="high"} 2.0' in text
    assert 'late{model="a"} 2.5' in text
    gauge.forget("a")
    assert "late{" not in generate_latest(registry).decode()


WORKER = """
import os, signal, sys
from agents.shared.metrics import INTAKE_EVENTS, LAG_MESSAGES, OPEN_TASKS, exposition
INTAKE_EVENTS.inc(5)
for role in sys.argv[1:]:
    LAG_MESSAGES.labels(role).set(3333)
    OPEN_TASKS.labels("review").set(7)
print(exposition().decode(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_worker_leaves_what_it_counted_and_nothing_it_measured(tmp_path: pathlib.Path) -> None:
    """A worker is started again and again: counters go on, gauges begin anew, and the number of files stays."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    variables = environment(PYTHONPATH=str(ROOT), **{FOLDER_VARIABLE: str(folder)})
    workers = Workers([WorkerSpec("loop", ()), WorkerSpec("intake", ())], lambda _spec: variables, tmp_path, 5.0)
    loop, intake = workers._workers
    loop._command = [sys.executable, "-c", WORKER, "record"]
    intake._command = [sys.executable, "-c", WORKER]

    def ended(worker: Worker) -> str:
        """All output of a worker until it was killed."""
        worker.log.unlink(missing_ok=True)
        worker.start()
        assert worker._process is not None
        worker._process.wait(PATIENCE_SECONDS)
        return worker.log.read_text()

    said = ended(loop)
    assert 'watchloop_lag_messages{role="record"} 3333.0' in said
    files = {file.name for file in folder.iterdir()}
    assert "counter_loop.db" in files
    loop._command = [sys.executable, "-c", WORKER]
    for count in (10, 15):
        said = ended(loop)
        assert f"watchloop_intake_events_total {count}.0" in said
        assert 'role="record"' not in said
        assert 'lane="review"' not in said
    assert "watchloop_intake_events_total 20.0" in ended(intake)
    assert {file.name for file in folder.iterdir() if "intake" not in file.name} <= files
