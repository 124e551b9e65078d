"""Rejects: bytes that could not be used, kept as they were, with the reason."""

from __future__ import annotations

import msgspec

from schemas.reject import Reject
from streams.records import Record

__all__ = ["REJECT_BYTES_MAX", "reject_of", "shortened"]

REJECT_BYTES_MAX = 2 * 1024 * 1024
"""A larger original keeps its first bytes, and the reason says so: in base64 it must fit into a message again."""

KEY_BYTES_MAX = 1_024
REASON_CHARS_MAX = 2_000


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
    """A Reject of a message, or of one element (``original``, ``index``) of it; of a long key its beginning is kept."""
    data = (record.value() or b"") if original is None else original
    found = Reject(
        original=data,
        reason=reason[:REASON_CHARS_MAX],
        field=field[:200],
        role=role,
        source_topic=record.topic().removeprefix(prefix),
        source_partition=record.partition(),
        source_offset=record.offset(),
        source_index=index,
        source_key=(record.key() or b"")[:KEY_BYTES_MAX],
        time=now_ms,
    )
    return found if len(data) <= REJECT_BYTES_MAX else shortened(found, REJECT_BYTES_MAX)


def shortened(reject: Reject, bytes_max: int) -> Reject:
    """The same Reject with the first bytes of its original only, and a reason that says so."""
    kept = reject.original[:bytes_max]
    reason = f"{reject.reason} (only the first {len(kept)} of {len(reject.original)} bytes are kept)"
    return msgspec.structs.replace(reject, original=kept, reason=reason)
