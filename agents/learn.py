"""corrections → gate steps and signed snapshots of what may serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog

from agents.metrics import CORRECTIONS_LEARNED
from learning.learner import Change, Learner
from learning.serving import ServingModel
from learning.settings import LearnSettings
from learning.signing import SigningKey
from learning.snapshot import Lineage, SnapshotRefused, chunk_keys, pack
from schemas.codec import MalformedError, decode
from schemas.correction import Correction
from schemas.gate_step import GateStep
from schemas.manifest import CANDIDATE, PRODUCTION, STACK, Manifest, manifest_key
from schemas.topics import GATES, MODEL_CHUNKS, MODELS, REJECTS
from streams.batches import Place
from streams.outbox import Outbox
from streams.records import Record
from streams.rejects import reject_of

__all__ = ["Learn"]

log = structlog.get_logger(__name__)


class Learn:
    """One learner a model. ``handle`` is called by one thread.

    ``load`` says which manifests the log holds, by key: their chunks end when others replace them. A refresh is
    published ``publish_seconds_min`` after the last version at the earliest, the newest one then; what puts another
    kind of model in charge is published at once.

    The state of a learner is what the log of corrections says: after an assignment the log is read again from its
    beginning (30 days), and what had been committed is learned again without being told again.
    """

    def __init__(
        self,
        settings_of: Callable[[str], LearnSettings],
        prefix: str,
        key: SigningKey,
        *,
        load: Callable[[], dict[str, Manifest]],
        publish_seconds_min: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings_of = settings_of
        self._load = load
        self._publish_seconds_min = publish_seconds_min
        self._prefix = prefix
        self._key = key
        self._clock = clock
        self._learners: dict[str, Learner] = {}
        self._published: dict[str, Manifest] = {}
        self._pending: dict[str, Change] = {}
        self._published_at: dict[str, float] = {}
        self._committed: dict[int, int] = {}

    def assigned(self, places: list[Place]) -> dict[tuple[str, int], int]:
        """Start anew and read from the beginning."""
        self._learners, self._pending = {}, {}
        self._published = self._load()
        self._committed = {place.partition: place.committed or 0 for place in places}
        return {(place.topic, place.partition): 0 for place in places}

    def handle(self, records: Sequence[Record], outbox: Outbox) -> None:
        """One batch, possibly empty."""
        for record in records:
            is_new = record.offset() >= self._committed.get(record.partition(), 0)
            try:
                correction = decode(Correction, record.value() or b"")
            except MalformedError as error:
                if is_new:
                    now_ms = int(self._clock() * 1000)
                    reject = reject_of(
                        record, self._prefix, role="learn", reason=error.reason, field=error.field, now_ms=now_ms
                    )
                    outbox.send(REJECTS, record.key() or b"", reject)
                continue
            self._learn(correction, outbox if is_new else None)
        for model, change in list(self._pending.items()):
            if self._is_due(manifest_key(model, STACK)):
                self._publish(model, change, outbox)
        for learner in self._learners.values():
            if learner.serving is None and self._candidate_is_due(learner):
                self._publish_candidate(learner, outbox)

    def _learn(self, correction: Correction, outbox: Outbox | None) -> None:
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

    def _is_due(self, key: str) -> bool:
        return self._clock() - self._published_at.get(key, 0.0) >= self._publish_seconds_min

    def _candidate_is_due(self, learner: Learner) -> bool:
        key = manifest_key(learner.model, CANDIDATE)
        before = self._published.get(key)
        news = learner.corrections - (before.corrections if before else 0)
        return news >= self._settings_of(learner.model).candidate_corrections and self._is_due(key)

    def _publish_candidate(self, learner: Learner, outbox: Outbox) -> None:
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
        self._send(learner.candidate(), lineage, outbox)

    def _publish(self, model: str, change: Change, outbox: Outbox) -> None:
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
        self._send(change.serving, lineage, outbox)
        candidate = self._published.pop(manifest_key(model, CANDIDATE), None)
        if candidate is not None and change.serving is not None:
            outbox.send(MODELS, manifest_key(model, CANDIDATE), None)
            self._end_chunks(candidate, outbox)
        log.info("model published", model=model, version=change.version, decision=change.decision)

    def _send(self, value: ServingModel | None, lineage: Lineage, outbox: Outbox) -> None:
        """Chunks first, then the manifest that names them, then the end of the chunks it replaces."""
        key = manifest_key(lineage.model, lineage.recipe)
        self._published_at[key] = self._clock()
        try:
            snapshot = pack(value, lineage, self._key, self._settings_of(lineage.model).snapshot_bytes_max)
        except SnapshotRefused as error:
            log.error("snapshot not published", model=lineage.model, version=lineage.version, why=str(error))
            return
        for chunk_key, chunk in snapshot.chunks.items():
            outbox.send(MODEL_CHUNKS, chunk_key, chunk)
        outbox.flush()
        outbox.send(MODELS, key, snapshot.manifest)
        outbox.flush()
        before, self._published[key] = self._published.get(key), snapshot.manifest
        if before is not None and before.version != lineage.version:
            self._end_chunks(before, outbox)

    @staticmethod
    def _end_chunks(manifest: Manifest, outbox: Outbox) -> None:
        for chunk_key in chunk_keys(manifest):
            outbox.send(MODEL_CHUNKS, chunk_key, None)
