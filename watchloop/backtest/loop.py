"""The loop without a broker: the code of the roles, with messages in memory, one batch of predictions at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from agents.drift.monitors import Monitors
from agents.intake.judge import Judge, JudgeSettings
from agents.learn.learners import Learners
from agents.settings import Settings
from learning.snapshots.snapshot import Lineage
from schemas.columns.block_rows import AnyBlock
from schemas.columns.prediction_columns import PredictionColumns
from schemas.topics import ALERTS, BLOCKS, CORRECTIONS, GATES, REFERENCES, REVIEW_EVENTS, VERDICTS
from schemas.wire.alert import Alert
from schemas.wire.correction import Correction
from schemas.wire.gate_step import GateStep
from schemas.wire.manifest import CANDIDATE, PRODUCTION
from schemas.wire.prediction import Prediction, confidence_of, epoch_ms, label_text
from schemas.wire.reference import Reference
from schemas.wire.task import Task
from schemas.wire.verdict import Verdict
from streams.predictions.parts import Part
from watchloop.backtest.answers import Answers
from watchloop.backtest.live import LiveAccuracy
from watchloop.backtest.memory import InCharge, MemoryOutbox, NoReports
from watchloop.backtest.report import AlertFired, GateChange, GateHistory
from watchloop.backtest.score import Score

__all__ = ["BacktestSettings", "Loop"]


class BacktestSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a recorded table is replayed, and how many events later its labels arrive."""

    batch_events: Annotated[int, Meta(ge=1, le=10_000)] = 50
    """Events that are decided together; a model that learned from them serves from the next batch on. With a budget of
    10 % a batch brings five corrections. A learned model is refreshed after 25, so that batches delay it little."""
    label_delay_events: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    """Events between a prediction and the answer of its reviewer."""
    late_labels_events: Annotated[int, Meta(ge=0, le=100_000_000)] | None = None
    """Events between a prediction and its late label, which arrives for every prediction; None: labels never arrive."""
    live_points_max: Annotated[int, Meta(ge=2, le=10_000)] = 150
    """Points of live accuracy in the report, at most, spread evenly."""


