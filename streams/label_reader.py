"""How labels are read: one a message, by LEARN and RECORD alike."""

from __future__ import annotations

from schemas.codec import decode
from schemas.label import Label
from streams.predictions.checks import MessageLimits
from streams.records import Record

__all__ = ["label_of"]


def label_of(record: Record, limits: MessageLimits) -> Label:
    """The label that a message holds; raises MalformedError."""
    limits.check_bytes(len(record))
    return decode(Label, record.value() or b"")
