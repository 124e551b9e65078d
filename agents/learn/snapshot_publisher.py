"""What serves, as signed snapshots on the log: chunks, the manifest that names them, and the end of those before."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from learning.serving import ServingModel
from learning.settings import LearnSettings
from learning.snapshots.signing import SigningKey
from learning.snapshots.snapshot import Lineage, SnapshotRefused, Standing, chunk_keys, pack
from schemas.topics import MODEL_CHUNKS, MODELS
from schemas.wire.manifest import CANDIDATE, PRODUCTION, STACK, Manifest, manifest_key
from streams.produce.outbox import Sending

__all__ = ["Flushing", "Publisher", "SnapshotPublisher"]

log = structlog.get_logger(__name__)


class Flushing(Sending, Protocol):
    """An outbox that can wait until what it was given has arrived."""

    def flush(self) -> None:
        """Wait until all has arrived."""


class Publisher(Protocol):
    """Makes what learners decide known to INTAKE."""

    def publish(self, value: ServingModel | None, lineage: Lineage, outbox: Flushing) -> None:
        """Something else is in charge, or is the candidate; None where production is in charge."""

    def end_candidate(self, model: str, outbox: Flushing) -> None:
        """There is no candidate any more."""

    def end_serving(self, model: str, reason: str, outbox: Flushing) -> None:
        """Production is in charge again, if anything else was."""

    def candidate_corrections(self, model: str) -> int:
        """How many corrections the candidate has learned; 0 where there is none."""

    def standing_of(self, model: str) -> Standing | None:
        """What was put in charge last; None where nothing ever was."""

    def learned_in_charge(self) -> int:
        """Of how many models a learned version is in charge."""


class SnapshotPublisher:
    """Publishes on ``models`` and ``model.chunks``. ``published`` are LEARN's newest manifests, by key.

    A manifest's sequence is the time in milliseconds, or one more than that of the one before where the clock is
    behind: it goes up even where ``published`` was lost. ``topic_id`` is Kafka's id of ``models``.
    """

    def __init__(
        self,
        key: SigningKey,
        settings_of: Callable[[str], LearnSettings],
        *,
        topic_id: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._settings_of = settings_of
        self._clock = clock
        self.topic_id = topic_id
        self.published: dict[str, Manifest] = {}

    def publish(self, value: ServingModel | None, lineage: Lineage, outbox: Flushing) -> None:
        """Chunks first, then the manifest that names them, then the end of the chunks it replaces."""
        key = manifest_key(lineage.model, lineage.recipe)
        signed_for = dataclasses.replace(lineage, sequence=self._next_sequence(key), topic_id=self.topic_id)
        try:
            snapshot = pack(value, signed_for, self._key, self._settings_of(lineage.model).snapshot_bytes_max)
        except SnapshotRefused as error:
            log.error("snapshot not published", model=lineage.model, version=lineage.version, why=str(error))
            return
        for chunk_key, chunk in snapshot.chunks.items():
            outbox.send(MODEL_CHUNKS, chunk_key, chunk)
        outbox.flush()
        outbox.send(MODELS, key, snapshot.manifest)
        outbox.flush()
        before, self.published[key] = self.published.get(key), snapshot.manifest
        if before is not None and before.version != lineage.version:
            self._end_chunks(before, outbox)

    def end_candidate(self, model: str, outbox: Flushing) -> None:
        """A signed manifest that says so, then the end of its chunks."""
        self._withdraw(model, CANDIDATE, "over: withdrawn", outbox)

    def end_serving(self, model: str, reason: str, outbox: Flushing) -> None:
        """The same of what is in charge."""
        self._withdraw(model, STACK, reason, outbox)

    def _withdraw(self, model: str, recipe: str, reason: str, outbox: Flushing) -> None:
        newest = self.published.get(manifest_key(model, recipe))
        if newest is None or newest.is_without_model:
            return
        lineage = Lineage(
            model=model,
            version=newest.version,
            recipe=PRODUCTION if recipe == STACK else recipe,
            created_at=int(self._clock() * 1000),
            parent=newest.parent,
            lineage=newest.lineage,
            corrections=newest.corrections,
            reason=reason,
        )
        self.publish(None, lineage, outbox)
        self._end_chunks(newest, outbox)

    def candidate_corrections(self, model: str) -> int:
        """How many corrections the newest candidate has learned, by its manifest; 0 where there is none."""
        candidate = self.published.get(manifest_key(model, CANDIDATE))
        return 0 if candidate is None or candidate.is_without_model else candidate.corrections

    def standing_of(self, model: str) -> Standing | None:
        """What is in charge of a model, or was last, by its newest manifest; None where nothing was published."""
        newest = self.published.get(manifest_key(model, STACK))
        if newest is None:
            return None
        return Standing(newest.version, newest.lineage, is_learned=not newest.is_without_model)

    def learned_in_charge(self) -> int:
        """Of how many models a learned version is in charge, by their manifests; those of other workers count too."""
        return sum(manifest.recipe == STACK for manifest in self.published.values())

    def _next_sequence(self, key: str) -> int:
        before = self.published.get(key)
        now_ms = int(self._clock() * 1000)
        return now_ms if before is None else max(now_ms, before.sequence + 1)

    @staticmethod
    def _end_chunks(manifest: Manifest, outbox: Flushing) -> None:
        for chunk_key in chunk_keys(manifest):
            outbox.send(MODEL_CHUNKS, chunk_key, None)
