"""INTAKE put together: predictions in, one Kafka transaction a batch out."""

from __future__ import annotations

from collections.abc import Callable

from agents.intake.catalogue import Catalogue
from agents.intake.judge import Judge, JudgeSettings
from agents.intake.prediction_handler import PredictionHandler
from agents.intake.recall import recall
from agents.intake.triage_log import StoredStates, read_states
from agents.settings import Settings, WorkerSettings
from agents.shared.errors import MemoryRefused
from agents.shared.groups import GROUPS
from agents.shared.memory import keep_freed_memory
from agents.shared.metrics import INTAKE_REMEMBERED_SECONDS, timed
from agents.shared.plan import Plan
from agents.shared.remembered_span import span_note
from agents.shared.seen_models import SeenModels
from review.settings import TriageSettings
from review.triage.decided_before import DecidedBefore
from schemas.topics import MODELS
from streams.consume.batches import AssignedPartition, BatchSettings
from streams.consume.seen_events import SeenEvents
from streams.consume.transactions import TransactionalBatches
from streams.message_limits import prediction_bytes_max
from streams.predictions.prediction_reader import PredictionReader
from streams.predictions.registry import registry_of
from streams.records import Partition

__all__ = ["GATHER_SECONDS", "WAIT_SECONDS", "add"]

WAIT_SECONDS = 0.01
"""How long INTAKE waits for a prediction before it does other work."""
GATHER_SECONDS = 0.002
"""How long a prediction waits for others to join its batch; under load a batch is full before."""


def add(plan: Plan) -> None:
    """Read what the log says of references and models, then add INTAKE's loops to the plan."""
    keep_freed_memory()
    settings, worker = plan.settings, plan.settings.worker
    catalogue = _catalogue(plan)
    catalogue.catch_up()
    seen = _seen_events(worker)
    judge = _judge(plan, catalogue)
    intake = PredictionHandler(_reader(plan), judge, elements_max=worker.batch_elements_max, seen=seen)

    def triage_of(model: str) -> TriageSettings:
        return settings.model(model).triage

    def assigned(partitions: list[AssignedPartition]) -> dict[Partition, int]:
        numbers = {partition.number for partition in partitions}
        states = read_states(settings.kafka) if numbers else StoredStates()
        judge.states.carry(
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
        note=lambda: "" if seen is None else _span_note(seen, worker.dedupe_span_seconds),
        topics=GROUPS["intake"],
        handle=timed("intake", intake.handle),
        on_assign=assigned,
        batch=BatchSettings(
            events_max=worker.batch_events_max,
            wait_seconds=WAIT_SECONDS,
            gather_seconds=GATHER_SECONDS,
        ),
    )
    plan.add_loop("catalogue", catalogue.run)
    plan.add_loop("intake", batches.run)


def _seen_events(worker: WorkerSettings) -> SeenEvents | None:
    """The memory of judged events, None where the settings want none. Raises MemoryRefused."""
    if not worker.dedupe_span_seconds:
        return None
    try:
        return SeenEvents(worker.dedupe_span_seconds, worker.dedupe_memory_mb_max)
    except MemoryError as error:
        raise MemoryRefused(
            f"worker.dedupe_memory_mb_max ({worker.dedupe_memory_mb_max}) is more than this machine has; lower it"
        ) from error


def _span_note(seen: SeenEvents, span_seconds: int) -> str:
    INTAKE_REMEMBERED_SECONDS.set(seen.held_seconds)
    return span_note(seen.held_seconds, span_seconds)


def _catalogue(plan: Plan) -> Catalogue:
    settings = plan.settings
    return Catalogue(
        settings.kafka,
        SeenModels.of(settings, "intake", plan.topic_ids([MODELS])[MODELS.name], slot=plan.slot),
        settings.learning.snapshot_bytes_max,
        decided=_decided(settings),
        configured=settings.models,
    )


def _decided(settings: Settings) -> Callable[[str], DecidedBefore | None] | None:
    """Makes the memory of a model's settled answers; None where no model uses them again."""
    if not any(model.triage.decided_before_seconds for model in (settings.default, *settings.models.values())):
        return None

    def make(name: str) -> DecidedBefore | None:
        triage = settings.model(name).triage
        seconds = triage.decided_before_seconds
        return DecidedBefore(seconds, triage.decided_before_max) if seconds else None

    return make


def _judge(plan: Plan, catalogue: Catalogue) -> Judge:
    settings = plan.settings
    return Judge(
        JudgeSettings(
            triage=lambda model: settings.model(model).triage,
            labels=lambda model: settings.model(model).labels,
            drift=settings.drift,
            queue=settings.queue,
            verdicts=lambda model: settings.model(model).verdicts,
            message_bytes_max=settings.kafka.message_bytes_max,
        ),
        reference_of=catalogue.reference_of,
        serving_of=catalogue.serving_of,
        candidate_of=catalogue.candidate_of,
        decided_of=catalogue.decided_of,
        places=plan.model_places(),
    )


def _reader(plan: Plan) -> PredictionReader:
    settings = plan.settings
    return PredictionReader(
        settings.kafka.prefix,
        future_ms_max=settings.worker.future_seconds_max * 1000,
        bytes_max=prediction_bytes_max(settings.kafka.message_bytes_max),
        limits=plan.message_limits,
        models_max=settings.worker.models_max,
        schemas=registry_of(settings.kafka),
    )
