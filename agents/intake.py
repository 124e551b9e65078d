"""predictions → verdicts, tasks, blocks and rejects: one verdict for every prediction."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from agents.choices import Choices
from agents.metrics import INTAKE_DUPLICATES, INTAKE_EVENTS, INTAKE_REJECTS, INTAKE_VERDICTS
from agents.verdicts import Learned, Verdicts, flags
from drift.blocks import build_blocks
from drift.settings import DriftSettings
from review.decided import DecidedBefore, Settled
from review.settings import QueueSettings, TriageSettings
from review.task_life import new_task_for
from review.triage import DECISIONS, Decisions, Triage, TriageState
from schemas.prediction_columns import PredictionColumns
from schemas.reference import Reference
from schemas.reject import Reject
from schemas.topics import BLOCKS, REJECTS, REVIEW_EVENTS
from streams.duplicates import SeenEvents, identities
from streams.outbox import Sending
from streams.predictions.careful import SchemaCheck
from streams.predictions.inbox import PREDICTION_BYTES_MAX, original_of
from streams.predictions.prediction_reader import BYTES_AT_ONCE, MESSAGES_AT_ONCE, Part, PredictionReader
from streams.records import Record, cuts
from streams.rejects import reject_of

if TYPE_CHECKING:
    from learning.serving import ServingModel

__all__ = ["Intake", "IntakeSettings"]


class IntakeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What INTAKE needs to know. ``triage`` gives the settings of a model by its name."""

    prefix: str
    triage: Callable[[str], TriageSettings]
    labels: Callable[[str], tuple[str, ...]]
    drift: DriftSettings
    queue: QueueSettings
    models_max: int
    future_seconds_max: int
    verdicts: Callable[[str], Literal["all", "exceptions"]] = lambda _model: "all"
    prediction_bytes_max: int = PREDICTION_BYTES_MAX


