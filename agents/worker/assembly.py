"""Each role's parts put together: settings and state in, loops on topics out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from agents.settings import Settings
from agents.shared.groups import GROUPS, RECORDED
from agents.shared.metrics import timed
from agents.shared.plan import Plan, Role
from agents.worker.memory import keep_freed_memory
from schemas.topics import MODELS
from streams.admin.topics import partition_counts, topic_ids
from streams.consume.batches import AssignedPartition, BatchSettings, GroupBatches, Handler
from streams.consume.transactions import TransactionalBatches
from streams.message_limits import MessageLimits, prediction_bytes_max
from streams.predictions.registry import registry_of
from streams.produce.outbox import Outbox
from streams.records import Partition, Record

if TYPE_CHECKING:
    from agents.drift.alert_memory import AlertMemory
    from agents.intake.catalogue import Catalogue
    from agents.intake.judge import Judge
    from agents.shared.model_places import ModelPlaces
    from review.settings import TriageSettings
    from review.triage.decided_before import DecidedBefore
    from schemas.wire.manifest import Manifest
    from schemas.wire.reference import Reference
    from streams.predictions.prediction_reader import PredictionReader

__all__ = ["ADD"]

INTAKE_WAIT_SECONDS = 0.01
"""How long INTAKE waits for a prediction before it looks after other things."""
INTAKE_GATHER_SECONDS = 0.002
"""A prediction waits this long for others to come along; under load a batch is full before."""

STEADY = BatchSettings(events_max=2_000, wait_seconds=0.2)
"""For roles that work through what comes at their own pace."""


def _group(
    settings: Settings,
    name: str,
    handle: Handler[Outbox],
    *,
    on_assign: Callable[[list[AssignedPartition]], dict[Partition, int]] | None = None,
    batch: BatchSettings = STEADY,
) -> GroupBatches:
    """Batches of a consumer group by its name, which its topics and its timer go by too."""
    return GroupBatches(
        settings.kafka, group=name, topics=GROUPS[name], handle=timed(name, handle), on_assign=on_assign, batch=batch
    )


def _add_intake(plan: Plan) -> None:
    from agents.intake.catalogue import Catalogue
    from agents.intake.intake import Intake
    from agents.intake.recall import recall
    from agents.intake.triage_log import StoredStates, read_states
    from agents.shared.seen_models import SeenModels
    from streams.consume.seen_events import SeenEvents

    keep_freed_memory()
    settings, worker = plan.settings, plan.settings.worker
    known = SeenModels.of(settings, "intake", topic_ids(settings.kafka, [MODELS])[MODELS.name], slot=plan.slot)
    catalogue = Catalogue(
        settings.kafka,
        known,
        settings.learning.snapshot_bytes_max,
        decided=_decided(settings),
        configured=settings.models,
    )
    catalogue.catch_up()
    seen = SeenEvents(worker.dedupe_span_seconds, worker.dedupe_events_max) if worker.dedupe_span_seconds else None
    judge = _judge(settings, catalogue)
    intake = Intake(
        _reader(settings),
        judge,
        elements_max=worker.batch_elements_max,
        seen=seen,
    )

    def triage_of(model: str) -> TriageSettings:
        return settings.model(model).triage

    def assigned(partitions: list[AssignedPartition]) -> dict[Partition, int]:
        numbers = {partition.number for partition in partitions}
        states = read_states(settings.kafka) if numbers else StoredStates()
        judge.carry(
            plan.slot,
            numbers,
            states.inherited(numbers, triage_of),
            states.claims(plan.slot, numbers, triage_of),
        )
        return {} if seen is None else recall(settings, seen, partitions)

    batches = TransactionalBatches(
        settings.kafka,
        group="intake",
        slot=plan.slot,
        undo=intake.undo,
        committed=intake.committed,
        topics=GROUPS["intake"],
        handle=timed("intake", intake.handle),
        on_assign=assigned,
        batch=BatchSettings(
            events_max=worker.batch_events_max,
            wait_seconds=INTAKE_WAIT_SECONDS,
            gather_seconds=INTAKE_GATHER_SECONDS,
        ),
    )
    plan.add_loop("catalogue", catalogue.run)
    plan.add_loop("intake", batches.run)


def _reader(settings: Settings) -> PredictionReader:
    from streams.predictions.prediction_reader import PredictionReader

    return PredictionReader(
        settings.kafka.prefix,
        future_ms_max=settings.worker.future_seconds_max * 1000,
        bytes_max=prediction_bytes_max(settings.kafka.message_bytes_max),
        limits=_limits(settings),
        models_max=settings.worker.models_max,
        schemas=registry_of(settings.kafka),
    )


def _limits(settings: Settings) -> MessageLimits:
    """What a message may hold: INTAKE, RECORD and LEARN must agree on it."""
    return MessageLimits(settings.kafka.message_bytes_max, settings.worker.message_events_max)


def _judge(settings: Settings, catalogue: Catalogue) -> Judge:
    from agents.intake.judge import Judge, JudgeSettings

    return Judge(
        JudgeSettings(
            triage=lambda model: settings.model(model).triage,
            labels=lambda model: settings.model(model).labels,
            drift=settings.drift,
            queue=settings.queue,
            verdicts=lambda model: settings.model(model).verdicts,
        ),
        reference_of=catalogue.reference_of,
        serving_of=catalogue.serving_of,
        candidate_of=catalogue.candidate_of,
        decided_of=catalogue.decided_of,
        places=_places(settings),
    )


def _places(settings: Settings) -> ModelPlaces:
    from agents.shared.model_places import ModelPlaces

    return ModelPlaces(settings.worker.models_max, settings.models)


def _decided(settings: Settings) -> Callable[[str], DecidedBefore | None] | None:
    """What makes the memory of a model's settled answers; None where no model uses them again."""
    from review.triage.decided_before import DecidedBefore

    if not any(model.triage.decided_before_seconds for model in (settings.default, *settings.models.values())):
        return None

    def make(name: str) -> DecidedBefore | None:
        triage = settings.model(name).triage
        seconds = triage.decided_before_seconds
        return DecidedBefore(seconds, triage.decided_before_max) if seconds else None

    return make


