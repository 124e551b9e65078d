"""INTAKE's Judge as a worker that can die, and the log that its successors go on from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.intake.judge import Judge, JudgeSettings
from agents.intake.triage_log import StoredStates, state_key
from agents.shared.model_places import ModelPlaces
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from review.triage.triage import CarriedState
from schemas.codec import encode
from schemas.columns.prediction_columns import PredictionColumns
from schemas.topics import TRIAGE_STATE, VERDICTS
from schemas.wire.prediction import Prediction
from schemas.wire.triage_state import TriageState
from schemas.wire.verdict import Verdict
from streams.predictions.parts import Part
from tests.support.plain_record import CollectingOutbox

TRIAGE = TriageSettings(budget=0.1, audit_rate=0.02, recent_scores_max=500, warmup_events=250, threshold_events=100)
EVENTS = 4_000
BEGIN_MS = 1_772_000_000_000


def predictions(begin: int, end: int, model: str = "m") -> list[Prediction]:
    """Confidences that fall over time, so that a threshold has to follow."""
    draws = np.random.default_rng(3).random(EVENTS * 2)
    return [
        Prediction(
            event_id=f"{model}-{number}",
            model=model,
            time=BEGIN_MS + number,
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
        self.ended: dict[str, bytes] = {}
        self.sizes: list[int] = []

    def commit(self, outbox: CollectingOutbox) -> None:
        size = 0
        for record in outbox.of(TRIAGE_STATE):
            assert isinstance(record, TriageState)
            size += len(encode(record))
        for name, key, record in outbox.sent:
            if name == TRIAGE_STATE.name:
                before = self.newest.pop(str(key), None)
                if record is None and before is not None:
                    self.ended[str(key)] = before
            if name == TRIAGE_STATE.name and isinstance(record, TriageState):
                assert key == state_key(record)
                self.newest[key] = encode(record)
        self.sizes.append(size)

    def states(self) -> StoredStates:
        """The states on the log before compaction: ended ones are there too, followed by their tombstones."""
        states = StoredStates()
        for key, data in self.ended.items():
            states.hear(data)
            states.hear(None, key.encode())
        for data in self.newest.values():
            states.hear(data)
        return states


class Worker:
    """INTAKE's Judge with its log; it owns some of four partitions."""

    def __init__(
        self, log: Log, slot: str = "0", triage: TriageSettings = TRIAGE, places: ModelPlaces | None = None
    ) -> None:
        self.log, self.slot, self.triage = log, slot, triage
        self.judge = Judge(
            JudgeSettings(
                triage=lambda model: triage, labels=lambda model: (), drift=DriftSettings(), queue=QueueSettings()
            ),
            reference_of=lambda model: None,
            serving_of=lambda model: None,
            places=places,
        )

    def assign(self, partitions: Sequence[int]) -> Worker:
        states, settings_of = self.log.states(), lambda model: self.triage
        self.judge.states.carry(
            self.slot,
            partitions,
            states.inherited(partitions, settings_of),
            states.claims(self.slot, partitions, settings_of),
        )
        return self

    def carried(self, model: str) -> CarriedState:
        """The state from which a model goes on; it is not used yet."""
        state = self.judge.states._known[model]
        assert isinstance(state, CarriedState)
        return state

    def handle(self, events: Sequence[Prediction], *, commit: bool = True) -> list[Verdict]:
        outbox = CollectingOutbox()
        self.judge.states.begin()
        zeros = np.zeros(len(events), np.int64)
        columns = PredictionColumns.of(events)
        if events:
            self.judge.judge([Part(columns, zeros, np.arange(len(events)), zeros)], 1_000, outbox)
        self.judge.states.save(outbox)
        if commit:
            self.judge.states.committed()
            self.log.commit(outbox)
        return [verdict for verdict in outbox.of(VERDICTS) if isinstance(verdict, Verdict)]
