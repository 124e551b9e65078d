"""What INTAKE makes of the events of one model: verdicts, tasks and blocks."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

from agents.choices import Choices
from agents.metrics import INTAKE_VERDICTS
from agents.triage_log import state_key
from agents.verdicts import Verdicts, flags
from drift.blocks import build_blocks
from drift.settings import DriftSettings
from review.decided import DecidedBefore, Settled
from review.decisions import DECISIONS, Decisions, Flags
from review.new_tasks import LearnedAnswers, new_tasks
from review.settings import QueueSettings, TriageSettings
from review.triage import Triage
from review.triage_carry import CarriedState, Claims, records_of, scored_by
from review.triage_snapshot import TriageSnapshot
from schemas.codec import encode
from schemas.prediction_columns import PredictionColumns
from schemas.reference import Reference
from schemas.topics import BLOCKS, REVIEW_EVENTS, TRIAGE_STATE
from streams.outbox import Sending
from streams.predictions.prediction_reader import Part

if TYPE_CHECKING:
    from learning.serving import Scores, ServingModel

__all__ = ["Judge", "JudgeSettings"]

_decisions: Final = np.array(DECISIONS, object)
_counters: Final = [INTAKE_VERDICTS.labels(kind) for kind in DECISIONS]


class JudgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is set for each model by its name, and for all."""

    triage: Callable[[str], TriageSettings]
    labels: Callable[[str], tuple[str, ...]]
    drift: DriftSettings
    queue: QueueSettings
    verdicts: Callable[[str], Literal["all", "exceptions"]] = lambda _model: "all"