def _add_drift(plan: Plan) -> None:
    from agents.drift.drift import Drift
    from agents.drift.drift_states import DriftStates
    from agents.drift.reports import ReportDesk
    from drift.report.reporter import Reporter
    from schemas.topics import PREDICTIONS, REVIEW_ALERTS, REVIEW_OPINIONS
    from streams.consume.log_reader import LogReader

    settings = plan.settings
    reporter = Reporter(settings.drift)
    drift = Drift(
        settings.drift_of,
        settings.queue,
        settings.kafka.prefix,
        load=lambda: _drift_state(settings),
        states=DriftStates(plan.warehouse()),
        places=_places(settings),
        reports=ReportDesk(
            reporter,
            plan.warehouse(),
            settings.drift.reports_queued_max,
            tries_max=settings.drift.report_tries_max,
            retry_seconds=settings.drift.report_retry_seconds,
        ),
        partitions_of=lambda: partition_counts(settings.kafka, [PREDICTIONS])[PREDICTIONS.name],
    )
    batches = _group(settings, "drift", drift.handle, on_assign=drift.assigned)
    people = LogReader(
        settings.kafka,
        {REVIEW_OPINIONS.name: drift.people.hear_opinion, REVIEW_ALERTS.name: drift.people.hear_task},
    )

    def listen(stop: threading.Event) -> None:
        first = LogReader(settings.kafka, {REVIEW_OPINIONS.name: drift.people.recall_opinion})
        first.catch_up()
        first.close()
        people.catch_up()
        people.run(stop)

    def watch(stop: threading.Event) -> None:
        reporter.start()
        try:
            batches.run(stop)
        finally:
            reporter.stop()

    plan.add_loop("drift: people", listen)
    plan.add_loop("drift", watch)


