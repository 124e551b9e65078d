"""The metrics of a worker on /metrics, with the names and units of Prometheus."""

from __future__ import annotations

import os
from collections.abc import Sequence

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from agents.shared.metric_files import FOLDER_VARIABLE, PROCESS_VARIABLE
from agents.shared.model_metrics import ModelCounter, ModelGauge
from agents.shared.model_places import ModelPlaces
from streams.consume.batches import Handler, OutboxT_contra
from streams.records import Record

__all__ = [
    "ALERTS_FIRED",
    "BATCH_SECONDS",
    "CORRECTIONS_LEARNED",
    "CORRECTIONS_LEFT_OUT",
    "FEATURES_UNWATCHED",
    "FORCED_BLOCKS",
    "INTAKE_DUPLICATES",
    "INTAKE_EVENTS",
    "INTAKE_REMEMBERED_SECONDS",
    "INTAKE_REJECTS",
    "INTAKE_VERDICTS",
    "LABELS_REJECTED",
    "LAG_MESSAGES",
    "LAG_SECONDS",
    "LATE_BLOCKS",
    "LATE_EVENTS",
    "MANIFESTS_REFUSED",
    "OF_MODELS",
    "OPEN_TASKS",
    "OVERDUE_TASKS",
    "RECORD_FAILURES",
    "RECORD_ROWS",
    "bound_models",
    "exposition",
    "timed",
]

if FOLDER_VARIABLE in os.environ and PROCESS_VARIABLE in os.environ:
    # prometheus_client asks for this before the first metric is made.
    values.ValueClass = values.MultiProcessValue(lambda: os.environ[PROCESS_VARIABLE])  # type: ignore[no-untyped-call]

INTAKE_EVENTS = Counter("watchloop_intake_events_total", "Predictions that were given a verdict.")
INTAKE_DUPLICATES = Counter(
    "watchloop_intake_duplicates_total", "Predictions judged before, a producer's retries: they get no second verdict."
)
INTAKE_REMEMBERED_SECONDS = Gauge(
    "watchloop_intake_remembered_seconds",
    "For how long judged events are remembered at least; less than worker.dedupe_span_seconds where memory ends first.",
    multiprocess_mode="livemin",
)
INTAKE_REJECTS = Counter("watchloop_intake_rejects_total", "Messages, or elements of them, that could not be read.")
LABELS_REJECTED = Counter("watchloop_labels_rejected_total", "Late labels that could not be used.")
INTAKE_VERDICTS = Counter("watchloop_intake_verdicts_total", "Verdicts by decision.", ["decision"])
BATCH_SECONDS = Histogram("watchloop_batch_seconds", "Time to handle one batch.", ["role"])
OPEN_TASKS = Gauge("watchloop_open_tasks", "Tasks that wait for people.", ["lane"], multiprocess_mode="livesum")
OVERDUE_TASKS = Gauge("watchloop_overdue_tasks", "Tasks past their due time.", ["lane"], multiprocess_mode="livesum")
LAG_MESSAGES = Gauge(
    "watchloop_lag_messages", "Messages that a role has not read yet.", ["role"], multiprocess_mode="livemax"
)
LAG_SECONDS = Gauge(
    "watchloop_lag_seconds",
    "How long the oldest message that a role has not read yet has waited; NaN where that is unknown.",
    ["role"],
    multiprocess_mode="livemax",
)
ALERTS_FIRED = ModelCounter("watchloop_alerts_fired_total", "Alerts that began to fire.", "severity")
LATE_BLOCKS = ModelGauge(
    "watchloop_late_blocks",
    "Blocks that came after their window had been judged and were left out, since the blocks were read anew.",
)
LATE_EVENTS = ModelGauge("watchloop_late_events", "Events in late blocks, which drift does not see.")
FORCED_BLOCKS = ModelGauge(
    "watchloop_forced_blocks",
    "Blocks judged before all partitions had come as far, because too many waited (drift.open_blocks_max).",
)
FEATURES_UNWATCHED = ModelGauge(
    "watchloop_features_unwatched",
    "Features that are not watched for drift, or by their mean alone (drift.features_watched_max).",
)
CORRECTIONS_LEARNED = ModelCounter("watchloop_corrections_learned_total", "Corrections learned from.")
CORRECTIONS_LEFT_OUT = ModelGauge(
    "watchloop_corrections_left_out",
    "Corrections that taught nothing, since the log was read from its beginning.",
    "reason",
)
MANIFESTS_REFUSED = Counter(
    "watchloop_manifests_refused_total",
    "Manifests and tombstones of models that changed nothing: forged, older, of another log, or not to be read.",
    ["role"],
)
RECORD_ROWS = Counter("watchloop_record_rows_total", "Rows stored in ClickHouse.", ["table"])
RECORD_FAILURES = Counter("watchloop_record_failures_total", "Inserts that failed and were tried again.")

OF_MODELS = (
    ALERTS_FIRED,
    LATE_BLOCKS,
    LATE_EVENTS,
    FORCED_BLOCKS,
    FEATURES_UNWATCHED,
    CORRECTIONS_LEARNED,
    CORRECTIONS_LEFT_OUT,
)
for _metric in OF_MODELS:
    REGISTRY.register(_metric)


def bound_models(places: ModelPlaces) -> None:
    """Bound the metrics of single models. Called once, before the first number."""
    for metric in OF_MODELS:
        metric.hold(places)


def timed(role: str, handle: Handler[OutboxT_contra]) -> Handler[OutboxT_contra]:
    """``handle`` with its batches timed as those of ``role``; empty batches are not timed."""
    seconds = BATCH_SECONDS.labels(role)

    def run(records: Sequence[Record], outbox: OutboxT_contra) -> Sequence[Record] | None:
        if not records:
            return handle(records, outbox)
        with seconds.time():
            return handle(records, outbox)

    return run


def exposition() -> bytes:
    """The metrics in Prometheus' text format: of this process, or of all that share ``PROMETHEUS_MULTIPROC_DIR``.

    Metrics of single models are always those of this process.
    """
    if FOLDER_VARIABLE not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    for metric in OF_MODELS:
        registry.register(metric)
    return generate_latest(registry)
