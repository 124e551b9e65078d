"""predictions → verdicts, tasks, blocks and rejects: one verdict for every prediction."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from agents.choices import Choices
from agents.metrics import INTAKE_EVENTS, INTAKE_REJECTS, INTAKE_VERDICTS
from drift.blocks import build_blocks
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from review.task_life import new_task_for
from review.triage import DECISIONS, Decisions, Triage, TriageState
from schemas.prediction import Prediction
from schemas.reference import Reference
from schemas.topics import BLOCKS, REJECTS, REVIEW_EVENTS, VERDICTS
from schemas.verdict import Verdict
from streams.inbox import PREDICTION_BYTES_MAX, Arrivals, original_of, read_predictions
from streams.outbox import Outbox
from streams.records import Record
from streams.rejects import reject_of

if TYPE_CHECKING:
    from learning.serving import Scores, ServingModel

__all__ = ["Intake", "IntakeSettings"]

VERDICTS_PER_MESSAGE_MAX = 200
MESSAGES_AT_ONCE = 1_000
"""Messages of a batch that are looked at together: few enough to stay in the processor's cache."""


class IntakeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What INTAKE needs to know. ``triage`` gives the settings of a model by its name."""

    prefix: str
    triage: Callable[[str], TriageSettings]
    labels: Callable[[str], tuple[str, ...]]
    drift: DriftSettings
    queue: QueueSettings
    models_max: int
    future_seconds_max: int
    prediction_bytes_max: int = PREDICTION_BYTES_MAX


class Intake:
    """Reads, checks, decides, measures. One object a worker; ``handle`` is called by one thread.

    ``reference_of`` and ``serving_of`` give a model's present reference and learned model, None where there is none;
    while none is in charge, triage asks ``candidate_of`` where errors are likely, and answers nothing with it.
    """

    def __init__(
        self,
        settings: IntakeSettings,
        *,
        reference_of: Callable[[str], Reference | None],
        serving_of: Callable[[str], ServingModel | None],
        candidate_of: Callable[[str], ServingModel | None] = lambda _model: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._reference_of = reference_of
        self._serving_of = serving_of
        self._candidate_of = candidate_of
        self._clock = clock
        self._triage: dict[str, Triage] = {}
        self._choices: dict[str, Choices] = {}
        self._before: dict[str, TriageState | None] = {}

    def handle(self, records: Sequence[Record], outbox: Outbox) -> None:
        """One batch, within one transaction."""
        self._before = {}
        for start in range(0, len(records), MESSAGES_AT_ONCE):
            self._handle(records[start : start + MESSAGES_AT_ONCE], outbox)

    def _handle(self, records: Sequence[Record], outbox: Outbox) -> None:
        now_ms = int(self._clock() * 1000)
        arrivals = read_predictions(
            records,
            self._settings.prefix,
            now_ms=now_ms,
            future_ms_max=self._settings.future_seconds_max * 1000,
            bytes_max=self._settings.prediction_bytes_max,
        )
        by_model = _places_by_model(arrivals.events)
        for model, places in by_model.items():
            if model in self._triage or len(self._triage) < self._settings.models_max:
                self._judge(model, arrivals, places, now_ms, outbox)
            else:
                self._refuse(records, arrivals, places, now_ms)
        for reject in arrivals.rejects:
            outbox.send(REJECTS, reject.source_key, reject)
        INTAKE_EVENTS.inc(sum(len(places) for model, places in by_model.items() if model in self._triage))
        INTAKE_REJECTS.inc(len(arrivals.rejects))

    def undo(self) -> None:
        """Forget what the last batch did to the thresholds: its transaction was aborted."""
        for model, state in self._before.items():
            if state is None:
                del self._triage[model]
            else:
                self._triage[model].restore(state)
        self._before = {}

    def _refuse(self, records: Sequence[Record], arrivals: Arrivals, places: Sequence[int], now_ms: int) -> None:
        """Reject the predictions of a model too many."""
        by_place = {(record.partition(), record.offset()): record for record in records}
        reason = (
            f"{self._settings.models_max} models are watched already (worker.models_max); this worker takes no new one"
            " - at `$.model`"
        )
        for place in places:
            record = by_place[arrivals.partitions[place], arrivals.offsets[place]]
            index = arrivals.indexes[place]
            reject = reject_of(
                record,
                self._settings.prefix,
                role="intake",
                reason=reason,
                field="$.model",
                now_ms=now_ms,
                original=original_of(record, index),
                index=index,
            )
            arrivals.rejects.append(reject)

    def _judge(self, model: str, arrivals: Arrivals, places: Sequence[int], now_ms: int, outbox: Outbox) -> None:
        events = [arrivals.events[place] for place in places]
        times_ms = [arrivals.times_ms[place] for place in places]
        triage = self._triage_of(model)
        serving = self._serving_of(model)
        asked = serving or self._candidate_of(model)
        scores = None if asked is None else asked.many(events)
        decisions = triage.decide(
            events,
            error_probability=None if scores is None else scores.error_probability,
            learned_uncertainty=None if scores is None else scores.uncertainty,
        )
        self._choices[model].see(events)
        learned = _Learned.of(len(events), serving, scores)
        task_ids = self._send_tasks(events, decisions, learned, now_ms, outbox)
        verdicts = _verdicts(events, times_ms, decisions, triage.policy_version, learned, task_ids, now_ms)
        self._send_blocks(arrivals, places, verdicts, outbox)
        key = model.encode()
        for start in range(0, len(verdicts), VERDICTS_PER_MESSAGE_MAX):
            outbox.send(VERDICTS, key, list(verdicts[start : start + VERDICTS_PER_MESSAGE_MAX]))

    def _triage_of(self, model: str) -> Triage:
        triage = self._triage.get(model)
        if triage is None:
            triage = self._triage[model] = Triage(self._settings.triage(model), model=model)
            self._choices[model] = Choices(self._settings.labels(model))
            self._before[model] = None
        elif model not in self._before:
            self._before[model] = triage.export_state()
        return triage

    def _send_tasks(
        self, events: Sequence[Prediction], decisions: Decisions, learned: _Learned, now_ms: int, outbox: Outbox
    ) -> list[str]:
        """A task for every event that a person will see; returns each event's task id, empty where there is none."""
        task_ids = [""] * len(events)
        choices = self._choices[events[0].model].known
        seen = np.flatnonzero(decisions.seen)
        columns = (decisions.scores[seen], decisions.uncertainty[seen], decisions.inclusion_probability[seen])
        for place, score, uncertainty, inclusion in zip(
            seen.tolist(), *(column.tolist() for column in columns), strict=True
        ):
            lane = decisions.lane(place)
            assert lane is not None
            task = new_task_for(
                events[place],
                lane=lane,
                created_at=now_ms,
                settings=self._settings.queue,
                score=score,
                uncertainty=uncertainty,
                inclusion_probability=inclusion,
                reasons=decisions.reasons[place],
                choices=choices,
                learned_prediction=learned.answers[place],
                learned_version=learned.version,
            )
            task_ids[place] = task.task_id
            outbox.send(REVIEW_EVENTS, task.task_id, task)
        return task_ids

    def _send_blocks(
        self, arrivals: Arrivals, places: Sequence[int], verdicts: Sequence[Verdict], outbox: Outbox
    ) -> None:
        partition_of = np.array([arrivals.partitions[place] for place in places])
        for partition in np.unique(partition_of).tolist():
            indexes = np.flatnonzero(partition_of == partition).tolist()
            events = [arrivals.events[places[index]] for index in indexes]
            model = events[0].model
            blocks = build_blocks(
                events,
                partition=partition,
                offsets=[arrivals.offsets[places[index]] for index in indexes],
                decisions=[verdicts[index].decision for index in indexes],
                reference=self._reference_of(model),
                settings=self._settings.drift,
            )
            for block in blocks:
                outbox.send(BLOCKS, model, block)


