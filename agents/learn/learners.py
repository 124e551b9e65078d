"""What LEARN does with a correction, whatever it came by: gate steps, and what is published and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from agents.learn.snapshot_publisher import Flushing, Publisher
from agents.shared.metrics import CORRECTIONS_LEARNED, CORRECTIONS_LEFT_OUT
from agents.shared.model_places import ModelPlaces
from learning.learner import Change, Learner
from learning.settings import LearnSettings
from learning.snapshots.snapshot import Lineage
from schemas.topics import GATES
from schemas.wire.correction import Correction
from schemas.wire.gate_step import GateStep
from schemas.wire.manifest import CANDIDATE, PRODUCTION, STACK, manifest_key

__all__ = ["Learners"]

log = structlog.get_logger(__name__)

NOT_LEARNED = "over: other models took the places (worker.models_max)"
FORGOTTEN: Final = "what was learned of a model is forgotten: others came"
LIMIT: Final = "worker.models_max"
SILENT_SECONDS: Final = 86_400
"""A model without a correction for so long is silent: what is in charge of it stays, although nobody learns of it."""
IN_CHARGE_PER_PLACE_MAX: Final = 2
"""Learned versions in charge, those of silent models among them, for each place: every INTAKE holds all of them. Beyond
it that of the model goes that lost its place longest ago."""


class Learners:
    """One learner a model, and what is in charge of each.

    Where a new model takes another's place (``places``), what was learned of the other is forgotten. Of one that still
    has corrections production is in charge again: nobody would see what is in charge fail. Of one that has fallen
    silent (``SILENT_SECONDS``) what is in charge stays. When corrections come again, whoever learns them takes it over.

    A refresh is published ``publish_seconds_min`` after the last version at the earliest, the newest one then; what
    puts another kind of model in charge is published at once.
    """

    def __init__(
        self,
        settings_of: Callable[[str], LearnSettings],
        publisher: Publisher,
        *,
        publish_seconds_min: float,
        places: ModelPlaces | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._places = places or ModelPlaces()
        self._in_charge_max = IN_CHARGE_PER_PLACE_MAX * self._places.models_max
        self._settings_of = settings_of
        self._publisher = publisher
        self._publish_seconds_min = publish_seconds_min
        self._clock = clock
        self._learners: dict[str, Learner] = {}
        self._pending: dict[str, Change] = {}
        self._published_at: dict[str, float] = {}
        self._used_at: dict[str, int] = {}
        self._silent: dict[str, None] = {}
        """Who lost its place and has a version in charge, the first to do so first."""
        self._aligned: set[str] = set()
        """Whose learner knows what is in charge."""

    def clear(self) -> None:
        """Forget what was learned: the log is read again from its beginning."""
        self._learners, self._pending, self._used_at, self._silent, self._aligned = {}, {}, {}, {}, set()
        CORRECTIONS_LEFT_OUT.clear()

    def learn(self, correction: Correction, outbox: Flushing | None) -> None:
        """Learn one correction; without an outbox what follows from it was told before."""
        learner = self._learner(correction.model, correction.created_at, outbox)
        if outbox is not None:
            self._align(learner)
        events = learner.learn(correction)
        if outbox is None:
            return
        CORRECTIONS_LEARNED.inc(correction.model)
        for event in events:
            if isinstance(event, GateStep):
                outbox.send(GATES, event.model, event)
            elif event.decision == "refreshed":
                self._pending[correction.model] = event
            else:
                self._publish(correction.model, event, outbox)

    def _align(self, learner: Learner) -> None:
        """With the first new correction a learner takes over what is in charge, if it has not put that there itself."""
        if learner.model in self._aligned:
            return
        self._aligned.add(learner.model)
        standing = self._publisher.standing_of(learner.model)
        if standing is not None and learner.take_over(standing):
            in_charge = standing.version if standing.is_learned else PRODUCTION
            log.info("learning goes on under what is in charge", model=learner.model, in_charge=in_charge)

    def _learner(self, model: str, at: int, outbox: Flushing | None) -> Learner:
        """The model's learner, made where there is none; it was used last ``at`` this time, in epoch milliseconds."""
        learner = self._learners.pop(model, None)
        if learner is None:
            leaver = self._places.leaver(model, self._learners, lambda name: self._learners[name].serving is not None)
            if leaver is not None:
                self._leave(self._learners.pop(leaver), at, outbox)
            learner = Learner(model, self._settings_of(model))
        self._silent.pop(model, None)
        self._learners[model] = learner
        self._used_at[model] = at
        return learner

    def _leave(self, learner: Learner, at: int, outbox: Flushing | None) -> None:
        """Forget what was learned of a model, at epoch milliseconds."""
        model = learner.model
        silent_ms = at - self._used_at.pop(model)
        self._pending.pop(model, None)
        self._aligned.discard(model)
        CORRECTIONS_LEARNED.forget(model)
        CORRECTIONS_LEFT_OUT.forget(model)
        for key in (manifest_key(model, STACK), manifest_key(model, CANDIDATE)):
            self._published_at.pop(key, None)
        self._let_go(model, outbox, is_silent=silent_ms >= SILENT_SECONDS * 1000)

    def _let_go(self, model: str, outbox: Flushing | None, *, is_silent: bool) -> None:
        """What becomes of what is in charge of a model that has lost its place."""
        standing = self._publisher.standing_of(model)
        is_learned = standing is not None and standing.is_learned
        if is_learned and is_silent:
            self._silent[model] = None
        if outbox is None:
            return
        self._publisher.end_candidate(model, outbox)
        if is_learned and is_silent:
            log.warning(f"{FORGOTTEN}, its version stays in charge", model=model, limit=LIMIT)
            while self._silent and self._publisher.learned_in_charge() > self._in_charge_max:
                self._withdraw(next(iter(self._silent)), outbox)
        elif is_learned:
            self._withdraw(model, outbox)

    def _withdraw(self, model: str, outbox: Flushing) -> None:
        self._silent.pop(model, None)
        self._publisher.end_serving(model, NOT_LEARNED, outbox)
        log.warning(f"{FORGOTTEN}, production is in charge of it", model=model, limit=LIMIT)

    def publish_due(self, outbox: Flushing) -> None:
        """Publish the refreshes and candidates whose time has come."""
        for model, learner in self._learners.items():
            for reason, count in learner.left_out.items():
                CORRECTIONS_LEFT_OUT.set(count, model, reason)
        for model, change in list(self._pending.items()):
            if self._is_due(manifest_key(model, STACK)):
                self._publish(model, change, outbox)
        for learner in self._learners.values():
            is_known = learner.model in self._aligned  # else, after a restart, it is still being learned again
            if is_known and learner.serving is None and self._candidate_is_due(learner):
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
