"""corrections → gate steps and signed snapshots of what may serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog

from agents.metrics import CORRECTIONS_LEARNED
from learning.learner import Change, Learner
from learning.settings import LearnSettings
from learning.signing import SigningKey
from learning.snapshot import Lineage, SnapshotRefused, chunk_key, pack
from schemas.codec import MalformedError, decode
from schemas.correction import Correction
from schemas.gate_step import GateStep
from schemas.topics import GATES, MODEL_CHUNKS, MODELS, REJECTS
from streams.batches import Place
from streams.outbox import Outbox
from streams.records import Record
from streams.rejects import reject_of

__all__ = ["Learn"]

log = structlog.get_logger(__name__)

STACK_RECIPE = "stack"
PRODUCTION_RECIPE = "production"


class Learn:
    """One learner a model. ``handle`` is called by one thread.

    A refresh is published ``publish_seconds_min`` after the last version at the earliest, the newest one then; what
    puts another kind of model in charge is published at once.
    The state of a learner is what the log of corrections says: after an assignment the log is read again from its
    beginning (30 days), and what had been committed is learned again without being told again.
    """

    def __init__(
        self,
        settings: LearnSettings,
        prefix: str,
        key: SigningKey,
        *,
        publish_seconds_min: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._publish_seconds_min = publish_seconds_min
        self._prefix = prefix
        self._key = key
        self._clock = clock
        self._learners: dict[str, Learner] = {}
        self._chunks: dict[str, tuple[str, int]] = {}
        self._pending: dict[str, Change] = {}
        self._published_at: dict[str, float] = {}
        self._committed: dict[int, int] = {}

    def assigned(self, places: list[Place]) -> dict[tuple[str, int], int]:
        """Start anew and read from the beginning."""
        self._learners, self._pending = {}, {}
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
            if self._clock() - self._published_at.get(model, 0.0) >= self._publish_seconds_min:
                self._publish(model, change, outbox)

    def _learn(self, correction: Correction, outbox: Outbox | None) -> None:
        learner = self._learners.get(correction.model)
        if learner is None:
            learner = self._learners[correction.model] = Learner(correction.model, self._settings)
        events = learner.learn(correction)
        if outbox is None:
            for event in events:
                if isinstance(event, Change):
                    self._chunks[correction.model] = (event.version, 0)
            return
        CORRECTIONS_LEARNED.labels(correction.model).inc()
        for event in events:
            if isinstance(event, GateStep):
                outbox.send(GATES, event.model, event)
            elif event.decision == "refreshed":
                self._pending[correction.model] = event
            else:
                self._publish(correction.model, event, outbox)

    def _publish(self, model: str, change: Change, outbox: Outbox) -> None:
        """Chunks first, then the manifest that names them, then the end of the chunks it replaces."""
        self._pending.pop(model, None)
        self._published_at[model] = self._clock()
        recipe = PRODUCTION_RECIPE if change.serving is None else STACK_RECIPE
        lineage = Lineage(
            model=model,
            version=change.version,
            recipe=recipe,
            created_at=int(self._clock() * 1000),
            parent=change.parent,
            lineage=change.lineage,
            corrections=change.corrections,
            reason=f"{change.decision}: {change.reason}",
        )
        try:
            snapshot = pack(change.serving, lineage, self._key, self._settings.snapshot_bytes_max)
        except SnapshotRefused as error:
            log.error("snapshot not published", model=model, version=change.version, why=str(error))
            return
        for key, chunk in snapshot.chunks.items():
            outbox.send(MODEL_CHUNKS, key, chunk)
        outbox.flush()
        outbox.send(MODELS, model, snapshot.manifest)
        outbox.flush()
        for number in range(self._chunks.get(model, ("", 0))[1]):
            outbox.send(MODEL_CHUNKS, chunk_key(model, self._chunks[model][0], number), None)
        self._chunks[model] = (change.version, len(snapshot.chunks))
        log.info("model published", model=model, version=change.version, decision=change.decision)
