"""What serves, as signed snapshots on the log: chunks, the manifest that names them, and the end of those before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from learning.serving import ServingModel
from learning.settings import LearnSettings
from learning.signing import SigningKey
from learning.snapshot import Lineage, SnapshotRefused, chunk_keys, pack
from schemas.manifest import CANDIDATE, Manifest, manifest_key
from schemas.topics import MODEL_CHUNKS, MODELS
from streams.outbox import Sending

__all__ = ["Flushing", "Publisher", "Snapshots"]

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

    def candidate_corrections(self, model: str) -> int:
        """How many corrections the candidate has learned; 0 where there is none."""


class Snapshots:
    """Publishes on ``models`` and ``model.chunks``. ``published`` are the manifests that the log holds, by key."""

    def __init__(self, key: SigningKey, settings_of: Callable[[str], LearnSettings]) -> None:
        self._key = key
        self._settings_of = settings_of
        self.published: dict[str, Manifest] = {}

    def publish(self, value: ServingModel | None, lineage: Lineage, outbox: Flushing) -> None:
        """Chunks first, then the manifest that names them, then the end of the chunks it replaces."""
        key = manifest_key(lineage.model, lineage.recipe)
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
        before, self.published[key] = self.published.get(key), snapshot.manifest
        if before is not None and before.version != lineage.version:
            self._end_chunks(before, outbox)

    def end_candidate(self, model: str, outbox: Flushing) -> None:
        """A tombstone, then the end of its chunks."""
        candidate = self.published.pop(manifest_key(model, CANDIDATE), None)
        if candidate is not None:
            outbox.send(MODELS, manifest_key(model, CANDIDATE), None)
            self._end_chunks(candidate, outbox)

    def candidate_corrections(self, model: str) -> int:
        """As its manifest says."""
        candidate = self.published.get(manifest_key(model, CANDIDATE))
        return 0 if candidate is None else candidate.corrections

    @staticmethod
    def _end_chunks(manifest: Manifest, outbox: Flushing) -> None:
        for chunk_key in chunk_keys(manifest):
            outbox.send(MODEL_CHUNKS, chunk_key, None)
