"""The newest manifests that a role of a worker has seen, kept in a file over a restart."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

import msgspec
import structlog

from agents.settings import Settings
from agents.shared.metrics import MANIFESTS_REFUSED
from learning.snapshots.newest import NewestManifests, OlderManifest, Seen
from learning.snapshots.signing import Keyring
from learning.snapshots.snapshot import SnapshotRefused
from schemas.json_text.errors import UNREADABLE
from schemas.kept_files import read_kept
from schemas.wire.manifest import Manifest
from streams.consume.record_guard import current_position

__all__ = ["SeenModels", "read_seen", "write_seen"]

log = structlog.get_logger(__name__)

FILE_BYTES_MAX = 16 * 1024 * 1024
FILE_MODE = 0o600


class SeenModels:
    """The newest manifests that one role of one worker has taken from the log, kept in DATA/state/models-ROLE.json.

    If that file is lost, an older manifest may be taken again: if somebody writes it to the topic once more, and
    compaction has removed the newer one. Until ``caught_up`` is called older manifests are refused silently, since the
    log begins with them; after that they are logged and counted.
    """

    def __init__(self, path: pathlib.Path, keys: pathlib.Path, role: str, topic_id: str) -> None:
        self._path, self._keys, self._role, self._topic_id = path, keys, role, topic_id
        self._is_caught_up = False
        self.newest = NewestManifests(self.keyring, topic_id=topic_id, seen=read_seen(path, topic_id))

    @classmethod
    def of(cls, settings: Settings, role: str, topic_id: str, *, slot: str = "") -> SeenModels:
        """The manifests of a role, from its file in the worker's data folder; each ``slot`` has a file of its own."""
        data = pathlib.Path(settings.worker.data)
        name = f"models-{role}-{slot}.json" if slot else f"models-{role}.json"
        return cls(data / "state" / name, data / "keys" / "public", role, topic_id)

    def keyring(self) -> Keyring:
        """The public keys that the folder of keys holds now."""
        return Keyring.from_folder(self._keys)

    def take(self, key: str, manifest: Manifest) -> bool:
        """Take a manifest that is newer than the known one of its key; returns whether it is.

        A manifest with a bad signature, or of another topic, is refused: logged and counted.
        """
        try:
            is_news = self.newest.take(key, manifest)
        except SnapshotRefused as error:
            if self._is_caught_up or not isinstance(error, OlderManifest):
                self.refuse(key, str(error))
            return False
        if is_news:
            write_seen(self._path, self._topic_id, self.newest.seen)
        return is_news

    def refuse(self, key: str, why: str) -> None:
        """Log and count a manifest under ``key`` that is not taken."""
        MANIFESTS_REFUSED.labels(self._role).inc()
        log.error("manifest refused, the model in charge stays", key=key, why=why, **current_position())

    def caught_up(self) -> None:
        """The log was read up to its end: log an error where it lacks manifests that were known before."""
        self._is_caught_up = True
        lacking = self.newest.lacking()
        if lacking:
            log.error(
                "the newest manifests of some models are not on the log: older ones are not taken, production serves",
                keys=lacking,
            )


class _File(msgspec.Struct, frozen=True):
    topic_id: str
    seen: dict[str, Seen]


def read_seen(path: pathlib.Path, topic_id: str) -> dict[str, Seen]:
    """The manifests that the file has of the topic with this id; empty where it is missing or of another topic.

    A file that cannot be read is logged as an error: until the next manifest an older one could be taken.
    """
    try:
        kept = msgspec.json.decode(read_kept(path, FILE_BYTES_MAX), type=_File)
    except FileNotFoundError:
        return {}
    except (OSError, *UNREADABLE) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        log.error("lost which manifests were known: an older one would be taken", file=str(path), why=why)
        return {}
    return kept.seen if kept.topic_id == topic_id else {}


def write_seen(path: pathlib.Path, topic_id: str, seen: Mapping[str, Seen]) -> None:
    """Replace the file as a whole. Where it cannot be written, an error is logged and the worker goes on."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(_File(topic_id, dict(seen))))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        log.error("which manifests are known cannot be kept", file=str(path), why=str(error))
