"""INTAKE's Judge as a worker that can die, and the log that its successors go on from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from plain_record import CollectingOutbox

from agents.judge import Judge, JudgeSettings
from agents.triage_log import StoredStates, state_key
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from schemas.codec import encode
from schemas.prediction import Prediction
from schemas.prediction_columns import PredictionColumns
from schemas.topics import TRIAGE_STATE, VERDICTS
from schemas.triage_state import TriageState
from schemas.verdict import Verdict
from streams.predictions.prediction_reader import Part

TRIAGE = TriageSettings(budget=0.1, audit_rate=0.02, recent_scores_max=500, warmup_events=250, threshold_events=100)
EVENTS = 4_000


def predictions(begin: int, end: int, model: str = "m") -> list[Prediction]:
    """Confidences that fall over time, so that a threshold has to follow."""
    draws = np.random.default_rng(3).random(EVENTS * 2)
    return [
        Prediction(
            event_id=f"{model}-{number}",
            model=model,
            time=number + 1,
            features={"x": number},
            prediction="yes" if number % 3 else "no",
            confidence=float(max(0.5, 1.0 - draws[number] * (0.1 + number / EVENTS / 2.5))),
        )
        for number in range(begin, end)
    ]


class Log:
    """The committed records of triage.state: the newest of each key, in the order of the log."""

    def __init__(self) -> None:
        self.newest: dict[str, bytes] = {}
        self.sizes: list[int] = []

    def commit(self, outbox: CollectingOutbox) -> None:
        size = 0
        for record in outbox.of(TRIAGE_STATE):
            assert isinstance(record, TriageState)
            key, data = state_key(record), encode(record)
            self.newest.pop(key, None)
            self.newest[key] = data
            size += len(data)
        self.sizes.append(size)

    def states(self) -> StoredStates:
        states = StoredStates()
        for data in self.newest.values():
            states.hear(data)
        return states


class Worker:
    """INTAKE's Judge with its log; what it owns are partitions of four."""

    def __init__(self, log: Log, slot: str = "0", triage: TriageSettings = TRIAGE) -> None:
        self.log, self.slot, self.triage = log, slot, triage
        self.judge = Judge(
            JudgeSettings(
                triage=lambda model: triage, labels=lambda model: (), drift=DriftSettings(), queue=QueueSettings()
            ),
            reference_of=lambda model: None,
            serving_of=lambda model: None,
        )

    def assign(self, partitions: Sequence[int]) -> Worker:
        states, settings_of = self.log.states(), lambda model: self.triage
        self.judge.carry(
            self.slot,
            partitions,
            states.inherited(partitions, settings_of),
            states.claims(self.slot, partitions, settings_of),
        )
        return self

    def handle(self, events: Sequence[Prediction], *, commit: bool = True) -> list[Verdict]:
        outbox = CollectingOutbox()
        self.judge.begin()
        zeros = np.zeros(len(events), np.int64)
        columns = PredictionColumns.of(events)
        self.judge.judge(Part(columns, zeros, np.arange(len(events)), zeros), 1_000, outbox)
        self.judge.save(outbox)
        if commit:
            self.judge.committed()
            self.log.commit(outbox)
        return [verdict for verdict in outbox.of(VERDICTS) if isinstance(verdict, Verdict)]
