"""What INTAKE must know of other roles' work: references, learned models in charge, and settled answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import structlog

from agents.shared.model_places import RESULTS_MAX, ModelPlaces
from agents.shared.seen_models import SeenModels
from learning.snapshots.snapshot import SnapshotRefused, chunk_keys, unpack, verified
from review.triage.decided_before import DecidedBefore
from schemas.codec import MalformedError, decode
from schemas.topics import CORRECTIONS, MODEL_CHUNKS, MODELS, REFERENCES
from schemas.wire.correction import Correction
from schemas.wire.manifest import CANDIDATE, Manifest, manifest_key
from schemas.wire.reference import Reference
from streams.consume.log_reader import LogReader
from streams.consume.record_guard import current_position
from streams.records import Record
from streams.settings import KafkaSettings

if TYPE_CHECKING:
    from learning.serving import ServingModel

__all__ = ["Catalogue"]

log = structlog.get_logger(__name__)


class Catalogue:
    """References by model, and verified serving models by model, as the log says.

    ``decided`` makes the memory of a model's settled answers, or None where they are not used again; without it
    corrections are not read. ``known`` says which manifests are taken. Chunks wait in at most ``snapshot_bytes_max``
    bytes; beyond it the oldest are dropped, and their snapshot is refused for the gap. References and settled answers
    are kept of the ``configured`` models and of ``RESULTS_MAX`` others.
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
        self._chunks: dict[str, bytes] = {}
        self._ended: set[str] = set()
        self._waiting: dict[str, Manifest] = {}
        topics = {REFERENCES.name: self._hear_reference, MODEL_CHUNKS.name: self._hear_chunk, MODELS.name: self._hear}
        if decided is not None:
            topics[CORRECTIONS.name] = self._hear_correction
        self._reader = LogReader(kafka, topics)

    def reference_of(self, model: str) -> Reference | None:
        """The newest reference of a model, whose edges its blocks are counted on; None before the first."""
        return self._references.get(model)

    def serving_of(self, model: str) -> ServingModel | None:
        """The learned model in charge; None where production is."""
        return self._models.get(model)

    def candidate_of(self, model: str) -> ServingModel | None:
        """The learned model that wants to be in charge, for triage."""
        return self._models.get(manifest_key(model, CANDIDATE))

    def decided_of(self, model: str) -> DecidedBefore | None:
        """The settled answers that answer the model's questions again."""
        return self._decided_of.get(model)

    def catch_up(self) -> None:
        """Read all that the log has by now; older manifests are refused aloud from then on. Raises KafkaUnreachable."""
        self._reader.catch_up()
        self._known.caught_up()

    def run(self, stop: threading.Event) -> None:
        """Go on listening until ``stop`` is set."""
        self._reader.run(stop)

    def _hear_reference(self, record: Record) -> None:
        value = record.value()
        if value is not None:
            try:
                reference = decode(Reference, value)
            except MalformedError as error:
                log.error("reference not readable", why=error.reason, **current_position())
                return
            self._kept.keep(self._references, reference.model, reference)

    def _hear_correction(self, record: Record) -> None:
        try:
            correction = decode(Correction, record.value() or b"")
        except MalformedError as error:
            log.warning("correction not readable", why=error.reason, **current_position())
            return
        assert self._decided is not None
        if correction.model not in self._decided_of:
            self._kept.keep(self._decided_of, correction.model, self._decided(correction.model))
        decided = self._decided_of[correction.model]
        if decided is not None:
            decided.hear(correction)

    def _hear_chunk(self, record: Record) -> None:
        key, value = (record.key() or b"").decode("utf-8", "replace"), record.value()
        if value is None:  # it may be anybody's: the bytes stay until a newer manifest is taken, or room is short
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
        key, value = (record.key() or b"").decode("utf-8", "replace"), record.value()
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
        # The libraries behind it take a second to import: INTAKE's first verdicts do not wait for them.
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
