"""Which manifest of a model is the newest: LEARN signed it for this log, and none known before is newer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from learning.snapshots.signing import Keyring
from learning.snapshots.snapshot import SnapshotRefused, authentic
from schemas.wire.manifest import Manifest, manifest_key

__all__ = ["NewestManifests", "OlderManifest", "Seen"]

KEYS_MAX: Final = 10_000
"""Most keys that are followed, two for each model; the manifest of one more is refused."""


class Seen(msgspec.Struct, frozen=True):
    """The newest manifest known of a key: its sequence and its signature."""

    sequence: int
    signature: bytes


class OlderManifest(SnapshotRefused):
    """A manifest that was the newest once, and is older than one known now."""


class NewestManifests:
    """Takes manifests in any order and keeps the newest of each key of ``models``.

    Versions only go up. A manifest is taken if LEARN signed it for the topic whose Kafka id is ``topic_id`` (unique
    across clusters and re-creations; empty for any), and if its sequence is above that of every manifest known before
    under its key. ``seen`` is what an earlier run knew: without it, somebody who writes to the topic could replay an
    old manifest once compaction has dropped the new one. A tombstone ends nothing: a withdrawal is a manifest too, one
    that names production or a candidate without chunks.
    """

    def __init__(
        self, keyring: Callable[[], Keyring], *, topic_id: str = "", seen: Mapping[str, Seen] | None = None
    ) -> None:
        self._keyring = keyring
        self._topic_id = topic_id
        self._seen = dict(seen or {})
        self.manifests: dict[str, Manifest] = {}

    @property
    def seen(self) -> Mapping[str, Seen]:
        """The newest manifest known of each key, from this run or an earlier one."""
        return self._seen

    def take(self, key: str, manifest: Manifest) -> bool:
        """Take the manifest under ``key`` in; False if it was taken before. Raises SnapshotRefused."""
        authentic(manifest, self._keyring())
        name = manifest.version
        if manifest_key(manifest.model, manifest.recipe) != key:
            raise SnapshotRefused(f"snapshot {name}: stands under the key {key!r}, and is of model {manifest.model!r}")
        if self._topic_id and manifest.topic_id != self._topic_id:
            raise SnapshotRefused(
                f"snapshot {name}: signed for the topic with id {manifest.topic_id!r}, this one is {self._topic_id!r}"
            )
        known = self._seen.get(key)
        if known is None and len(self._seen) >= KEYS_MAX:
            raise SnapshotRefused(f"snapshot {name}: {KEYS_MAX} keys are followed already")
        offered = Seen(manifest.sequence, manifest.signature)
        if known is not None and known != offered:
            if offered.sequence < known.sequence:
                raise OlderManifest(f"snapshot {name}: sequence {offered.sequence}, {known.sequence} is known already")
            if offered.sequence == known.sequence:
                raise SnapshotRefused(f"snapshot {name}: another manifest has its sequence {offered.sequence}")
        is_news = key not in self.manifests or self.manifests[key].signature != manifest.signature
        self._seen[key] = offered
        self.manifests[key] = manifest
        return is_news

    def lacking(self) -> list[str]:
        """Keys whose newest manifest, known from an earlier run, has not come in this run."""
        return sorted(self._seen.keys() - self.manifests.keys())
