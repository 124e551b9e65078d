"""Every topic, in the order in which data flows through them."""

from __future__ import annotations

import dataclasses
from typing import Final

from schemas.wire.alert import Alert
from schemas.wire.audit_entry import AuditEntry
from schemas.wire.base import Wire
from schemas.wire.block import Block
from schemas.wire.correction import Correction
from schemas.wire.gate_step import GateStep
from schemas.wire.label import Label
from schemas.wire.manifest import Manifest
from schemas.wire.opinion import Opinion
from schemas.wire.person import Person
from schemas.wire.prediction import Prediction
from schemas.wire.reference import Reference
from schemas.wire.reject import Reject
from schemas.wire.setting import Setting
from schemas.wire.sign_out import SignOut
from schemas.wire.task import Task
from schemas.wire.triage_state import TriageState
from schemas.wire.verdict import Verdict

__all__ = [
    "ALL_TOPICS",
    "PREDICTIONS",
    "LABELS",
    "VERDICTS",
    "VERDICTS_ACCEPTED",
    "TRIAGE_STATE",
    "REJECTS",
    "BLOCKS",
    "ALERTS",
    "REVIEW_EVENTS",
    "REVIEW_ALERTS",
    "REVIEW_OPINIONS",
    "CORRECTIONS",
    "MODELS",
    "MODEL_CHUNKS",
    "GATES",
    "REFERENCES",
    "PEOPLE",
    "SIGN_OUTS",
    "SETTINGS",
    "AUDIT",
    "Topic",
]

DAY: Final = 86_400


@dataclasses.dataclass(frozen=True, slots=True)
class Topic:
    """A topic: its name without the prefix, its key, what its values are, and how long they are kept.

    ``retain_seconds`` None means forever. A compact topic keeps the newest value of every key. ``single_partition``
    topics have one writer or one owner, or are small; the others have as many partitions as the settings say. Values of
    a ``secret`` topic hold hashes of passwords or tokens, sessions, or personal values: a Reject of one carries none of
    its bytes, so that nobody sees them who may not read the topic.
    """

    name: str
    key: str
    value: type[Wire] | None
    retain_seconds: int | None = None
    compact: bool = False
    single_partition: bool = False
    secret: bool = False


PREDICTIONS: Final = Topic("predictions", "event_id", Prediction, retain_seconds=7 * DAY)
LABELS: Final = Topic("labels", "event_id", Label, retain_seconds=7 * DAY)
VERDICTS: Final = Topic("verdicts", "model", Verdict, retain_seconds=7 * DAY)
VERDICTS_ACCEPTED: Final = Topic("verdicts.accepted", "model", Verdict, retain_seconds=DAY)
TRIAGE_STATE: Final = Topic("triage.state", "slot/part/model", TriageState, compact=True, single_partition=True)
REJECTS: Final = Topic("rejects", "source key", Reject, retain_seconds=30 * DAY)
BLOCKS: Final = Topic("blocks", "model", Block, retain_seconds=DAY)
ALERTS: Final = Topic("alerts", "alert_id", Alert, compact=True, single_partition=True)
REVIEW_EVENTS: Final = Topic("review.events", "task_id", Task, compact=True, single_partition=True)
REVIEW_ALERTS: Final = Topic("review.alerts", "task_id", Task, compact=True, single_partition=True)
REVIEW_OPINIONS: Final = Topic("review.opinions", "task_id", Opinion, retain_seconds=30 * DAY, single_partition=True)
CORRECTIONS: Final = Topic("corrections", "model", Correction, retain_seconds=30 * DAY)
MODELS: Final = Topic("models", "model", Manifest, compact=True, single_partition=True)
MODEL_CHUNKS: Final = Topic("model.chunks", "model/version/n", None, compact=True, single_partition=True)
GATES: Final = Topic("gates", "model", GateStep, single_partition=True)
REFERENCES: Final = Topic("references", "model", Reference, compact=True, single_partition=True)
PEOPLE: Final = Topic("people", "person_id", Person, compact=True, single_partition=True, secret=True)
SIGN_OUTS: Final = Topic("sign.outs", "person_id", SignOut, retain_seconds=31 * DAY, single_partition=True, secret=True)
SETTINGS: Final = Topic("settings", "setting_id", Setting, compact=True, single_partition=True, secret=True)
AUDIT: Final = Topic("audit", "who", AuditEntry, single_partition=True, secret=True)

ALL_TOPICS: Final = (
    PREDICTIONS,
    LABELS,
    VERDICTS,
    VERDICTS_ACCEPTED,
    TRIAGE_STATE,
    REJECTS,
    BLOCKS,
    ALERTS,
    REVIEW_EVENTS,
    REVIEW_ALERTS,
    REVIEW_OPINIONS,
    CORRECTIONS,
    MODELS,
    MODEL_CHUNKS,
    GATES,
    REFERENCES,
    PEOPLE,
    SIGN_OUTS,
    SETTINGS,
    AUDIT,
)
