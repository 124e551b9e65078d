"""What INTAKE makes of the predictions of one model: verdicts, tasks and blocks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

from agents.intake.accepted_verdicts import AcceptedVerdicts
from agents.intake.triage_states import TriageStates
from agents.intake.verdicts import Verdicts, flags
from agents.shared.metrics import INTAKE_VERDICTS
from agents.shared.model_places import ModelPlaces
from drift.blocks.block_builder import build_blocks
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from review.triage.decided_before import DecidedBefore, EarlierAnswer
from review.triage.decisions import DECISIONS, Decisions, Flags
from review.triage.new_tasks import LearnedAnswers, new_tasks
from schemas.codec import encode
from schemas.columns.prediction_columns import PredictionColumns
from schemas.topics import BLOCKS, REVIEW_EVENTS
from schemas.wire.reference import Reference
from streams.predictions.prediction_reader import Part
from streams.produce.outbox import SPARE_BYTES, Sending
from streams.settings import MESSAGE_BYTES_MAX_DEFAULT

if TYPE_CHECKING:
    from learning.serving import Scores, ServingModel

__all__ = ["Judge", "JudgeSettings"]

_counters: Final = [INTAKE_VERDICTS.labels(decision) for decision in DECISIONS]


class JudgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings: of each model by its name, and those that hold for all."""

    triage: Callable[[str], TriageSettings]
    labels: Callable[[str], tuple[str, ...]]
    drift: DriftSettings
    queue: QueueSettings
    verdicts: Callable[[str], Literal["all", "exceptions"]] = lambda _model: "all"
    message_bytes_max: int = MESSAGE_BYTES_MAX_DEFAULT


class Judge:
    """Decides about predictions, model by model, and measures them. ``states`` has the triage of each model.

    ``begin`` opens a batch; what ``judge`` changes belongs to it, and ``end`` sends what was held back for all of it.

    ``reference_of`` and ``serving_of`` return a model's reference and the learned model in charge, None where there
    is none. While none is in charge, triage asks the model of ``candidate_of`` where errors are likely, and does not
    answer with it. ``decided_of`` returns the settled answers that answer a model's questions again.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        *,
        reference_of: Callable[[str], Reference | None],
        serving_of: Callable[[str], ServingModel | None],
        candidate_of: Callable[[str], ServingModel | None] = lambda _model: None,
        decided_of: Callable[[str], DecidedBefore | None] = lambda _model: None,
        places: ModelPlaces | None = None,
    ) -> None:
        self._settings = settings
        self._reference_of = reference_of
        self._serving_of = serving_of
        self._candidate_of = candidate_of
        self._decided_of = decided_of
        self.states = TriageStates(settings.triage, settings.labels, places or ModelPlaces())
        self._verdicts_bytes_max = settings.message_bytes_max - SPARE_BYTES
        self._accepted = AcceptedVerdicts(self._verdicts_bytes_max)

    def begin(self) -> None:
        """Begin a batch."""
        self.states.begin()
        self._accepted.clear()

    def end(self, outbox: Sending) -> None:
        """End a batch: send acceptances for the warehouse, and what triage knows."""
        self._accepted.send(outbox)
        self.states.save(outbox)

    def judge(self, part: Part, now_ms: int, outbox: Sending) -> None:
        """Send the verdicts, tasks and blocks of events of one model, at least one, ordered within each partition."""
        events = part.columns
        triage, choices = self.states.watched(events.model)
        serving = self._serving_of(events.model)
        asked = serving or self._candidate_of(events.model)
        scores = None if asked is None else asked.many(events)
        earlier_answers = self._earlier_answers(events, now_ms)
        decisions = triage.decide(
            events,
            error_probability=None if scores is None else scores.error_probability,
            learned_uncertainty=None if scores is None else scores.uncertainty,
            disagreement=None if scores is None else disagreement(scores.answers, events.labels),
            decided=flags(earlier_answers, len(events)) if earlier_answers else None,
        )
        choices.see(events)
        learned = _learned_answers(serving, asked, scores)
        task_ids = self._send_tasks(events, decisions, learned, choices.known, now_ms, outbox)
        for counter, count in zip(_counters, np.bincount(decisions.codes, minlength=len(DECISIONS)), strict=True):
            counter.inc(int(count))
        Verdicts(events, decisions, learned, earlier_answers, task_ids, part.from_arrow).send(
            triage.policy_version,
            now_ms,
            outbox,
            bytes_max=self._verdicts_bytes_max,
            accepted=self._accepted if self._settings.verdicts(events.model) == "exceptions" else None,
        )
        for block in build_blocks(
            events,
            partitions=part.partitions,
            offsets=part.offsets,
            decisions=decisions.codes,
            decision_names=DECISIONS,
            reference=self._reference_of(events.model),
            settings=self._settings.drift,
        ):
            outbox.send(BLOCKS, events.model, block)

    def _earlier_answers(self, events: PredictionColumns, now_ms: int) -> dict[int, EarlierAnswer]:
        decided = self._decided_of(events.model)
        return {} if decided is None else decided.find(events, now_ms)

    def _send_tasks(
        self,
        events: PredictionColumns,
        decisions: Decisions,
        learned: LearnedAnswers,
        choices: tuple[str, ...],
        now_ms: int,
        outbox: Sending,
    ) -> list[str]:
        """Send a task for every event that a person will see; returns each event's task id, empty without a task."""
        tasks = new_tasks(
            events,
            decisions,
            created_at=now_ms,
            settings=self._settings.queue,
            choices=choices,
            learned=learned,
        )
        task_ids = [""] * len(events)
        for index, task_id, row in zip(tasks.indexes, tasks.ids, tasks.rows, strict=True):
            task_ids[index] = task_id
            outbox.send(REVIEW_EVENTS, task_id, encode(row))
        return task_ids


def _learned_answers(serving: ServingModel | None, asked: ServingModel | None, scores: Scores | None) -> LearnedAnswers:
    """The answers of the learned model that was asked, as the one in charge or as the challenger of production."""
    if scores is None or asked is None:
        return LearnedAnswers("", None)
    if serving is not None:
        return LearnedAnswers(serving.version, scores.answers)
    return LearnedAnswers("", None, asked.version, scores.answers)


def disagreement(answers: Sequence[str], labels: Sequence[str]) -> Flags:
    """Where the learned model and production answer differently; shape (events,).

    >>> disagreement(["yes", "no"], ["yes", "yes"]).tolist()
    [False, True]
    """
    return np.fromiter(map(operator.ne, answers, labels), np.bool_, len(labels))
