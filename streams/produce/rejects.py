"""Rejects: bytes that could not be used, kept unchanged, with the reason."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from schemas.json_text.errors import MalformedError
from schemas.topics import ALL_TOPICS
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.reject import Reject
from streams.records import Record

__all__ = [
    "REJECTS_APART_MAX",
    "REJECT_BYTES_MAX",
    "ElementRejects",
    "Elements",
    "MessagePart",
    "Rejecter",
    "WholeMessage",
    "reject_of",
    "shortened",
]

REJECT_BYTES_MAX: Final = 2 * 1024 * 1024
"""Of a larger original only the first bytes are kept, and the reason says so: it must fit into a message in base64."""

REJECTS_APART_MAX: Final = 100
"""Refused elements of one message that get a Reject each; one more Reject sums up the rest."""

SECRET: Final = frozenset(topic.name for topic in ALL_TOPICS if topic.secret)
"""Topics whose bytes must not appear in a Reject, because more users may read rejects than these topics."""

KEY_BYTES_MAX: Final = 1_024
REASON_CHARS_MAX: Final = 2_000


class Elements(Protocol):
    """The elements of an array message, as they arrived."""

    def element(self, index: int) -> bytes:
        """The bytes of the element at ``index``, counted from 0; they decode as a message of their own."""

    def elements(self, indexes: Sequence[int]) -> bytes:
        """The elements at these indexes as one message, in this order."""


class WholeMessage:
    """The elements of a message that holds a single value, at index 0."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def element(self, index: int) -> bytes:
        """The whole message, a schema registry's prefix included."""
        assert index == 0, "a single value"
        return self._value

    def elements(self, indexes: Sequence[int]) -> bytes:
        """The whole message; ``indexes`` can only hold 0."""
        return self.element(indexes[0])


class Rejecter(NamedTuple):
    """Who makes Rejects, and when: a role, which reads topics under ``prefix``, at ``now_ms`` (epoch milliseconds)."""

    prefix: str
    role: str
    now_ms: int


@dataclasses.dataclass(frozen=True, slots=True)
class MessagePart:
    """The elements of a message that one Reject is about.

    ``original`` holds their bytes; None stands for those of the whole message. ``index`` and ``index_last`` count from
    0; ``index_last`` is None where there is one element.
    """

    original: bytes | None = None
    index: int = 0
    elements: int = 1
    index_last: int | None = None


WHOLE_MESSAGE: Final = MessagePart()


def reject_of(record: Record, error: MalformedError, by: Rejecter, part: MessagePart = WHOLE_MESSAGE) -> Reject:
    """The Reject of a message, or of a part of it.

    A long original, key, reason or field is cut. The Reject of a topic that holds secrets has the length and the hash
    of the original, and the field: reasons quote what was read, and keys are names of accounts.
    """
    topic = record.topic().removeprefix(by.prefix)
    data = (record.value() or b"") if part.original is None else part.original
    reject = Reject(
        original=data,
        reason=error.reason[:REASON_CHARS_MAX],
        field=error.field[:NAME_CHARS_MAX],
        role=by.role,
        source_topic=topic,
        source_partition=record.partition(),
        source_offset=record.offset(),
        source_index=part.index,
        source_key=(record.key() or b"")[:KEY_BYTES_MAX],
        time=by.now_ms,
        elements=part.elements,
        source_index_last=part.index_last,
    )
    if topic in SECRET:
        return without_bytes(reject)
    return reject if len(data) <= REJECT_BYTES_MAX else shortened(reject, REJECT_BYTES_MAX)


def without_bytes(reject: Reject) -> Reject:
    """The same Reject without the contents of its message; the length and the hash of the original stay."""
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
    """The same Reject with the first ``bytes_max`` bytes of its original; the reason says so.

    The length and the hash are those of the whole original, also if the Reject was shortened before.
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
    """The Rejects of elements of one message: one for each of the first ``REJECTS_APART_MAX``, and one for all others.

    Otherwise a message of ten thousand wrong elements would become ten thousand messages.
    """

    def __init__(self, record: Record, elements: Elements, by: Rejecter) -> None:
        self._record, self._elements, self._by = record, elements, by
        self._apart: list[Reject] = []
        self._others: list[int] = []
        self._first: MalformedError | None = None

    @property
    def is_full(self) -> bool:
        """Whether a further element is only counted, because its own reason will appear in no Reject."""
        return self._first is not None

    def refuse(self, index: int, error: MalformedError) -> Reject | None:
        """Refuse the element at ``index``, which is higher than those before; returns its own Reject, if any."""
        if len(self._apart) < REJECTS_APART_MAX:
            self._apart.append(self._reject([index], error))
            return self._apart[-1]
        self._first = self._first or error
        self._others.append(index)
        return None

    def rejects(self) -> list[Reject]:
        """All Rejects, in order of their elements."""
        return [*self._apart, *self.others()]

    def others(self) -> list[Reject]:
        """The Reject of all elements that have none of their own; empty if there are no such elements."""
        if self._first is None:
            return []
        if len(self._others) == 1:
            return [self._reject(self._others, self._first)]
        reason = f"{len(self._others)} more elements of this message are refused, the first of them: "
        return [self._reject(self._others, MalformedError(reason + self._first.reason, self._first.field))]

    def _reject(self, indexes: Sequence[int], error: MalformedError) -> Reject:
        first, last, count = indexes[0], indexes[-1], len(indexes)
        if count == 1:
            return reject_of(self._record, error, self._by, MessagePart(self._elements.element(first), first))
        part = MessagePart(self._elements.elements(indexes), first, count, last)
        return reject_of(self._record, error, self._by, part)
