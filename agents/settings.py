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
"""Values that are no settings: the path of each, and the settings from which it follows."""


LAG_SECONDS_WARNING_DEFAULT: Final = 120.0
LAG_MESSAGES_WARNING_DEFAULT: Final = 50_000
LABEL_WAIT_SECONDS_DEFAULT: Final = 60.0
DEDUPE_MEMORY_MB_DEFAULT: Final = 256


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one model is watched."""

    labels: Annotated[tuple[Id, ...], Meta(max_length=1_000)] = ()
    """The labels that it may answer, in the order of the number keys; empty: those that it has answered."""
    triage: TriageSettings = TriageSettings()
    """Which of its predictions people see."""
    verdicts: Literal["all", "exceptions"] = "all"
    """Verdicts that its producer gets: of all predictions, or only of those that are not plainly accepted (reviewed,
    escalated, drawn for the audit, or decided before). The warehouse gets all of them either way."""

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
    """The data folder: it has the keys, the logs, and the data of the embedded servers."""
    batch_events_max: Annotated[int, Meta(ge=1, le=100_000)] = 10_000
    """Messages that INTAKE takes into one transaction, of at most 16 MiB together; further ones wait in Kafka."""
    batch_elements_max: Annotated[int, Meta(ge=1_000, le=10_000_000)] = 200_000
    """Predictions of one transaction, rejected elements included; it may be exceeded a little. The rest waits for the
    next transaction, in which the partition with so many comes last."""
    message_events_max: Annotated[int, Meta(ge=1, le=100_000)] = MESSAGE_EVENTS_MAX_DEFAULT
    """Elements of one array, or rows of one Arrow message; a message with more is rejected as a whole.
    ``kafka.message_bytes_max`` bounds its bytes, counted unpacked."""
    models_max: Annotated[int, Meta(ge=1, le=10_000)] = 200
    """Places for the states that each role keeps of models; the models of ``[models.NAME]`` always have a state. When
    all places are taken, a new model takes the place of the model used longest ago: of those that have not settled in
    (triage has not warmed up, there is no reference, no learned model is in charge), or of the others once fewer than a
    fifth of the places is left to new ones. A restart changes nothing of this. A model that lost its place begins anew
    when its predictions come again: its triage warms up, its alerts are resolved, its reference stays. If it has had no
    correction for a day, its learned model stays in charge (of at most twice as many models as there are places);
    otherwise production is in charge of it again. ``/metrics`` has numbers of so many models."""
    dedupe_span_seconds: Annotated[int, Meta(ge=0, le=86_400 * 7)] = 600
    """A prediction whose event_id was judged within this time is a producer's retry, and gets no second verdict; 0:
    every prediction gets one."""
    dedupe_memory_mb_max: Annotated[int, Meta(ge=1, le=65_536)] = DEDUPE_MEMORY_MB_DEFAULT
    """Megabytes of memory that each worker of INTAKE takes at most to remember events for that, 32 bytes for each event
    of the span: 256 hold 600 seconds of 13,000 predictions a second. Where they do not hold the span, the oldest events
    are forgotten before: ``watchloop check``, the console and /metrics say how many seconds are held."""
    future_seconds_max: Annotated[int, Meta(ge=0, le=86_400 * 365)] = FUTURE_SECONDS_MAX_DEFAULT
    """How far the time of a prediction or label may lie ahead of the time at which Kafka took it; later ones are
    rejected."""
    lag_seconds_warning: Annotated[float, Meta(ge=1, le=86_400)] = LAG_SECONDS_WARNING_DEFAULT
    """A role falls behind if its oldest waiting message is older: the console and ``watchloop check`` say so."""
    lag_messages_warning: Annotated[int, Meta(ge=1)] = LAG_MESSAGES_WARNING_DEFAULT
    """A role falls behind, too, if more messages wait, however old they are."""
    label_wait_seconds: Annotated[float, Meta(ge=1, le=3_600)] = LABEL_WAIT_SECONDS_DEFAULT
    """How long a label waits for a prediction that RECORD has not stored yet, from its first look-up on; then it is
    rejected. Labels behind it in its partition wait with it; each has this time for itself."""
    publish_seconds_min: Annotated[float, Meta(ge=0, le=86_400)] = 1.0
    """Seconds between two refreshes of a learned model at least; of those that come sooner the newest is published."""
    metrics_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Port of /metrics for a worker without the console; 0: none."""
    metrics_host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    """Address that /metrics listens on. Anybody who reaches it may read the numbers."""
    stop_seconds_max: Annotated[int, Meta(ge=1, le=600)] = 30
    """How long a stop waits for the batches in hand."""


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

        The gate's bets rest on the chance with which INTAKE draws an event on which champion and challenger disagree.
        """
        rate = self.model(name).triage.disagreement_audit_rate
        return msgspec.structs.replace(self.learning, inclusion_probability_min=rate)

    def drift_of(self, name: str) -> DriftSettings:
        """How a model's drift is watched; its reviewed corrections are thinned to the audit rate."""
        return msgspec.structs.replace(self.drift, error_audit_floor=self.model(name).triage.audit_rate)
