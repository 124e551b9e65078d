"""What INTAKE reads of other roles' work: references, learned models, and settled answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import structlog

from agents.shared.log_values import key_text, read
from agents.shared.model_places import RESULTS_MAX, ModelPlaces
from agents.shared.seen_models import SeenModels
from learning.snapshots.snapshot import SnapshotRefused, chunk_keys, unpack, verified
from review.triage.decided_before import DecidedBefore
from schemas.codec import decode
from schemas.json_text.errors import MalformedError
from schemas.topics import CORRECTIONS, MODEL_CHUNKS, MODELS, REFERENCES
from schemas.wire.correction import Correction
from schemas.wire.manifest import CANDIDATE, Manifest, manifest_key
from schemas.wire.reference import Reference
from streams.consume.log_reader import LogReader
from streams.records import Record
from streams.settings import KafkaSettings

if TYPE_CHECKING:
    from learning.serving import ServingModel

__all__ = ["Catalogue"]

log = structlog.get_logger(__name__)


class Catalogue:
    """References, verified learned models and settled answers by model, as the log has them.

    ``known`` decides which manifests are taken. Chunks that wait for their manifest have at most ``snapshot_bytes_max``
    bytes together; beyond it the oldest are dropped, and their snapshot is never whole. ``decided`` makes the memory of
    a model's settled answers, or returns None where they are not used again; without ``decided`` corrections are not
    read. References and settled answers are kept of the ``configured`` models and of ``RESULTS_MAX`` others.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        known: SeenModels,
        snapshot_bytes_max: int,
        decided: Callable[[str], DecidedBefore | None] | None = None,
        configured: Collection[str] = frozenset(),
    ) -> None:
        self._kept = ModelPlaces(RESULTS_MAX, configured)
        self._known = known
        self._decided = decided
        self._decided_of: dict[str, DecidedBefore | None] = {}
        self._snapshot_bytes_max = snapshot_bytes_max
        self._references: dict[str, Reference] = {}
        self._models: dict[str, ServingModel] = {}
        # Not a cache of cachetools: chunks that a tombstone has ended are dropped first.
        self._chunks: dict[str, bytes] = {}
        self._ended: set[str] = set()
        self._waiting: dict[str, Manifest] = {}
        topics = {REFERENCES.name: self._hear_reference, MODEL_CHUNKS.name: self._hear_chunk, MODELS.name: self._hear}
        if decided is not None:
            topics[CORRECTIONS.name] = self._hear_correction
        self._reader = LogReader(kafka, topics)

    def reference_of(self, model: str) -> Reference | None:
        """The newest reference of a model, with the edges of its histograms; None before the first."""
        return self._references.get(model)

    def serving_of(self, model: str) -> ServingModel | None:
        """The learned model in charge; None where production is."""
        return self._models.get(model)

    def candidate_of(self, model: str) -> ServingModel | None:
        """The learned model that wants to be in charge; None where there is none."""
        return self._models.get(manifest_key(model, CANDIDATE))

    def decided_of(self, model: str) -> DecidedBefore | None:
        """The settled answers that answer the model's questions again; None where there are none."""
        return self._decided_of.get(model)

    def catch_up(self) -> None:
        """Read the log up to its end; from then on refused older manifests are logged. Raises KafkaUnreachable."""
        self._reader.catch_up()
        self._known.caught_up()

    def run(self, stop: threading.Event) -> None:
        """Go on listening until ``stop`` is set."""
        self._reader.run(stop)

    def _hear_reference(self, record: Record) -> None:
        reference = read(Reference, record.value())
        if reference is not None:
            self._kept.keep(self._references, reference.model, reference)

    def _hear_correction(self, record: Record) -> None:
        correction = read(Correction, record.value() or b"")
        if correction is None:
            return
        assert self._decided is not None
        if correction.model not in self._decided_of:
            self._kept.keep(self._decided_of, correction.model, self._decided(correction.model))
        decided = self._decided_of[correction.model]
        if decided is not None:
            decided.hear(correction)

    def _hear_chunk(self, record: Record) -> None:
        key, value = key_text(record.key()), record.value()
        if value is None:  # anybody may write one: the bytes stay until a newer manifest is taken, or room is short
            if key in self._chunks:
                self._ended.add(key)
            return
        self._chunks.pop(key, None)
        self._ended.discard(key)
        self._chunks[key] = value
        while sum(map(len, self._chunks.values())) > self._snapshot_bytes_max and len(self._chunks) > 1:
            self._drop(next((held for held in self._chunks if held in self._ended), next(iter(self._chunks))))
        for manifest in list(self._waiting.values()):
            self._take_if_whole(manifest)

    def _drop(self, key: str) -> None:
        self._chunks.pop(key, None)
        self._ended.discard(key)

    def _hear(self, record: Record) -> None:
        key, value = key_text(record.key()), record.value()
        try:
            if value is None:
                raise SnapshotRefused("a tombstone ends no model: a withdrawal is a signed manifest")
            manifest = decode(Manifest, value)
            if not self._known.take(key, manifest):
                return
            self._waiting.pop(key, None)
            verified(manifest, self._known.keyring(), self._snapshot_bytes_max)
        except (SnapshotRefused, MalformedError) as error:
            self._known.refuse(key, str(error))
            return
        self._waiting[key] = manifest
        self._take_if_whole(manifest)

    def _take_if_whole(self, manifest: Manifest) -> None:
        keys = chunk_keys(manifest)
        if any(key not in self._chunks for key in keys):
            return
        # River takes a second to import: INTAKE's first verdicts do not wait for it.
        from learning.serving import ServingModel

        name = manifest_key(manifest.model, manifest.recipe)
        del self._waiting[name]
        try:
            serving = unpack(manifest, self._chunks, self._known.keyring(), ServingModel, self._snapshot_bytes_max)
        except SnapshotRefused as error:
            self._known.refuse(name, str(error))
            return
        finally:
            ended = [key for key in self._ended if key.startswith(f"{manifest.model}/")]
            for key in {*keys, *ended}:
                self._drop(key)
        if serving is None:
            self._models.pop(name, None)
        else:
            self._models[name] = serving
        log.info("model taken", model=manifest.model, version=manifest.version, recipe=manifest.recipe)
