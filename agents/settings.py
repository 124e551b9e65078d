"""The settings of the roles, composed of the rooms' own; ``watchloop.settings`` adds those of the embedded servers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from console.settings import ConsoleSettings
from drift.settings import DriftSettings
from learning.settings import LearnSettings
from review.settings import AccuracySettings, AgreementSettings, QueueSettings, TriageSettings
from schemas.setting_checks import require_distinct
from schemas.texts.labels import composed, label_problem
from schemas.wire.base import Id
from streams.message_limits import MESSAGE_EVENTS_MAX_DEFAULT
from streams.settings import FUTURE_SECONDS_MAX_DEFAULT, KafkaSettings
from warehouse.settings import ClickHouseSettings

__all__ = [
    "DERIVED",
    "LABEL_WAIT_SECONDS_DEFAULT",
    "LAG_MESSAGES_WARNING_DEFAULT",
    "LAG_SECONDS_WARNING_DEFAULT",
    "ModelSettings",
    "Settings",
    "WorkerSettings",
]

DERIVED: Final = {
    "learning.inclusion_probability_min": "triage.audit_rate and triage.disagreement_audit_factor of the model",
    "drift.error_audit_floor": "triage.audit_rate of the model",
}
"""What is no setting, since it follows from others: the path, and what it follows from."""


LAG_SECONDS_WARNING_DEFAULT: Final = 120.0
LAG_MESSAGES_WARNING_DEFAULT: Final = 50_000
LABEL_WAIT_SECONDS_DEFAULT: Final = 60.0


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one model is watched."""

    labels: Annotated[tuple[Id, ...], Meta(max_length=1_000)] = ()
    """What it may answer, in the order of the number keys; empty: learned from what it answers."""
    triage: TriageSettings = TriageSettings()
    """Which of its predictions people see."""
    verdicts: Literal["all", "exceptions"] = "all"
    """Which verdicts its producer is sent: of every prediction, or only where it is not plainly accepted (reviewed,
    escalated, drawn for the audit, or decided before); the warehouse gets all of them either way."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "labels", tuple(map(composed, self.labels)))
        require_distinct("labels", self.labels)
        wrong = next(filter(None, map(label_problem, self.labels)), None)
        if wrong is not None:
            raise ValueError(f"labels: {wrong}")
        if not self.labels:
            return
        for rule in self.triage.rules:
            unheard = [label for label in rule.labels if label not in self.labels]
            if unheard:
                raise ValueError(
                    f"rule {rule.name!r} asks for the prediction {unheard[0]!r}, which is none of the model's labels: "
                    f"{', '.join(self.labels)}"
                )


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a worker process runs."""

    data: str = "data"
    """The data folder: it holds the keys, the logs and what the embedded servers store."""
    batch_events_max: Annotated[int, Meta(ge=1, le=100_000)] = 10_000
    """Messages that INTAKE takes into one transaction, of at most 16 MiB together; more wait in Kafka."""
    batch_elements_max: Annotated[int, Meta(ge=1_000, le=10_000_000)] = 200_000
    """Predictions of one transaction, and elements refused, about; what was taken beyond waits for the next, and the
    partition that brought them for the others."""
    message_events_max: Annotated[int, Meta(ge=1, le=100_000)] = MESSAGE_EVENTS_MAX_DEFAULT
    """Elements of one array, or rows of one Arrow message; one with more is rejected as a whole. Its bytes are bounded
    by ``kafka.message_bytes_max``, counted unpacked."""
    models_max: Annotated[int, Meta(ge=1, le=10_000)] = 200
    """Models that each role keeps a state of beside those of ``[models.NAME]``, which always have one. One more takes
    the place of the model used longest ago: of those that are new (triage has not warmed up, there is no reference,
    nothing learned is in charge), or of the others once fewer than a fifth of the places are for new ones; after a
    restart too. Who lost its place begins anew when it comes again: its triage warms up, its alerts are resolved, its
    reference stays. A learned model stays in charge of one that has had no correction for a day, twice as many as there
    are places at most; of one that has, production is in charge again. ``/metrics`` has numbers of so many models."""
    dedupe_span_seconds: Annotated[int, Meta(ge=0, le=86_400 * 7)] = 600
    """A prediction whose event_id was judged so recently gets no second verdict: a producer's retry; 0 for never."""
    dedupe_events_max: Annotated[int, Meta(ge=1_000, le=100_000_000)] = 1_000_000
    """Events remembered for that, 8 bytes each; at a rate that fills it sooner, the older half is forgotten."""
    future_seconds_max: Annotated[int, Meta(ge=0, le=86_400 * 365)] = FUTURE_SECONDS_MAX_DEFAULT
    """How far the time of a prediction or label may lie ahead of when Kafka took it; one beyond is rejected."""
    lag_seconds_warning: Annotated[float, Meta(ge=1, le=86_400)] = LAG_SECONDS_WARNING_DEFAULT
    """A role whose oldest waiting message is older falls behind: the console and ``watchloop check`` say so."""
    lag_messages_warning: Annotated[int, Meta(ge=1)] = LAG_MESSAGES_WARNING_DEFAULT
    """A role for which more messages wait falls behind too, however old they are."""
    label_wait_seconds: Annotated[float, Meta(ge=1, le=3_600)] = LABEL_WAIT_SECONDS_DEFAULT
    """How long a label waits for a prediction that RECORD has not stored yet, from when it was looked for first; then
    it is rejected. Labels behind it in its partition wait with it, each rejected after its own time alone."""
    publish_seconds_min: Annotated[float, Meta(ge=0, le=86_400)] = 1.0
    """Seconds between two refreshes of a learned model; one in between is skipped for the next."""
    metrics_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Port of /metrics where the worker has no console; 0 for none."""
    metrics_host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    """Address that /metrics listens on: whoever reaches it may read the numbers, so loopback unless told otherwise."""
    stop_seconds_max: Annotated[int, Meta(ge=1, le=600)] = 30
    """How long a stop waits for what is in hand."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the roles are told. ``models`` names the watched ones; ``default`` holds for every other."""

    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    console: ConsoleSettings = ConsoleSettings()
    worker: WorkerSettings = WorkerSettings()
    drift: DriftSettings = DriftSettings()
    queue: QueueSettings = QueueSettings()
    agreement: AgreementSettings = AgreementSettings()
    accuracy: AccuracySettings = AccuracySettings()
    learning: LearnSettings = LearnSettings()
    default: ModelSettings = ModelSettings()
    models: dict[Id, ModelSettings] = {}

    def model(self, name: str) -> ModelSettings:
        """How the model of that name is watched."""
        return self.models.get(name, self.default)

    def learning_of(self, name: str) -> LearnSettings:
        """How a model's corrections are learned.

        The gate's bets rest on the chance with which INTAKE draws an event about which the two disagree.
        """
        rate = self.model(name).triage.disagreement_audit_rate
        return msgspec.structs.replace(self.learning, inclusion_probability_min=rate)

    def drift_of(self, name: str) -> DriftSettings:
        """How a model's drift is watched; its reviewed corrections are thinned to the audit rate."""
        return msgspec.structs.replace(self.drift, error_audit_floor=self.model(name).triage.audit_rate)
