"""Snapshots: a model becomes a signed manifest and chunks, and is unpickled only if all of them fit."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import platform
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, NamedTuple, TypeVar

import msgspec

from learning.snapshots.signing import Keyring, SigningKey
from schemas.wire.manifest import CHUNK_BYTES_MAX, Manifest

__all__ = [
    "Lineage",
    "Snapshot",
    "SnapshotRefused",
    "Standing",
    "chunk_key",
    "chunk_keys",
    "authentic",
    "pack",
    "unpack",
    "verified",
]

T = TypeVar("T")

PICKLE_PROTOCOL = 5
COMPRESSION = 6
REASON_CHARS_MAX = 200


class SnapshotRefused(ValueError):  # noqa: N818 - a refusal is an answer, and called so
    """A snapshot must not be used, or is too large to be made; the text says why in one line."""


@dataclasses.dataclass(frozen=True, slots=True)
class Lineage:
    """What a manifest says of a version, apart from its bytes."""

    model: str
    version: str
    recipe: str
    created_at: int
    parent: str = ""
    lineage: tuple[str, ...] = ()
    corrections: int = 0
    reason: str = ""
    sequence: int = 0
    topic_id: str = ""


class Standing(NamedTuple):
    """The version in charge by the manifest published last; ``is_learned`` is False if that is production.

    ``lineage`` names the versions that were in charge before, oldest first.
    """

    version: str
    lineage: tuple[str, ...]
    is_learned: bool

    @property
    def changes(self) -> int:
        """How many versions there have been: MODEL-7 is the seventh. 0 if the name has no number.

        >>> Standing("churn-7", (), is_learned=True).changes
        7
        """
        number = self.version.rpartition("-")[2]
        return int(number) if number.isascii() and number.isdigit() else 0


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """A signed manifest and its chunks, by their keys MODEL/VERSION/N."""

    manifest: Manifest
    chunks: dict[str, bytes]


def chunk_key(model: str, version: str, number: int) -> str:
    """The key of one chunk on ``model.chunks``."""
    return f"{model}/{version}/{number}"


def chunk_keys(manifest: Manifest) -> list[str]:
    """The keys of all chunks of a manifest."""
    return [chunk_key(manifest.model, manifest.version, number) for number in range(manifest.chunks)]


def python_version() -> str:
    """Major and minor version of this Python."""
    return ".".join(platform.python_version_tuple()[:2])


def pack(value: object | None, lineage: Lineage, key: SigningKey, snapshot_bytes_max: int) -> Snapshot:
    """Pickle, compress, cut and sign a value; None (production in charge) has no chunks.

    Raises SnapshotRefused if it is too large.
    """
    data = b""
    if value is not None:
        raw = pickle.dumps(value, PICKLE_PROTOCOL)
        if len(raw) > snapshot_bytes_max:
            raise SnapshotRefused(_too_large(lineage.version, len(raw), snapshot_bytes_max))
        data = zlib.compress(raw, COMPRESSION)
    parts = [data[start : start + CHUNK_BYTES_MAX] for start in range(0, len(data), CHUNK_BYTES_MAX)]
    manifest = Manifest(
        **{field.name: getattr(lineage, field.name) for field in dataclasses.fields(lineage)},
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        chunks=len(parts),
        python=python_version(),
        river=version("river"),
        numpy=version("numpy"),
        key_id=key.key_id,
    )
    signed = msgspec.structs.replace(manifest, signature=key.sign(_signed_bytes(manifest)))
    return Snapshot(signed, dict(zip(chunk_keys(signed), parts, strict=True)))


def numpy_version(full: str) -> str:
    """The major and minor version of NumPy, on which the reading of pickled arrays depends.

    >>> numpy_version("2.1.3")
    '2.1'
    """
    return ".".join(full.split(".")[:2])


def authentic(manifest: Manifest, keyring: Keyring) -> Manifest:
    """The manifest, if a key of the keyring signed it; raises SnapshotRefused."""
    name = manifest.version
    if not keyring.knows(manifest.key_id):
        raise SnapshotRefused(f"snapshot {name}: signed with key {manifest.key_id!r}, which is not in the keyring")
    if not keyring.verifies(manifest.key_id, _signed_bytes(manifest), manifest.signature):
        raise SnapshotRefused(f"snapshot {name}: the signature does not fit the manifest")
    return manifest


def verified(manifest: Manifest, keyring: Keyring, snapshot_bytes_max: int) -> Manifest:
    """The manifest, if its signature, its versions and its size are right; raises SnapshotRefused."""
    name = authentic(manifest, keyring).version
    for what, made_with, expected in (
        ("Python", manifest.python, python_version()),
        ("River", manifest.river, version("river")),
        ("NumPy", numpy_version(manifest.numpy), numpy_version(version("numpy"))),
    ):
        if made_with != expected and not manifest.is_without_model:
            raise SnapshotRefused(f"snapshot {name}: made with {what} {made_with}, this is {what} {expected}")
    if manifest.size_bytes > snapshot_bytes_max:
        raise SnapshotRefused(_too_large(name, manifest.size_bytes, snapshot_bytes_max))
    if manifest.chunks != -(-manifest.size_bytes // CHUNK_BYTES_MAX):
        raise SnapshotRefused(f"snapshot {name}: {manifest.chunks} chunks do not fit {manifest.size_bytes} bytes")
    return manifest


def unpack(
    manifest: Manifest, chunks: Mapping[str, bytes], keyring: Keyring, value_type: type[T], snapshot_bytes_max: int
) -> T | None:
    """The value of a snapshot; None if production is in charge or a candidate is withdrawn. Raises SnapshotRefused.

    Nothing is unpickled before everything is verified.
    """
    verified(manifest, keyring, snapshot_bytes_max)
    if manifest.is_without_model:
        return None
    raw = _decompressed(manifest.version, _joined(manifest, chunks), snapshot_bytes_max)
    try:
        value: Any = pickle.loads(raw)  # noqa: S301 - verified above
    except MemoryError:
        raise  # says nothing of the snapshot
    except Exception as error:  # its classes have other names or fields in another version: any error may come
        raise SnapshotRefused(
            f"snapshot {manifest.version}: made by another version of watchloop ({_reason(error)}); "
            "production is in charge until LEARN has learned again"
        ) from error
    if not isinstance(value, value_type):
        raise SnapshotRefused(
            f"snapshot {manifest.version}: holds a {type(value).__name__}, expected a {value_type.__name__}"
        )
    return value


def _reason(error: Exception) -> str:
    """The text of an error as one short line."""
    return " ".join(str(error).split())[:REASON_CHARS_MAX] or type(error).__name__


def _joined(manifest: Manifest, chunks: Mapping[str, bytes]) -> bytes:
    parts = []
    room = manifest.size_bytes
    for key in chunk_keys(manifest):
        part = chunks.get(key)
        if part is None:
            raise SnapshotRefused(f"snapshot {manifest.version}: chunk {key} is missing")
        room -= len(part)
        if room < 0:
            raise SnapshotRefused(f"snapshot {manifest.version}: more bytes than the manifest's {manifest.size_bytes}")
        parts.append(part)
    data = b"".join(parts)
    if room:
        raise SnapshotRefused(
            f"snapshot {manifest.version}: {len(data)} bytes, the manifest says {manifest.size_bytes}"
        )
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise SnapshotRefused(f"snapshot {manifest.version}: the bytes do not fit the manifest's sha256")
    return data


def _decompressed(name: str, data: bytes, snapshot_bytes_max: int) -> bytes:
    machine = zlib.decompressobj()
    raw = machine.decompress(data, snapshot_bytes_max)
    if machine.unconsumed_tail or not machine.eof:
        raise SnapshotRefused(f"snapshot {name}: longer than {snapshot_bytes_max} bytes (learning.snapshot_bytes_max)")
    return raw


def _signed_bytes(manifest: Manifest) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(manifest, signature=b""), order="deterministic")


def _too_large(name: str, size: int, limit: int) -> str:
    return f"snapshot {name}: {size} bytes, at most {limit} are allowed (learning.snapshot_bytes_max)"