class Loop:
    """INTAKE's Judge, LEARN's learners and DRIFT for one model; true labels replace DESK and its people.

    A batch is judged and measured, then the answers that are due are learned. An answer therefore changes no decision
    before the next batch. ``events`` is how many will be replayed.
    """

    def __init__(self, model: str, events: int, settings: Settings, options: BacktestSettings) -> None:
        self._now_ms = 0
        self._references: dict[str, Reference] = {}
        self._alerts_known: set[str] = set()
        self._batch: dict[str, tuple[int, Prediction, str]] = {}
        self._verdicts: list[Verdict] = []
        in_charge = InCharge(self._published)
        self._judge = Judge(
            JudgeSettings(
                triage=lambda name: settings.model(name).triage,
                labels=lambda name: settings.model(name).labels,
                drift=settings.drift,
                queue=settings.queue,
            ),
            reference_of=self._references.get,
            serving_of=in_charge.serving_of,
            candidate_of=in_charge.candidate_of,
        )
        self._monitors = Monitors(
            settings.drift_of,
            settings.queue,
            NoReports(),
            clock=lambda: self._now_ms / 1000,
        )
        # Every batch may publish: a replay is faster than the stream that it replays.
        self._learners = Learners(settings.learning_of, in_charge, publish_seconds_min=0.0, clock=lambda: 0.0)
        self._outbox = MemoryOutbox(
            {
                REVIEW_EVENTS: self._hear_task,
                VERDICTS: self._hear_verdict,
                BLOCKS: self._hear_block,
                CORRECTIONS: self._hear_correction,
                REFERENCES: self._hear_reference,
                ALERTS: self._hear_alert,
                GATES: self._hear_step,
            }
        )
        self._answers = Answers(
            settings.queue, label_delay_events=options.label_delay_events, late_labels_events=options.late_labels_events
        )
        self.score = Score(events)
        self.live = LiveAccuracy(settings.accuracy, audit_rate=settings.model(model).triage.audit_rate)
        self.alerts: list[AlertFired] = []
        self.gate = GateHistory(promoted=[], refused=[], rolled_back=[], refreshed=0)
        self.served = ""
        """The version of the learned model in charge; empty while the production model is."""

    def replay(self, events: Sequence[Prediction], truths: Sequence[str]) -> None:
        """Replay one batch: predictions in order of time, and their true labels."""
        self._now_ms = epoch_ms(events[-1].time)
        first = self.score.events
        self._batch = {
            event.event_id: (number, event, truth)
            for number, (event, truth) in enumerate(zip(events, truths, strict=True), first)
        }
        self._judge.states.begin()
        self._judge.judge([_part(events, first)], self._now_ms, self._outbox)
        self._judge.states.committed()
        self._outbox.deliver()
        for correction in self._answers.due(self.score.events, self._now_ms):
            self._outbox.send(CORRECTIONS, correction.model, correction)
            self._outbox.deliver()
        self._learners.publish_due(self._outbox)
        self._outbox.deliver()

    def finish(self) -> None:
        """End the stream: DRIFT judges what still waits for later blocks."""
        self._monitors.flush(self._outbox)
        self._outbox.deliver()

    def _hear_task(self, task: Task) -> None:
        """A person will see the event, and will answer with the true label."""
        assert task.evidence is not None, "a task about a prediction"
        number, _, truth = self._batch[task.evidence.event_id]
        self._answers.ask(number, task, truth)

    def _hear_verdict(self, verdict: Verdict) -> None:
        """Count a batch when its last verdict arrives; its blocks arrive later."""
        self._verdicts.append(verdict)
        if len(self._verdicts) == len(self._batch):
            verdicts, self._verdicts = self._verdicts, []
            self._count(verdicts)

    def _count(self, verdicts: Sequence[Verdict]) -> None:
        """Add a batch to the scores and to live accuracy, with the chance of a right answer that triage estimated."""
        truths, answers, learned, seen = [], [], [], np.zeros(len(verdicts), np.bool_)
        for index, verdict in enumerate(verdicts):
            number, event, truth = self._batch[verdict.event_id]
            answer = label_text(event.prediction)
            truths.append(truth)
            answers.append(answer)
            learned.append(verdict.learned_prediction if verdict.learned_version else answer)
            seen[index] = bool(verdict.task_id)
            error = verdict.error_probability
            self.live.count(
                event.event_id,
                event.slices,
                guess=confidence_of(event) if error is None else 1.0 - error,
                inclusion_probability=verdict.inclusion_probability,
                seen=bool(verdict.task_id),
                right=answer == truth,
            )
            self._answers.expect(number, event, truth)
        self.score.add(truths, answers, learned, seen)

    def _hear_block(self, block: AnyBlock) -> None:
        self._monitors.observe(block, self._outbox)

    def _hear_reference(self, reference: Reference) -> None:
        self._references[reference.model] = reference

    def _hear_correction(self, correction: Correction) -> None:
        if correction.source != "label":
            self.live.answered(correction.event_id, correct=correction.label == correction.prediction)
        self._monitors.observe(correction, self._outbox)
        self._learners.learn(correction, self._outbox)

    def _hear_alert(self, alert: Alert) -> None:
        """Report an alert when it fires, and not its later transitions."""
        if alert.alert_id not in self._alerts_known:
            self._alerts_known.add(alert.alert_id)
            fired = AlertFired(
                at=self.score.events, signal=alert.signal, detector=alert.detector, severity=alert.severity
            )
            self.alerts.append(fired)

    def _hear_step(self, step: GateStep) -> None:
        """Report a refusal of the gate; promotions are reported when they are published."""
        if step.decision == "refused":
            self.gate.refused.append(GateChange(at=self.score.events, version=step.challenger, reason=step.reason))

    def _published(self, lineage: Lineage) -> None:
        """Report that another version is in charge, or that the one in charge was refreshed."""
        if lineage.recipe == CANDIDATE:
            return
        decision, _, reason = lineage.reason.partition(": ")
        self.served = "" if lineage.recipe == PRODUCTION else lineage.version
        if decision == "refreshed":
            self.gate = msgspec.structs.replace(self.gate, refreshed=self.gate.refreshed + 1)
            return
        changes = self.gate.promoted if decision == "promoted" else self.gate.rolled_back
        changes.append(GateChange(at=self.score.events, version=lineage.version, reason=reason))


def _part(events: Sequence[Prediction], first: int) -> Part:
    """A batch of predictions as INTAKE reads it from one partition."""
    size = len(events)
    zeros = np.zeros(size, np.int64)
    return Part(PredictionColumns.of(events), zeros, np.arange(first, first + size), zeros)
