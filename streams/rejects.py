"""Rejects: bytes that could not be used, kept as they were, with the reason."""

from __future__ import annotations

from schemas.reject import Reject
from streams.records import Record

__all__ = ["REJECT_BYTES_MAX", "reject_of"]

REJECT_BYTES_MAX = 3 * 1024 * 1024
"""A larger original (possible only if a topic was set up by hand) keeps its first bytes, and the reason says so."""


def reject_of(
    record: Record,
    prefix: str,
    *,
    role: str,
    reason: str,
    field: str = "",
    now_ms: int,
    original: bytes | None = None,
    index: int = 0,
) -> Reject:
    """A Reject of a message, or of one element (``original``, ``index``) of it."""
    data = (record.value() or b"") if original is None else original
    if len(data) > REJECT_BYTES_MAX:
        reason = f"{reason} (only the first {REJECT_BYTES_MAX} of {len(data)} bytes are kept)"
        data = data[:REJECT_BYTES_MAX]
    return Reject(
        original=data,
        reason=reason,
        field=field[:200],
        role=role,
        source_topic=record.topic().removeprefix(prefix),
        source_partition=record.partition(),
        source_offset=record.offset(),
        source_index=index,
        source_key=record.key() or b"",
        time=now_ms,
    )
