"""The loop without a broker: what the roles do with a batch of predictions, in the order in which they do it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from agents.choices import Choices
from agents.settings import Settings
from drift.blocks import build_blocks
from drift.monitor import AlertChanged, ModelMonitor, Outcome
from learning.learner import Change, Event, Learner
from learning.serving import Scores, ServingModel
from review.decisions import DECISIONS, Decisions
from review.task_life import new_task_for
from review.triage import Triage
from schemas.correction import Correction
from schemas.gate_step import GateStep
from schemas.prediction import Prediction, confidence_of, epoch_ms, label_text
from schemas.prediction_columns import PredictionColumns
from watchloop.backtest.answers import Answers
from watchloop.backtest.live import LiveAccuracy
from watchloop.backtest.report import AlertFired, GateChange, GateHistory
from watchloop.backtest.score import Score
from watchloop.backtest.settings import BacktestSettings

__all__ = ["Loop"]


class Loop:
    """INTAKE, DESK, DRIFT and LEARN of one model.

    A batch is scored by what serves, triaged and measured; then the answers that are due are learned. So a label moves
    nothing before the batch after the one in which its event was answered.
    """

    def __init__(self, model: str, events: int, settings: Settings, options: BacktestSettings) -> None:
        self._settings = settings
        watched = settings.model(model)
        self._triage = Triage(watched.triage, model=model)
        self._choices = Choices(watched.labels)
        self._monitor = ModelMonitor(model, settings.drift_of(model))
        self.learner = Learner(model, settings.learning_of(model))
        self._candidate: ServingModel | None = None
        self._candidate_at = 0
        self._answers = Answers(options)
        self._alerts_known: set[str] = set()
        self.score = Score(events)
        self.live = LiveAccuracy(settings.accuracy, audit_rate=watched.triage.audit_rate)
        self.alerts: list[AlertFired] = []
        self.gate = GateHistory(promoted=[], refused=[], rolled_back=[], refreshed=0)
        self.refreshed = 0

    def replay(self, events: Sequence[Prediction], truths: Sequence[str]) -> None:
        """One batch: predictions in order of time, and their true labels."""
        serving = self.learner.serving
        asked = serving or self._newest_candidate()
        columns = PredictionColumns.of(events)
        scores = None if asked is None else asked.many(columns)
        decisions = self._triage.decide(
            columns,
            error_probability=None if scores is None else scores.error_probability,
            learned_uncertainty=None if scores is None else scores.uncertainty,
        )
        self._choices.see(columns)
        now_ms = epoch_ms(events[-1].time)
        first = self.score.events
        answers = [label_text(event.prediction) for event in events]
        self.score.add(
            truths, answers, answers if serving is None or scores is None else scores.answers, decisions.seen
        )
        self._count(events, answers, truths, scores, decisions)
        self._ask(first, events, truths, scores, decisions, now_ms)
        self._measure(first, columns, decisions)
        for correction in self._answers.due(self.score.events, now_ms):
            self._learn(correction)

    def _newest_candidate(self) -> ServingModel | None:
        """What LEARN would publish for triage while production is in charge."""
        every = self.learner.settings.candidate_corrections
        if self.learner.corrections - self._candidate_at >= every:
            self._candidate = self.learner.candidate()
            self._candidate_at = self.learner.corrections
        return self._candidate

    def finish(self) -> None:
        """The recorded stream has ended: judge what the monitor still held back."""
        self._hear(self._monitor.flush())

    def _count(
        self,
        events: Sequence[Prediction],
        answers: Sequence[str],
        truths: Sequence[str],
        scores: Scores | None,
        decisions: Decisions,
    ) -> None:
        """Live accuracy, with the guess that triage had."""
        if scores is None:
            guesses = [confidence_of(event) for event in events]
        else:
            guesses = np.clip(1.0 - scores.error_probability, 0.0, 1.0).tolist()
        rows = zip(
            events,
            answers,
            truths,
            guesses,
            decisions.inclusion_probability.tolist(),
            decisions.seen.tolist(),
            strict=True,
        )
        for event, answer, truth, guess, inclusion, seen in rows:
            self.live.count(
                event.event_id,
                event.slices,
                guess=guess,
                inclusion_probability=inclusion,
                seen=seen,
                right=answer == truth,
            )

    def _ask(
        self,
        first: int,
        events: Sequence[Prediction],
        truths: Sequence[str],
        scores: Scores | None,
        decisions: Decisions,
        now_ms: int,
    ) -> None:
        """A task for every event that a person sees; the person will answer with the true label."""
        version = "" if self.learner.serving is None else self.learner.version
        seen = np.flatnonzero(decisions.seen)
        for place, lane in zip(seen.tolist(), decisions.lanes(seen), strict=True):
            task = new_task_for(
                events[place],
                lane=lane,
                created_at=now_ms,
                settings=self._settings.queue,
                score=float(decisions.scores[place]),
                uncertainty=float(decisions.uncertainty[place]),
                inclusion_probability=float(decisions.inclusion_probability[place]),
                reasons=decisions.reasons[place],
                choices=self._choices.known,
                learned_prediction="" if version == "" or scores is None else scores.answers[place],
                learned_version=version,
            )
            self._answers.ask(first + place, task, truths[place])
        for place, (event, truth) in enumerate(zip(events, truths, strict=True)):
            self._answers.expect(first + place, event, truth)

    def _measure(self, first: int, events: PredictionColumns, decisions: Decisions) -> None:
        """Blocks, and what the monitor makes of them."""
        blocks = build_blocks(
            events,
            partitions=np.zeros(len(events), np.int64),
            offsets=range(first, first + len(events)),
            decisions=decisions.codes,
            decision_names=DECISIONS,
            reference=self._monitor.reference,
            settings=self._settings.drift,
        )
        for block in blocks:
            self._hear(self._monitor.observe(block))

    def _learn(self, correction: Correction) -> None:
        if correction.source == "review":
            self.live.answered(correction.event_id, correct=correction.label == correction.prediction)
        self._hear(self._monitor.observe_correction(correction))
        self._note(self.learner.learn(correction))

    def _hear(self, outcomes: Iterable[Outcome]) -> None:
        """Alerts that fire for the first time; later transitions of one are its own story."""
        for outcome in outcomes:
            if isinstance(outcome, AlertChanged) and outcome.alert.alert_id not in self._alerts_known:
                alert = outcome.alert
                self._alerts_known.add(alert.alert_id)
                self.alerts.append(
                    AlertFired(
                        at=self.score.events, signal=alert.signal, detector=alert.detector, severity=alert.severity
                    )
                )

    def _note(self, events: Iterable[Event]) -> None:
        """What the gate decided."""
        at = self.score.events
        for event in events:
            if isinstance(event, Change) and event.decision == "refreshed":
                self.refreshed += 1
            elif isinstance(event, Change):
                kept = self.gate.promoted if event.decision == "promoted" else self.gate.rolled_back
                kept.append(GateChange(at=at, version=event.version, reason=event.reason))
            elif isinstance(event, GateStep) and event.decision == "refused":
                self.gate.refused.append(GateChange(at=at, version=event.challenger, reason=event.reason))
