"""What LEARN does with a correction, whatever it came by: gate steps, and what is published and when."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import structlog

from agents.metrics import CORRECTIONS_LEARNED, CORRECTIONS_LEFT_OUT
from agents.model_places import ModelPlaces
from agents.snapshots import Flushing, Publisher
from learning.learner import Change, Learner
from learning.settings import LearnSettings
from learning.snapshot import Lineage
from schemas.correction import Correction
from schemas.gate_step import GateStep
from schemas.manifest import CANDIDATE, PRODUCTION, STACK, manifest_key
from schemas.topics import GATES

__all__ = ["Learners"]

log = structlog.get_logger(__name__)

NOT_LEARNED = "over: other models took the places (worker.models_max)"


class Learners:
    """One learner a model, and what is in charge of each.

    Where a new model takes another's place (``places``), production is in charge of the other again, which begins anew
    when corrections of it come.

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
        learner = self._learner(correction.model, outbox)
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

    def _learner(self, model: str, outbox: Flushing | None) -> Learner:
        """The model's own, which is the last one used now."""
        learner = self._learners.pop(model, None)
        if learner is None:
            leaver = self._places.leaver(model, self._learners, lambda name: self._learners[name].serving is not None)
            if leaver is not None:
                self._leave(self._learners.pop(leaver), outbox)
            learner = Learner(model, self._settings_of(model))
        self._learners[model] = learner
        return learner

    def _leave(self, learner: Learner, outbox: Flushing | None) -> None:
        """Forget what was learned of a model; nothing that nobody looks after any more stays in charge."""
        model = learner.model
        self._pending.pop(model, None)
        with contextlib.suppress(KeyError):
            CORRECTIONS_LEARNED.remove(model)
        for reason in learner.left_out:
            with contextlib.suppress(KeyError):
                CORRECTIONS_LEFT_OUT.remove(model, reason)
        if outbox is not None:
            self._publisher.end_candidate(model, outbox)
            self._publisher.end_serving(model, NOT_LEARNED, outbox)
            log.warning(
                "corrections are not learned any more: other models came", model=model, limit="worker.models_max"
            )

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