def _drift_state(settings: Settings) -> tuple[dict[str, Reference], AlertMemory]:
    """References and alerts as their topics have them."""
    from agents.drift.alert_memory import AlertMemory
    from agents.shared.log_values import handler_of, read
    from agents.shared.model_places import RESULTS_MAX, ModelPlaces
    from schemas.topics import ALERTS, REFERENCES
    from schemas.wire.alert import Alert
    from schemas.wire.reference import Reference
    from streams.consume.log_reader import LogReader

    references: dict[str, Reference] = {}
    kept, alerts = ModelPlaces(RESULTS_MAX, settings.models), AlertMemory()

    def hear_reference(data: bytes | None) -> None:
        reference = read(Reference, data)
        if reference is not None:
            kept.keep(references, reference.model, reference)

    def hear_alert(data: bytes | None) -> None:
        alert = read(Alert, data)
        if alert is not None:
            alerts.keep(alert)

    reader = LogReader(
        settings.kafka, {REFERENCES.name: handler_of(hear_reference), ALERTS.name: handler_of(hear_alert)}
    )
    reader.catch_up()
    reader.close()
    return references, alerts


def _manifests(settings: Settings) -> dict[str, Manifest]:
    """LEARN's newest manifests by key, as their topic has them."""
    from agents.shared.log_values import read
    from agents.shared.seen_models import SeenModels
    from schemas.wire.manifest import Manifest
    from streams.consume.log_reader import LogReader

    known = SeenModels.of(settings, "learn", topic_ids(settings.kafka, [MODELS])[MODELS.name])

    def hear(record: Record) -> None:
        manifest = read(Manifest, record.value())
        if manifest is not None:
            known.take((record.key() or b"").decode("utf-8", "replace"), manifest)

    reader = LogReader(settings.kafka, {MODELS.name: hear})
    reader.catch_up()
    reader.close()
    return dict(known.newest.manifests)


def _add_learn(plan: Plan) -> None:
    from agents.learn.labels import Labels
    from agents.learn.learn import Learn
    from learning.snapshots.signing import SigningKey

    settings = plan.settings
    key = SigningKey.load_or_create(plan.data / "keys" / "signing.pem")
    key.publish(plan.data / "keys" / "public")
    learn = Learn(
        settings.learning_of,
        settings.kafka.prefix,
        key,
        load=lambda: _manifests(settings),
        topic_id=lambda: topic_ids(settings.kafka, [MODELS])[MODELS.name],
        publish_seconds_min=settings.worker.publish_seconds_min,
        places=_places(settings),
    )
    batch = BatchSettings(events_max=100, wait_seconds=0.2)
    plan.add_loop("learn", _group(settings, "learn", learn.handle, on_assign=learn.assigned, batch=batch).run)

    def join(stop: threading.Event) -> None:
        labels = Labels(
            plan.warehouse(),
            settings.kafka.prefix,
            pause=lambda seconds: batches.wait_paused(stop, seconds),
            declared=lambda model: settings.model(model).labels,
            limits=_limits(settings),
            wait_seconds=settings.worker.label_wait_seconds,
            future_seconds_max=settings.worker.future_seconds_max,
        )
        batches = _group(settings, "labels", labels.handle)
        batches.run(stop)

    plan.add_loop("labels", join)


def _add_record(plan: Plan) -> None:
    from agents.record.record import BATCH, Recorder

    settings = plan.settings

    def write(stop: threading.Event) -> None:
        recorder = Recorder(
            plan.warehouse(),
            settings.kafka.prefix,
            topic_ids=lambda: topic_ids(settings.kafka, RECORDED),
            future_seconds_max=settings.worker.future_seconds_max,
            stop=stop,
            prediction_bytes_max=prediction_bytes_max(settings.kafka.message_bytes_max),
            limits=_limits(settings),
            schemas=registry_of(settings.kafka),
        )
        batches = _group(settings, "record", recorder.handle, on_assign=recorder.assigned, batch=BATCH)
        recorder.pause = lambda seconds: batches.wait_paused(stop, seconds)
        batches.run(stop)

    plan.add_loop("record", write)


def _add_desk(plan: Plan) -> None:
    from agents.desk.desk_role import add_desk

    add_desk(plan)


ADD: dict[Role, Callable[[Plan], None]] = {
    "intake": _add_intake,
    "drift": _add_drift,
    "desk": _add_desk,
    "learn": _add_learn,
    "record": _add_record,
}