class _Learned(NamedTuple):
    """What learning says of each event: the answer of the model in charge, and the chance that production is wrong."""

    version: str
    answers: Sequence[str]
    error_probability: Sequence[float | None]

    @classmethod
    def of(cls, size: int, serving: ServingModel | None, scores: Scores | None) -> _Learned:
        """Answers only of a model in charge; a candidate's scores are triage's alone."""
        errors: Sequence[float | None] = [None] * size if scores is None else scores.error_probability.tolist()
        if serving is None or scores is None:
            return cls("", [""] * size, errors)
        return cls(serving.version, scores.answers, errors)


def _verdicts(
    events: Sequence[Prediction],
    times_ms: Sequence[int],
    decisions: Decisions,
    policy_version: str,
    learned: _Learned,
    task_ids: Sequence[str],
    now_ms: int,
) -> list[Verdict]:
    """The decisions as Structs, in order."""
    for code, count in zip(*np.unique(decisions.codes, return_counts=True), strict=True):
        INTAKE_VERDICTS.labels(DECISIONS[code]).inc(int(count))
    return [
        Verdict(
            event_id=event.event_id,
            model=event.model,
            model_version=event.model_version,
            time=time_ms,
            decision=DECISIONS[code],
            reasons=reasons,
            uncertainty=uncertainty,
            inclusion_probability=inclusion,
            error_probability=error,
            audit=audit,
            policy_version=policy_version,
            learned_version=learned.version,
            learned_prediction=answer,
            task_id=task_id,
            decided_at=now_ms,
        )
        for event, time_ms, code, reasons, uncertainty, inclusion, error, audit, answer, task_id in zip(
            events,
            times_ms,
            decisions.codes.tolist(),
            decisions.reasons,
            decisions.uncertainty.tolist(),
            decisions.inclusion_probability.tolist(),
            learned.error_probability,
            decisions.audit.tolist(),
            learned.answers,
            task_ids,
            strict=True,
        )
    ]


def _places_by_model(events: Sequence[Prediction]) -> dict[str, Sequence[int]]:
    """Places of each model's events, in order; most often all are of one."""
    models = {event.model for event in events}
    if len(models) == 1:
        return {models.pop(): range(len(events))}
    places: dict[str, list[int]] = defaultdict(list)
    for place, event in enumerate(events):
        places[event.model].append(place)
    return dict(places)
