"""The newest manifests that a worker has known, kept in a file of its own over a restart."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

import msgspec
import structlog

from agents.metrics import MANIFESTS_REFUSED
from agents.settings import Settings
from learning.newest import NewestManifests, OlderManifest, Seen
from learning.signing import Keyring
from learning.snapshot import SnapshotRefused
from schemas.manifest import Manifest
from streams.hearing import heard

__all__ = ["SeenModels", "read_seen", "write_seen"]

log = structlog.get_logger(__name__)

FILE_BYTES_MAX = 16 * 1024 * 1024
FILE_MODE = 0o600


class SeenModels:
    """The newest manifests of one role of one worker: taken from the log, and known again after a restart.

    They are kept in DATA/state/models-ROLE.json. Where that folder is lost, an older manifest that somebody wrote to
    the topic again would be taken, if compaction has dropped the newer one by then.
    """

    def __init__(self, path: pathlib.Path, keys: pathlib.Path, role: str, topic_id: str) -> None:
        self._path, self._keys, self._role, self._topic_id = path, keys, role, topic_id
        self.newest = NewestManifests(self.keyring, topic_id=topic_id, seen=read_seen(path, topic_id))

    @classmethod
    def of(cls, settings: Settings, role: str, topic_id: str) -> SeenModels:
        """Those of a role, in the worker's folder; ``role`` may name its slot too."""
        data = pathlib.Path(settings.worker.data)
        return cls(data / "state" / f"models-{role}.json", data / "keys" / "public", role, topic_id)

    def keyring(self) -> Keyring:
        """The public keys that there are now."""
        return Keyring.from_folder(self._keys)

    def keep(self, seen: Mapping[str, Seen]) -> None:
        """Remember for the next start."""
        write_seen(self._path, self._topic_id, seen)

    def take(self, key: str, manifest: Manifest) -> bool:
        """Whether a manifest is news; one that is refused is told of and counted, an older one is passed over."""
        try:
            is_news = self.newest.take(key, manifest)
        except OlderManifest:
            return False
        except SnapshotRefused as error:
            MANIFESTS_REFUSED.labels(self._role).inc()
            log.error("manifest left out", key=key, why=str(error), **heard())
            return False
        if is_news:
            self.keep(self.newest.seen)
        return is_news


class _File(msgspec.Struct, frozen=True):
    topic_id: str
    seen: dict[str, Seen]


def read_seen(path: pathlib.Path, topic_id: str) -> dict[str, Seen]:
    """What the file says of the topic with this id; nothing where there is none, or it is of another topic.

    A file that cannot be read is told of: until the next manifest an older one could be taken.
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ValueError(f"larger than {FILE_BYTES_MAX} bytes")
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.error("lost which manifests were known: an older one would be taken", file=str(path), why=str(error))
        return {}
    return found.seen if found.topic_id == topic_id else {}


def write_seen(path: pathlib.Path, topic_id: str, seen: Mapping[str, Seen]) -> None:
    """Replace the file as a whole; what cannot be written is told of and ends nothing."""
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
