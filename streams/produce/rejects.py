"""Rejects: bytes that could not be used, kept as they were, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from schemas.codec import MalformedError
from schemas.topics import ALL_TOPICS
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.reject import Reject
from streams.consume.records import Record

__all__ = ["REJECTS_APART_MAX", "REJECT_BYTES_MAX", "ElementRejects", "Elements", "reject_of", "shortened"]

REJECT_BYTES_MAX: Final = 2 * 1024 * 1024
"""A larger original keeps its first bytes, and the reason says so: in base64 it must fit into a message again."""

REJECTS_APART_MAX: Final = 100
"""Refused elements of one message that get a Reject each; one more Reject sums up the rest."""

SECRET: Final = frozenset(topic.name for topic in ALL_TOPICS if topic.secret)
"""Topics of whose messages a Reject tells nothing: whoever may not read them may read rejects."""

KEY_BYTES_MAX: Final = 1_024
REASON_CHARS_MAX: Final = 2_000


class Elements(Protocol):
    """The elements of an array message, as they arrived."""

    def one(self, index: int) -> bytes:
        """The bytes of the element at ``index``, counted from 0; they decode as a message of their own."""

    def many(self, indexes: Sequence[int]) -> bytes:
        """Several as one message, in this order."""


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
    elements: int = 1,
    index_last: int | None = None,
) -> Reject:
    """A Reject of a message, or of one element (``original``, ``index``) of it; of a long key its beginning is kept.

    Of several ``elements`` the first is ``index``, the last ``index_last``. Of a topic that holds secrets it keeps the
    length and the hash alone, and the field: reasons quote what was read, and keys are names of accounts.
    """
    topic = record.topic().removeprefix(prefix)
    data = (record.value() or b"") if original is None else original
    reject = Reject(
        original=data,
        reason=reason[:REASON_CHARS_MAX],
        field=field[:NAME_CHARS_MAX],
        role=role,
        source_topic=topic,
        source_partition=record.partition(),
        source_offset=record.offset(),
        source_index=index,
        source_key=(record.key() or b"")[:KEY_BYTES_MAX],
        time=now_ms,
        elements=elements,
        source_index_last=index_last,
    )
    if topic in SECRET:
        return without_bytes(reject)
    return reject if len(data) <= REJECT_BYTES_MAX else shortened(reject, REJECT_BYTES_MAX)


def without_bytes(reject: Reject) -> Reject:
    """The same Reject with nothing of what its message holds, but the length and the hash of its original."""
    return msgspec.structs.replace(
        reject,
        original=b"",
        source_key=b"",
        reason=(
            f"refused{f' at `{reject.field}`' if reject.field else ''}; expected what schemas/json describes for"
            f" {reject.source_topic!r} (no bytes of it are kept here: that topic holds secrets)"
        ),
        original_length=len(reject.original),
        original_sha256=hashlib.sha256(reject.original).hexdigest(),
    )


def shortened(reject: Reject, bytes_max: int) -> Reject:
    """The same Reject with the first bytes of its original only, and the whole's length and hash; the reason says so.

    One that is shortened already is shortened further.
    """
    length, kept = reject.original_length, reject.original[:bytes_max]
    reason, digest = reject.reason, reject.original_sha256
    if length is None:
        length, digest = len(reject.original), hashlib.sha256(reject.original).hexdigest()
    else:
        reason = reason.removesuffix(_cut(len(reject.original), length))
    return msgspec.structs.replace(
        reject,
        original=kept,
        reason=reason + _cut(len(kept), length),
        original_length=length,
        original_sha256=digest,
    )


def _cut(kept: int, length: int) -> str:
    return f" (only the first {kept} of {length} bytes are kept)"


class ElementRejects:
    """Rejects of elements of one message: one each of the first ``REJECTS_APART_MAX``, and one of all others.

    A message of ten thousand wrong elements would otherwise become ten thousand messages.
    """

    def __init__(self, record: Record, prefix: str, elements: Elements, *, role: str, now_ms: int) -> None:
        self._record, self._prefix, self._role, self._now_ms = record, prefix, role, now_ms
        self._elements = elements
        self._apart: list[Reject] = []
        self._others: list[int] = []
        self._first: MalformedError | None = None

    @property
    def is_full(self) -> bool:
        """Whether the next one only counts: nobody will read what exactly was wrong with it."""
        return self._first is not None

    def refuse(self, index: int, error: MalformedError) -> Reject | None:
        """One more element, behind those before, and what is wrong with it; its own Reject if it gets one."""
        if len(self._apart) < REJECTS_APART_MAX:
            self._apart.append(self._reject([index], error.reason, error.field))
            return self._apart[-1]
        self._first = self._first or error
        self._others.append(index)
        return None

    def rejects(self) -> list[Reject]:
        """All of them, in order."""
        return [*self._apart, *self.others()]

    def others(self) -> list[Reject]:
        """The one of all that have none of their own, if there are any."""
        if self._first is None:
            return []
        if len(self._others) == 1:
            return [self._reject(self._others, self._first.reason, self._first.field)]
        reason = f"{len(self._others)} more elements of this message are refused, the first of them: "
        return [self._reject(self._others, reason + self._first.reason, self._first.field)]

    def _reject(self, indexes: Sequence[int], reason: str, field: str) -> Reject:
        is_one = len(indexes) == 1
        return reject_of(
            self._record,
            self._prefix,
            role=self._role,
            reason=reason,
            field=field,
            now_ms=self._now_ms,
            original=self._elements.one(indexes[0]) if is_one else self._elements.many(indexes),
            index=indexes[0],
            elements=len(indexes),
            index_last=None if is_one else indexes[-1],
        )
