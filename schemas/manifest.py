"""Manifest: what a snapshot of a learned model is, signed; and its chunks."""

from __future__ import annotations

from schemas.wire import Count, EpochMs, Id, Name, Wire

__all__ = ["CHUNK_BYTES_MAX", "Manifest"]

CHUNK_BYTES_MAX = 512 * 1024


class Manifest(Wire, frozen=True, kw_only=True):
    """The model in charge.

    ``recipe`` names how it learns; ``production`` means that no learned model is in charge and there are no chunks.
    ``sha256`` and ``size_bytes`` are of the joined chunks, ``signature`` (Ed25519, RFC 8032) is over the manifest with
    an empty signature. A reader with another Python or River version refuses it before a byte is unpickled.
    """

    model: Id
    version: Id
    parent: Name = ""
    lineage: tuple[str, ...] = ()
    recipe: Id
    corrections: Count = 0
    sha256: Name = ""
    size_bytes: Count = 0
    chunks: Count = 0
    python: Name = ""
    river: Name = ""
    numpy: Name = ""
    created_at: EpochMs
    reason: str = ""
    key_id: Name = ""
    signature: bytes = b""
