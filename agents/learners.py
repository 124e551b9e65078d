"""What LEARN does with a correction, whatever it came by: gate steps, and what is published and when."""

from __future__ import annotations

import time
from collections.abc import Callable

from agents.metrics import CORRECTIONS_LEARNED, CORRECTIONS_LEFT_OUT
from agents.snapshots import Flushing, Publisher
from learning.learner import Change, Learner
from learning.settings import LearnSettings
from learning.snapshot import Lineage
from schemas.correction import Correction
from schemas.gate_step import GateStep
from schemas.manifest import CANDIDATE, PRODUCTION, STACK, manifest_key
from schemas.topics import GATES

__all__ = ["Learners"]


class Learners:
    """One learner a model, and what is in charge of each.

    A refresh is published ``publish_seconds_min`` after the last version at the earliest, the newest one then; what
    puts another kind of model in charge is published at once.
    """

    def __init__(
        self,
        settings_of: Callable[[str], LearnSettings],
        publisher: Publisher,
        *,
        publish_seconds_min: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings_of = settings_of
        self._publisher = publisher
        self._publish_seconds_min = publish_seconds_min
        self._clock = clock
        self._learners: dict[str, Learner] = {}
        self._pending: dict[str, Change] = {}
        self._published_at: dict[str, float] = {}

    def clear(self) -> None:
        """Forget what was learned: the log is read again from its beginning."""
        self._learners, self._pending = {}, {}

    def learn(self, correction: Correction, outbox: Flushing | None) -> None:
        """Learn one correction; without an outbox what follows from it was told before."""
        learner = self._learners.get(correction.model)
        if learner is None:
            learner = self._learners[correction.model] = Learner(correction.model, self._settings_of(correction.model))
        events = learner.learn(correction)
        if outbox is None:
            return
        CORRECTIONS_LEARNED.labels(correction.model).inc()
        for event in events:
            if isinstance(event, GateStep):
                outbox.send(GATES, event.model, event)
            elif event.decision == "refreshed":
                self._pending[correction.model] = event
            else:
                self._publish(correction.model, event, outbox)

    def publish_due(self, outbox: Flushing) -> None:
        """Publish the refreshes and candidates whose time has come."""
        for model, learner in self._learners.items():
            for reason, count in learner.left_out.items():
                CORRECTIONS_LEFT_OUT.labels(model, reason).set(count)
        for model, change in list(self._pending.items()):
            if self._is_due(manifest_key(model, STACK)):
                self._publish(model, change, outbox)
        for learner in self._learners.values():
            if learner.serving is None and self._candidate_is_due(learner):
                self._publish_candidate(learner, outbox)

    def _is_due(self, key: str) -> bool:
        return self._clock() - self._published_at.get(key, 0.0) >= self._publish_seconds_min

    def _candidate_is_due(self, learner: Learner) -> bool:
        news = learner.corrections - self._publisher.candidate_corrections(learner.model)
        every = self._settings_of(learner.model).candidate_corrections
        return news >= every and self._is_due(manifest_key(learner.model, CANDIDATE))

    def _publish_candidate(self, learner: Learner, outbox: Flushing) -> None:
        """What would be in charge if the gate let it: triage asks it where errors are likely."""
        lineage = Lineage(
            model=learner.model,
            version=f"{learner.model}-candidate-{learner.corrections}",
            recipe=CANDIDATE,
            created_at=int(self._clock() * 1000),
            parent=learner.version,
            corrections=learner.corrections,
            reason="for triage only",
        )
        self._published_at[manifest_key(learner.model, CANDIDATE)] = self._clock()
        self._publisher.publish(learner.candidate(), lineage, outbox)

    def _publish(self, model: str, change: Change, outbox: Flushing) -> None:
        """What is in charge now; a candidate for its place is over."""
        self._pending.pop(model, None)
        lineage = Lineage(
            model=model,
            version=change.version,
            recipe=PRODUCTION if change.serving is None else STACK,
            created_at=int(self._clock() * 1000),
            parent=change.parent,
            lineage=change.lineage,
            corrections=change.corrections,
            reason=f"{change.decision}: {change.reason}",
        )
        self._published_at[manifest_key(model, lineage.recipe)] = self._clock()
        self._publisher.publish(change.serving, lineage, outbox)
        if change.serving is not None:
            self._publisher.end_candidate(model, outbox)
