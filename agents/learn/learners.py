"""The learners of all models that a worker learns, and which of their models are published, and when."""

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
"""A model without a correction for so long is silent: its version stays in charge, although nobody learns for it."""
IN_CHARGE_PER_PLACE_MAX: Final = 2
"""Learned versions in charge for each place, those of silent models included: every INTAKE holds all of them. Beyond it
the version of the silent model that lost its place first is withdrawn."""


class Learners:
    """One ``Learner`` a model, made when the model's first correction comes.

    A new model may take another's place (``places``). What was learned of the other is then forgotten. If the other
    still has corrections, production is put in charge of it again: nobody would notice if a learned version failed. If
    it is silent (``SILENT_SECONDS``), its version stays in charge. When its corrections come again, its new learner
    takes that version over.

    A promotion or a rollback is published at once. Of refreshes the newest is published, ``publish_seconds_min`` after
    the last version at the earliest. ``clock`` gives seconds since 1970.
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
        """Models without a place whose version stays in charge, the one that lost its place first at the front."""
        self._aligned: set[str] = set()
        """Models whose learner knows which version is in charge."""

    def clear(self) -> None:
        """Forget what was learned: the log is read again from its beginning."""
        self._learners, self._pending, self._used_at, self._silent, self._aligned = {}, {}, {}, {}, set()
        CORRECTIONS_LEFT_OUT.clear()

    def learn(self, correction: Correction, outbox: Flushing | None) -> None:
        """Learn one correction, and send what follows from it; without an outbox that was sent before."""
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
        """Before its first new correction a learner takes over the version in charge, if that is not its own."""
        if learner.model in self._aligned:
            return
        self._aligned.add(learner.model)
        standing = self._publisher.standing_of(learner.model)
        if standing is not None and learner.take_over(standing):
            in_charge = standing.version if standing.is_learned else PRODUCTION
            log.info("learning goes on under what is in charge", model=learner.model, in_charge=in_charge)

    def _learner(self, model: str, at: int, outbox: Flushing | None) -> Learner:
        """The model's learner, made where there is none; from now on it was used last ``at`` (epoch milliseconds)."""
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
        """Forget what was learned of a model that loses its place ``at`` (epoch milliseconds)."""
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
        """Keep or withdraw the version in charge of a model that has lost its place."""
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
        """Publish the refreshes and candidates that are due."""
        for model, learner in self._learners.items():
            for reason, count in learner.left_out.items():
                CORRECTIONS_LEFT_OUT.set(count, model, reason)
        for model, change in list(self._pending.items()):
            if self._is_due(manifest_key(model, STACK)):
                self._publish(model, change, outbox)
        for learner in self._learners.values():
            is_known = learner.model in self._aligned  # after a restart a learner first learns again what was committed
            if is_known and learner.serving is None and self._candidate_is_due(learner):
                self._publish_candidate(learner, outbox)

    def _is_due(self, key: str) -> bool:
        return self._clock() - self._published_at.get(key, 0.0) >= self._publish_seconds_min

    def _candidate_is_due(self, learner: Learner) -> bool:
        news = learner.corrections - self._publisher.candidate_corrections(learner.model)
        every = self._settings_of(learner.model).candidate_corrections
        return news >= every and self._is_due(manifest_key(learner.model, CANDIDATE))

    def _publish_candidate(self, learner: Learner, outbox: Flushing) -> None:
        """Publish what would be in charge if the gate let it pass: triage asks it where errors are likely."""
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
        """Publish what is in charge now; if it is learned, the candidate for its place ends."""
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
