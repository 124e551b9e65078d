"""Signed snapshots on the log: the chunks of a model, the manifest that names them, and tombstones of older chunks."""

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
    """An outbox that can wait until Kafka has what it was given."""

    def flush(self) -> None:
        """Wait until Kafka has all that was sent."""


class Publisher(Protocol):
    """Makes the decisions of learners known to INTAKE."""

    def publish(self, value: ServingModel | None, lineage: Lineage, outbox: Flushing) -> None:
        """Publish a model as what its recipe says: in charge, or the candidate; None puts production in charge."""

    def end_candidate(self, model: str, outbox: Flushing) -> None:
        """Withdraw the candidate, if there is one."""

    def end_serving(self, model: str, reason: str, outbox: Flushing) -> None:
        """Put production in charge again, if a learned version was; ``reason`` goes into the manifest."""

    def candidate_corrections(self, model: str) -> int:
        """How many corrections the candidate has learned; 0 where there is none."""

    def standing_of(self, model: str) -> Standing | None:
        """The version that was put in charge last; None where none ever was."""

    def learned_in_charge(self) -> int:
        """The number of models of which a learned version is in charge."""


class SnapshotPublisher:
    """Publishes on ``models`` and ``model.chunks``. ``published`` has LEARN's newest manifests by key.

    A manifest's sequence is the time in epoch milliseconds, or one more than the sequence before if the clock is behind
    it. So it goes up even where ``published`` was lost. ``topic_id`` is Kafka's id of ``models``. ``clock`` gives
    seconds since 1970.
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
        """Send the chunks, then the manifest that names them, then tombstones of the chunks that it replaces.

        A model that is too large is not published: one line in the log says so.
        """
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
        """Send a signed manifest without a model, then tombstones of the candidate's chunks."""
        self._withdraw(model, CANDIDATE, "over: withdrawn", outbox)

    def end_serving(self, model: str, reason: str, outbox: Flushing) -> None:
        """Send a signed manifest that puts production in charge, then tombstones of the version's chunks."""
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
        """How many corrections the candidate has learned, by its manifest; 0 where there is none."""
        candidate = self.published.get(manifest_key(model, CANDIDATE))
        return 0 if candidate is None or candidate.is_without_model else candidate.corrections

    def standing_of(self, model: str) -> Standing | None:
        """The version that was put in charge last, by its manifest; None where none ever was."""
        newest = self.published.get(manifest_key(model, STACK))
        if newest is None:
            return None
        return Standing(newest.version, newest.lineage, is_learned=not newest.is_without_model)

    def learned_in_charge(self) -> int:
        """The number of models of which a learned version is in charge, models of other workers included."""
        return sum(manifest.recipe == STACK for manifest in self.published.values())

    def _next_sequence(self, key: str) -> int:
        before = self.published.get(key)
        now_ms = int(self._clock() * 1000)
        return now_ms if before is None else max(now_ms, before.sequence + 1)

    @staticmethod
    def _end_chunks(manifest: Manifest, outbox: Flushing) -> None:
        for chunk_key in chunk_keys(manifest):
            outbox.send(MODEL_CHUNKS, chunk_key, None)