class Judge:
    """Decides, model by model, and measures. ``models`` are those it has met, also before its worker started.

    Triage carries its state over: ``carry`` what the log says before the first batch, and after each assignment of
    partitions; ``save`` at the end of a batch, in its transaction. Without a slot nothing is saved.

    ``reference_of`` and ``serving_of`` give a model's present reference and learned model, None where there is none;
    while none is in charge, triage asks ``candidate_of`` where errors are likely, and answers nothing with it.
    ``decided_of`` gives the settled answers that answer a model's questions again. What it does belongs to a batch:
    ``begin`` one, then ``committed`` keeps the oldest for good, and ``undo`` forgets all that are not committed.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        *,
        reference_of: Callable[[str], Reference | None],
        serving_of: Callable[[str], ServingModel | None],
        candidate_of: Callable[[str], ServingModel | None] = lambda _model: None,
        decided_of: Callable[[str], DecidedBefore | None] = lambda _model: None,
    ) -> None:
        self._settings = settings
        self._reference_of = reference_of
        self._serving_of = serving_of
        self._candidate_of = candidate_of
        self._decided_of = decided_of
        self._triage: dict[str, Triage] = {}
        self._choices: dict[str, Choices] = {}
        self._before: deque[dict[str, TriageSnapshot | None]] = deque()
        self._slot = ""
        self._partitions: frozenset[int] = frozenset()
        self._carried: Mapping[str, CarriedState] = {}
        self._claims: Mapping[str, Claims] = {}
        self._unsaved: frozenset[str] = frozenset()
        self._unclaimed: frozenset[str] = frozenset()

    @property
    def models(self) -> Set[str]:
        """Those it has met, in this run or, as the log says, in one before."""
        return self._triage.keys() | self._carried.keys()

    def knows(self, model: str) -> bool:
        """Whether it has met the model."""
        return model in self._triage or model in self._carried

    def carry(
        self,
        slot: str,
        partitions: Collection[int],
        carried: Mapping[str, CarriedState],
        claims: Mapping[str, Claims],
    ) -> None:
        """Go on from these states of models, as the owner of these partitions; no batch is under way.

        Those that are not exactly what ``slot`` had told before are told anew with the next batch that is committed.
        What it leaves of other partitions is told in the same transaction as the head that no longer names them.
        """
        self._slot, self._partitions, self._carried, self._claims = slot, frozenset(partitions), carried, claims
        self._triage, self._choices = {}, {}
        self._unsaved = frozenset(
            model
            for model, state in carried.items()
            if not state.is_whole or (model in claims and claims[model].is_new)
        )
        self._unclaimed = frozenset(claims)

    def save(self, outbox: Sending) -> None:
        """The end of a batch: what triage knows now, for whoever goes on from here."""
        if not self._slot:
            return
        for model, before in self._before[-1].items():
            triage = self._triage[model]
            written = 0 if before is None else before.recent.known
            self._save(model, triage.snapshot(), self._choices[model].seen, written, outbox)
        for model in self._unsaved - self._before[-1].keys():
            if model not in self._triage:
                state = self._carried[model]
                self._save(model, state.snapshot, state.choices, 0, outbox)

    def _save(
        self, model: str, snapshot: TriageSnapshot, choices: tuple[str, ...], written: int, outbox: Sending
    ) -> None:
        claims = self._claims.get(model)
        for record in claims.left if claims and model in self._unclaimed else ():
            outbox.send(TRIAGE_STATE, state_key(record), record)
        for record in records_of(
            snapshot,
            model=model,
            slot=self._slot,
            partitions=self._partitions,
            epochs=claims.epochs if claims else {},
            choices=choices,
            scored_by=scored_by(self._settings.triage(model)),
            written=written,
        ):
            outbox.send(TRIAGE_STATE, state_key(record), record)

    def begin(self) -> None:
        """A batch begins."""
        self._before.append({})

    def committed(self) -> None:
        """The oldest batch is committed; only later ones may have to be undone."""
        self._unclaimed -= self._before.popleft().keys() | self._unsaved
        self._unsaved = frozenset()

    def undo(self) -> None:
        """Forget what the batches that are not committed did."""
        while self._before:
            for model, snapshot in self._before.pop().items():
                if snapshot is None:
                    del self._triage[model]
                else:
                    self._triage[model].rewind(snapshot)

    def judge(self, part: Part, now_ms: int, outbox: Sending) -> None:
        """At least one event of one model, partition after partition, each in order."""
        events = part.columns
        triage = self._triage_of(events.model)
        serving = self._serving_of(events.model)
        asked = serving or self._candidate_of(events.model)
        scores = None if asked is None else asked.many(events)
        settled = self._settled_of(events, now_ms)
        decisions = triage.decide(
            events,
            error_probability=None if scores is None else scores.error_probability,
            learned_uncertainty=None if scores is None else scores.uncertainty,
            disagreement=None if scores is None else disagreement(scores.answers, events.labels),
            decided=flags(settled, len(events)) if settled else None,
        )
        self._choices[events.model].see(events)
        learned = _learned_answers(serving, asked, scores)
        task_ids = self._send_tasks(events, decisions, learned, now_ms, outbox)
        for counter, found in zip(_counters, np.bincount(decisions.codes, minlength=len(DECISIONS)), strict=True):
            counter.inc(int(found))
        answers = _decisions[decisions.codes].tolist()
        verdicts = Verdicts(events, decisions, answers, learned, settled, task_ids)
        verdicts.send(
            triage.policy_version, now_ms, outbox, exceptions_only=self._settings.verdicts(events.model) == "exceptions"
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

    def _settled_of(self, events: PredictionColumns, now_ms: int) -> dict[int, Settled]:
        decided = self._decided_of(events.model)
        return {} if decided is None else decided.find(events, now_ms)

    def _triage_of(self, model: str) -> Triage:
        triage = self._triage.get(model)
        if triage is None:
            carried = self._carried.get(model)
            triage = self._triage[model] = Triage(self._settings.triage(model), model=model, carried=carried)
            self._choices[model] = Choices(self._settings.labels(model), () if carried is None else carried.choices)
            self._before[-1][model] = None
        elif model not in self._before[-1]:
            self._before[-1][model] = triage.snapshot()
        return triage

    def _send_tasks(
        self, events: PredictionColumns, decisions: Decisions, learned: LearnedAnswers, now_ms: int, outbox: Sending
    ) -> list[str]:
        """A task for every event that a person will see; returns each event's task id, empty where there is none."""
        tasks = new_tasks(
            events,
            decisions,
            created_at=now_ms,
            settings=self._settings.queue,
            choices=self._choices[events.model].known,
            learned=learned,
        )
        task_ids = [""] * len(events)
        for place, task_id, row in zip(tasks.places, tasks.ids, tasks.rows, strict=True):
            task_ids[place] = task_id
            outbox.send(REVIEW_EVENTS, task_id, encode(row))
        return task_ids


def _learned_answers(serving: ServingModel | None, asked: ServingModel | None, scores: Scores | None) -> LearnedAnswers:
    """What the learned model says, as the one in charge or as the challenger of production."""
    if scores is None or asked is None:
        return LearnedAnswers("", None)
    if serving is not None:
        return LearnedAnswers(serving.version, scores.answers)
    return LearnedAnswers("", None, asked.version, scores.answers)


def disagreement(answers: Sequence[str], labels: Sequence[str]) -> Flags:
    """Where the learned model and production answer differently; shape (events,)."""
    return np.fromiter(map(operator.ne, answers, labels), np.bool_, len(labels))
