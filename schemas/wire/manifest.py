"""Manifest: what a snapshot of a learned model is, signed; and its chunks."""

from __future__ import annotations

from schemas.wire.base import Count, EpochMs, Id, Name, Wire

__all__ = ["CANDIDATE", "CHUNK_BYTES_MAX", "PRODUCTION", "STACK", "Manifest", "manifest_key"]

CHUNK_BYTES_MAX = 512 * 1024

STACK = "stack"
PRODUCTION = "production"
CANDIDATE = "candidate"


class Manifest(Wire, frozen=True, kw_only=True):
    """The model in charge, or a candidate for it.

    ``recipe`` names how it learns; ``production`` means that no learned model is in charge and there are no chunks. A
    ``candidate`` (key MODEL/candidate) is not in charge: only triage asks it, where errors are likely.
    A candidate without chunks says that there is none any more. ``sequence`` goes up with every manifest of a key: a
    reader takes no older one than it knows, whatever the log shows. ``topic_id`` is Kafka's id of the topic it was
    written for. ``sha256`` and ``size_bytes`` are of the joined chunks, ``signature`` (Ed25519, RFC 8032) is over the
    manifest with an empty signature. A reader with another Python, River or NumPy version refuses it before a byte is
    unpickled. A tombstone on ``models`` has no signature and means nothing.
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
    sequence: Count = 0
    topic_id: Name = ""

    @property
    def is_without_model(self) -> bool:
        """Whether it withdraws: production is in charge, or there is no candidate any more."""
        return self.recipe == PRODUCTION or (self.recipe == CANDIDATE and self.chunks == 0)


def manifest_key(model: str, recipe: str) -> str:
    """The key of a manifest on ``models``: one for what is in charge, one for the candidate."""
    return f"{model}/{CANDIDATE}" if recipe == CANDIDATE else model
