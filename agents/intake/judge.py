"""What INTAKE makes of the events of one model: verdicts, tasks and blocks."""

from __future__ import annotations

import dataclasses
import operator
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec
import numpy as np

from agents.intake.choices import Choices
from agents.intake.triage_log import keys_of, state_key
from agents.intake.verdicts import Verdicts, flags
from agents.shared.metrics import INTAKE_VERDICTS
from agents.shared.model_places import ModelPlaces
from drift.blocks.block_builder import build_blocks
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from review.triage.carry import Claims, Owner, records_of, scored_by
from review.triage.decided_before import DecidedBefore, EarlierAnswer
from review.triage.decisions import DECISIONS, Decisions, Flags
from review.triage.new_tasks import LearnedAnswers, new_tasks
from review.triage.triage import CarriedState, Triage, TriageSnapshot
from schemas.codec import encode
from schemas.columns.prediction_columns import PredictionColumns
from schemas.topics import BLOCKS, REVIEW_EVENTS, TRIAGE_STATE
from schemas.wire.reference import Reference
from streams.predictions.prediction_reader import Part
from streams.produce.outbox import Sending

if TYPE_CHECKING:
    from learning.serving import Scores, ServingModel

__all__ = ["Judge", "JudgeSettings"]

_decisions: Final = np.array(DECISIONS, object)
_counters: Final = [INTAKE_VERDICTS.labels(decision) for decision in DECISIONS]


class JudgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is set for each model by its name, and for all."""

    triage: Callable[[str], TriageSettings]
    labels: Callable[[str], tuple[str, ...]]
    drift: DriftSettings
    queue: QueueSettings
    verdicts: Callable[[str], Literal["all", "exceptions"]] = lambda _model: "all"


class Watched(NamedTuple):
    """What is known of a model that has a place, and was used in this run."""

    triage: Triage
    choices: Choices


@dataclasses.dataclass(slots=True)
class Undo:
    """What undoes one batch: who had a place, in the order of use, and how each stood that was used since.

    ``before`` is None where a model was not used in this run, or had no place; ``replaced`` holds what stood in
    ``_known`` under the names that got something else there, or nothing; ``left`` those that lost their place.
    """

    order: tuple[str, ...]
    before: dict[str, TriageSnapshot | None] = dataclasses.field(default_factory=dict)
    replaced: dict[str, Watched | CarriedState] = dataclasses.field(default_factory=dict)
    left: dict[str, Watched | CarriedState] = dataclasses.field(default_factory=dict)


class Judge:
    """Decides, model by model, and measures. ``models`` are those that have a place, also from before its start.

    Triage carries its state over: ``carry`` what the log says before the first batch, and after each assignment of
    partitions; ``save`` at the end of a batch, in its transaction. Without a slot nothing is saved. Where a new model
    takes another's place (``places``), what was known of the other is forgotten in the same transaction: it begins
    anew when it comes again.

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
        places: ModelPlaces | None = None,
    ) -> None:
        self._settings = settings
        self._reference_of = reference_of
        self._serving_of = serving_of
        self._candidate_of = candidate_of
        self._decided_of = decided_of
        self._places = places or ModelPlaces()
        self._known: dict[str, Watched | CarriedState] = {}
        """Models with a place, the one used longest ago first."""
        self._batches: deque[Undo] = deque()
        self._slot = ""
        self._partitions: frozenset[int] = frozenset()
        self._claims: Mapping[str, Claims] = {}
        self._unsaved: frozenset[str] = frozenset()
        self._unclaimed: frozenset[str] = frozenset()
        self._unforgotten: dict[str, CarriedState] = {}

    @property
    def models(self) -> Set[str]:
        """Those that have a place."""
        return self._known.keys()

    def scores_known(self, model: str) -> int:
        """Scores that the model's threshold has been shown; 0 for a model without a place."""
        state = self._known.get(model)
        if isinstance(state, CarriedState):
            return state.snapshot.recent.known
        return 0 if state is None else state.triage.scores_known

    def carry(
        self,
        slot: str,
        partitions: Collection[int],
        carried: Mapping[str, CarriedState],
        claims: Mapping[str, Claims],
    ) -> None:
        """Go on from these states of models, the one used longest ago first, as the owner of these partitions.

        No batch is under way. States that are not exactly what ``slot`` had told before are told anew with the next
        batch that is committed; where there are more than places, the others are forgotten with it. What it leaves of
        other partitions is told in the same transaction as the head that no longer names them.
        """
        self._slot, self._partitions, self._claims = slot, frozenset(partitions), claims
        self._known, self._unforgotten = {}, {}
        for model, state in carried.items():
            leaver = self._places.leaver(model, self._known, self._is_settled)
            if leaver is not None:
                left = self._known.pop(leaver)
                assert isinstance(left, CarriedState)
                self._unforgotten[leaver] = left
            self._known[model] = state
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
        batch = self._batches[-1]
        for model, left in (self._unforgotten | batch.left).items():
            if model not in self._known:
                self._forget(model, left, outbox)
        for model, state in self._known.items():
            if model in self._unsaved and isinstance(state, CarriedState):
                self._save(model, state.snapshot, state.choices, 0, outbox)
        for model, before in batch.before.items():
            now = self._known.get(model)
            if isinstance(now, Watched):
                written = 0 if before is None or model in batch.left else before.recent.known
                self._save(model, now.triage.snapshot(), now.choices.seen, written, outbox)

    def _save(
        self, model: str, snapshot: TriageSnapshot, choices: tuple[str, ...], written: int, outbox: Sending
    ) -> None:
        claims = self._claims.get(model)
        self._leave(model, outbox)
        for record in records_of(
            snapshot,
            Owner(self._slot, self._partitions, claims.epochs if claims else {}),
            model=model,
            choices=choices,
            scored_by=scored_by(self._settings.triage(model)),
            written=written,
        ):
            outbox.send(TRIAGE_STATE, state_key(record), record)

    def _leave(self, model: str, outbox: Sending) -> None:
        """Tell the next owners of partitions that were given away what they take over."""
        claims = self._claims.get(model)
        for record in claims.left if claims and model in self._unclaimed else ():
            outbox.send(TRIAGE_STATE, state_key(record), record)

    def _forget(self, model: str, state: Watched | CarriedState, outbox: Sending) -> None:
        """Take off the log what this worker, and whoever left it these partitions, knew of a model."""
        self._leave(model, outbox)
        snapshot = state.snapshot if isinstance(state, CarriedState) else state.triage.snapshot()
        claims = self._claims.get(model)
        for key in keys_of(snapshot, model=model, slot=self._slot, left=claims.taken if claims else ()):
            outbox.send(TRIAGE_STATE, key, None)

    def begin(self) -> None:
        """What is judged from now on belongs to a new batch, behind those that are not committed yet."""
        self._batches.append(Undo(tuple(self._known)))

    def committed(self) -> None:
        """The oldest batch is committed; only later ones may have to be undone."""
        batch = self._batches.popleft()
        self._unclaimed -= batch.before.keys() | batch.left.keys() | self._unsaved | self._unforgotten.keys()
        self._unsaved = frozenset()
        self._unforgotten = {}

    def undo(self) -> None:
        """Forget what the batches that are not committed did."""
        while self._batches:
            batch = self._batches.pop()
            self._known = {model: batch.replaced.get(model) or self._known[model] for model in batch.order}
            for model, snapshot in batch.before.items():
                state = self._known.get(model)
                if snapshot is not None and isinstance(state, Watched):
                    state.triage.rewind(snapshot)

    def judge(self, part: Part, now_ms: int, outbox: Sending) -> None:
        """At least one event of one model, partition after partition, each in order."""
        events = part.columns
        triage, choices = self._watched(events.model)
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
        decision_names = _decisions[decisions.codes].tolist()
        verdicts = Verdicts(events, decisions, decision_names, learned, earlier_answers, task_ids)
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

    def _earlier_answers(self, events: PredictionColumns, now_ms: int) -> dict[int, EarlierAnswer]:
        decided = self._decided_of(events.model)
        return {} if decided is None else decided.find(events, now_ms)

    def _watched(self, model: str) -> Watched:
        """The model's state; in each batch the first use counts, so that the log has the models in the same order."""
        batch, known = self._batches[-1], self._known.get(model)
        if model in batch.before and isinstance(known, Watched):
            return known
        if known is None:
            self._make_room(model)
        state = self._known.pop(model, None)
        if isinstance(state, Watched):
            batch.before[model] = state.triage.snapshot()
        else:
            batch.before.setdefault(model, None)
            if state is not None:
                batch.replaced.setdefault(model, state)
            state = self._begun(model, state)
        self._known[model] = state
        return state

    def _begun(self, model: str, carried: CarriedState | None) -> Watched:
        triage = Triage(self._settings.triage(model), model=model, carried=carried)
        return Watched(triage, Choices(self._settings.labels(model), () if carried is None else carried.choices))

    def _make_room(self, model: str) -> None:
        leaver = self._places.leaver(model, self._known, self._is_settled)
        if leaver is not None:
            left, batch = self._known.pop(leaver), self._batches[-1]
            batch.replaced.setdefault(leaver, left)
            batch.left.setdefault(leaver, left)

    def _is_settled(self, model: str) -> bool:
        """Whether triage has warmed up: a name that comes once, or a few times, has not."""
        return self.scores_known(model) >= self._settings.triage(model).warmup_events

    def _send_tasks(
        self,
        events: PredictionColumns,
        decisions: Decisions,
        learned: LearnedAnswers,
        choices: tuple[str, ...],
        now_ms: int,
        outbox: Sending,
    ) -> list[str]:
        """A task for every event that a person will see; returns each event's task id, empty where there is none."""
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
    """What the learned model says, as the one in charge or as the challenger of production."""
    if scores is None or asked is None:
        return LearnedAnswers("", None)
    if serving is not None:
        return LearnedAnswers(serving.version, scores.answers)
    return LearnedAnswers("", None, asked.version, scores.answers)


def disagreement(answers: Sequence[str], labels: Sequence[str]) -> Flags:
    """Where the learned model and production answer differently; shape (events,)."""
    return np.fromiter(map(operator.ne, answers, labels), np.bool_, len(labels))
