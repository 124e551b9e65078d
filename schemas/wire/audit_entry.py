"""AuditEntry: who did what, chained by hashes."""

from __future__ import annotations

from schemas.wire.base import Count, EpochMs, Id, Name, Wire

__all__ = ["AuditEntry"]


class AuditEntry(Wire, frozen=True, kw_only=True):
    """One act of a person; ``hash`` is sha256 over the entry without ``hash`` and ``personal``, which may be erased."""

    sequence: Count
    time: EpochMs
    who: Id
    what: Id
    subject: Name = ""
    details: dict[str, str] = {}
    previous_hash: Name
    hash: Name
    personal: dict[str, str] = {}