class Intake:
    """Reads, checks, decides, measures. One object a worker; ``handle`` is called by one thread.

    ``reference_of`` and ``serving_of`` give a model's present reference and learned model, None where there is none;
    while none is in charge, triage asks ``candidate_of`` where errors are likely, and answers nothing with it.
    ``decided_of`` gives the settled answers that answer a model's questions again, ``seen`` remembers what was judged.
    ``schemas`` knows those of a registry.
    """

    def __init__(
        self,
        settings: IntakeSettings,
        *,
        reference_of: Callable[[str], Reference | None],
        serving_of: Callable[[str], ServingModel | None],
        candidate_of: Callable[[str], ServingModel | None] = lambda _model: None,
        decided_of: Callable[[str], DecidedBefore | None] = lambda _model: None,
        seen: SeenEvents | None = None,
        schemas: SchemaCheck | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._reference_of = reference_of
        self._serving_of = serving_of
        self._candidate_of = candidate_of
        self._decided_of = decided_of
        self._seen = seen
        self._clock = clock
        self._reader = PredictionReader(
            settings.prefix,
            future_ms_max=settings.future_seconds_max * 1000,
            bytes_max=settings.prediction_bytes_max,
            models_max=settings.models_max,
            schemas=schemas,
        )
        self._triage: dict[str, Triage] = {}
        self._choices: dict[str, Choices] = {}
        self._before: deque[dict[str, TriageState | None]] = deque()

    def handle(self, records: Sequence[Record], outbox: Sending) -> None:
        """One batch, for one transaction."""
        self._before.append({})
        if self._seen is not None:
            self._seen.begin()
        for run in _runs(records):
            self._handle(run, outbox)

    def _handle(self, records: Sequence[Record], outbox: Sending) -> None:
        """Messages of one partition."""
        now_ms = int(self._clock() * 1000)
        readings = self._reader.read(records, now_ms=now_ms)
        rejects = readings.rejects
        for part in readings.parts:
            model = part.columns.model
            if model in self._triage or len(self._triage) < self._settings.models_max:
                fresh = self._first_seen(part, records[-1].timestamp()[1])
                if len(fresh.columns):
                    self._judge(fresh, now_ms, outbox)
                INTAKE_EVENTS.inc(len(fresh.columns))
            else:
                rejects += self._refused(records, part, now_ms)
        for reject in rejects:
            outbox.send(REJECTS, reject.source_key, reject)
        INTAKE_REJECTS.inc(len(rejects))

    def _first_seen(self, part: Part, at_ms: int) -> Part:
        """The part without what was judged before: a producer's retry gets no second verdict."""
        if self._seen is None:
            return part
        fresh = self._seen.first_seen(identities(part.columns.model, part.columns.event_ids), at_ms)
        if fresh is None:
            return part
        INTAKE_DUPLICATES.inc(int(np.count_nonzero(~fresh)))
        return part.take(np.flatnonzero(fresh))

    def committed(self) -> None:
        """The oldest batch handled is committed; only later ones may have to be undone."""
        self._before.popleft()
        if self._seen is not None:
            self._seen.committed()

    def undo(self) -> None:
        """Forget what the batches that are not committed did: a transaction was aborted."""
        if self._seen is not None:
            self._seen.undo()
        while self._before:
            for model, state in self._before.pop().items():
                if state is None:
                    del self._triage[model]
                else:
                    self._triage[model].restore(state)

    def _refused(self, records: Sequence[Record], part: Part, now_ms: int) -> Iterator[Reject]:
        """Rejects of the predictions of a model too many."""
        by_offset = {record.offset(): record for record in records}
        reason = (
            f"{self._settings.models_max} models are watched already (worker.models_max); this worker takes no new one"
            " - at `$.model`"
        )
        for offset, index in zip(part.offsets.tolist(), part.indexes.tolist(), strict=True):
            record = by_offset[offset]
            yield reject_of(
                record,
                self._settings.prefix,
                role="intake",
                reason=reason,
                field="$.model",
                now_ms=now_ms,
                original=original_of(record, index),
                index=index,
            )

    def _judge(self, part: Part, now_ms: int, outbox: Sending) -> None:
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
            decided=flags(settled, len(events)) if settled else None,
        )
        self._choices[events.model].see(events)
        learned = Learned.of(serving, scores)
        task_ids = self._send_tasks(events, decisions, learned, now_ms, outbox)
        answers = [DECISIONS[code] for code in decisions.codes.tolist()]
        for kind in DECISIONS:
            INTAKE_VERDICTS.labels(kind).inc(answers.count(kind))
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
            triage = self._triage[model] = Triage(self._settings.triage(model), model=model)
            self._choices[model] = Choices(self._settings.labels(model))
            self._before[-1][model] = None
        elif model not in self._before[-1]:
            self._before[-1][model] = triage.export_state()
        return triage

    def _send_tasks(
        self, events: PredictionColumns, decisions: Decisions, learned: Learned, now_ms: int, outbox: Sending
    ) -> list[str]:
        """A task for every event that a person will see; returns each event's task id, empty where there is none."""
        task_ids = [""] * len(events)
        choices = self._choices[events.model].known
        seen = np.flatnonzero(decisions.seen)
        columns = (decisions.scores[seen], decisions.uncertainty[seen], decisions.inclusion_probability[seen])
        for place, lane, score, uncertainty, inclusion in zip(
            seen.tolist(), decisions.lanes(seen), *(column.tolist() for column in columns), strict=True
        ):
            task = new_task_for(
                events.row(place),
                lane=lane,
                created_at=now_ms,
                settings=self._settings.queue,
                score=score,
                uncertainty=uncertainty,
                inclusion_probability=inclusion,
                reasons=decisions.reasons[place],
                choices=choices,
                learned_prediction=learned.answer(place),
                learned_version=learned.version,
            )
            task_ids[place] = task.task_id
            outbox.send(REVIEW_EVENTS, task.task_id, task)
        return task_ids


def _runs(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """The messages partition by partition, in order, as many at once as is handled at once."""
    by_partition: dict[int, list[Record]] = {}
    for record in records:
        by_partition.setdefault(record.partition(), []).append(record)
    for found in by_partition.values():
        for start in range(0, len(found), MESSAGES_AT_ONCE):
            run = found[start : start + MESSAGES_AT_ONCE]
            begin = 0
            for end in cuts(run, BYTES_AT_ONCE):
                yield run[begin:end]
                begin = end
