"""What INTAKE makes of the predictions of a batch: verdicts, tasks and blocks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec
import numpy as np

from agents.intake.block_sender import BlockSender
from agents.intake.triage_states import TriageStates, Watched
from agents.intake.verdicts import Verdicts
from agents.shared.metrics import INTAKE_VERDICTS
from agents.shared.model_places import ModelPlaces
from drift.blocks.measured import BlockEvents
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from review.triage.batch import Hints
from review.triage.decided_before import DecidedBefore, EarlierAnswer
from review.triage.decisions import DECISIONS, Decisions, Flags
from review.triage.learned_answers import LearnedAnswers
from review.triage.new_tasks import NewTasks, new_tasks
from review.triage.triage import decide_all
from schemas.codec import encode
from schemas.columns.event_batch import EventBatch
from schemas.columns.texts import Texts
from schemas.topics import REVIEW_EVENTS
from schemas.wire.reference import Reference
from streams.predictions.parts import Part
from streams.produce.outbox import SPARE_BYTES, Sending
from streams.settings import MESSAGE_BYTES_MAX_DEFAULT

if TYPE_CHECKING:
    from learning.serving import ServingModel

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


class Knowledge(NamedTuple):
    """What is known of the events of a batch beyond what they say themselves."""

    hints: Hints
    learned: LearnedAnswers
    earlier_answers: dict[int, EarlierAnswer]
    """The settled answers that answer an event's question again, by the index of the event."""


class Judge:
    """Decides about predictions, all models of a batch together, and measures them. ``states`` has each model's triage.

    A batch of ``states`` is open whenever ``judge`` is called, and what it changes belongs to that batch.

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
        self._blocks = BlockSender(settings.drift, settings.message_bytes_max - SPARE_BYTES)

    def judge(self, parts: Sequence[Part], now_ms: int, outbox: Sending) -> None:
        """Send the verdicts, tasks and blocks of events, at least one.

        No model is in two parts, and the events of a model are ordered within each partition.
        """
        events = EventBatch([part.columns for part in parts])
        watched = [self.states.watched(model) for model in events.models]
        known = self._knowledge(events, now_ms)
        decisions = decide_all([state.triage for state in watched], events, known.hints)
        tasks = self._send_tasks(events, decisions, watched, known.learned, now_ms, outbox)
        for counter, count in zip(_counters, np.bincount(decisions.codes, minlength=len(DECISIONS)), strict=True):
            counter.inc(int(count))
        Verdicts(
            events=events,
            decisions=decisions,
            error_probability=known.hints.error_probability,
            learned=known.learned,
            earlier_answers=known.earlier_answers,
            tasks=tasks,
            policy_versions=[state.triage.policy_version for state in watched],
            from_arrow=np.concatenate([part.arrow_marks() for part in parts]),
            decided_at=now_ms,
        ).send(
            outbox,
            exceptions_only=[self._settings.verdicts(model) == "exceptions" for model in events.models],
            bytes_max=self._verdicts_bytes_max,
        )
        self._send_blocks(parts, decisions, outbox)

    def _knowledge(self, events: EventBatch, now_ms: int) -> Knowledge:
        """Ask those who remember settled answers and the learned models, model by model."""
        earlier_answers: dict[int, EarlierAnswer] = {}
        for number, model in enumerate(events.models):
            decided = self._decided_of(model)
            if decided is not None:
                start = int(events.bounds[number])
                answer_of = decided.find(events.of_model(number), now_ms)
                earlier_answers |= {start + index: answer for index, answer in answer_of.items()}
        is_decided = flags(list(earlier_answers), len(events)) if earlier_answers else None
        hints, learned = self._learned(events)
        return Knowledge(hints._replace(decided=is_decided), learned, earlier_answers)

    def _learned(self, events: EventBatch) -> tuple[Hints, LearnedAnswers]:
        """What the learned models say: the one in charge of a model or, while there is none, its candidate."""
        serving = [self._serving_of(model) for model in events.models]
        asked = [own or self._candidate_of(model) for own, model in zip(serving, events.models, strict=True)]
        if not any(asked):
            return Hints(), LearnedAnswers.none(len(events))
        errors, doubts = np.full(len(events), np.nan), np.full(len(events), np.nan)
        differs, learned = np.zeros(len(events), np.bool_), []
        for number, (own, model) in enumerate(zip(serving, asked, strict=True)):
            some = events.model_slice(number)
            if model is None:
                learned.append(LearnedAnswers.none(some.stop - some.start))
                continue
            of_model = events.of_model(number)
            scores = model.many(of_model)
            errors[some], doubts[some] = scores.error_probability, scores.uncertainty
            differs[some] = disagreement(scores.answers, of_model.labels.tolist())
            answered = LearnedAnswers.challenging if own is None else LearnedAnswers.in_charge
            learned.append(answered(model.version, Texts.of(scores.answers)))
        return Hints(errors, doubts, differs), LearnedAnswers.joined(learned)

    def _send_tasks(
        self,
        events: EventBatch,
        decisions: Decisions,
        watched: Sequence[Watched],
        learned: LearnedAnswers,
        now_ms: int,
        outbox: Sending,
    ) -> NewTasks:
        """Send a task for every event that a person will see."""
        for number, state in enumerate(watched):
            state.choices.see(events.labels_of(number))
        tasks = new_tasks(
            events,
            decisions,
            created_at=now_ms,
            settings=self._settings.queue,
            choices=[state.choices.known for state in watched],
            learned=learned,
        )
        for task_id, row in zip(tasks.ids, tasks.rows, strict=True):
            outbox.send(REVIEW_EVENTS, task_id, encode(row))
        return tasks

    def _send_blocks(self, parts: Sequence[Part], decisions: Decisions, outbox: Sending) -> None:
        start = 0
        for part in parts:
            stop = start + len(part.columns)
            events = BlockEvents(
                part.columns,
                partitions=part.partitions,
                offsets=part.offsets,
                decisions=decisions.codes[start:stop],
                decision_names=DECISIONS,
                references=[self._reference_of(model) for model in part.columns.models],
            )
            self._blocks.send(events, outbox)
            start = stop


def disagreement(answers: Sequence[str], labels: Sequence[str | None]) -> Flags:
    """Where the learned model and production answer differently; shape (events,).

    >>> disagreement(["yes", "no"], ["yes", "yes"]).tolist()
    [False, True]
    """
    return np.fromiter(map(operator.ne, answers, labels), np.bool_, len(labels))


def flags(indexes: Sequence[int], size: int) -> Flags:
    """True at these indexes, of shape (size,).

    >>> flags([0, 2], 3).tolist()
    [True, False, True]
    """
    is_set = np.zeros(size, np.bool_)
    is_set[indexes] = True
    return is_set
