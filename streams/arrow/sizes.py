"""The size of an Arrow IPC stream once unpacked, computed before any of it is unpacked.

Buffers may be compressed, so a small message can need a great deal of memory. The stream holds their unpacked lengths
(Arrow columnar format, "Serialization and Interprocess Communication") and describes them in FlatBuffers; this module
reads the few fields that are needed.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import pyarrow as pa

__all__ = ["MARK_BYTES", "Sizes", "is_little_endian", "message_sizes", "sizes_of"]

# Slots of the tables in Arrow's Message.fbs and Schema.fbs.
HEADER: Final = 2
DICTIONARY_DATA: Final = 1
LENGTH, BUFFERS, COMPRESSION = 0, 2, 3
ENDIANNESS: Final = 0

MARK_BYTES: Final = 8
"""Four bytes that every message begins with, and four with the length of its metadata."""
PREFIX_BYTES: Final = 8
"""Each compressed buffer begins with its unpacked length; -1 means that it is not compressed after all."""


class Sizes(NamedTuple):
    """The rows of all record batches, and the unpacked bytes of all buffers, dictionaries included."""

    rows: int
    unpacked_bytes: int


def sizes_of(data: bytes, batches_max: int) -> Sizes:
    """The sizes of a stream.

    Raises what pyarrow raises for bytes that are not a stream, and ValueError for a damaged one or for more than
    ``batches_max`` record batches and dictionaries.
    """
    rows = unpacked = 0
    for number, message in enumerate(pa.ipc.MessageReader.open_stream(pa.py_buffer(data))):
        if number > batches_max:
            raise ValueError(f"more than {batches_max} record batches")
        sizes = message_sizes(message)
        rows += sizes.rows
        unpacked += sizes.unpacked_bytes
    return Sizes(rows, unpacked)


def message_sizes(message: Any) -> Sizes:
    """The sizes of one message of a stream, a ``pyarrow.ipc.Message``; raises ValueError for a damaged one."""
    if message.type not in ("record batch", "dictionary"):
        return Sizes(0, 0)
    try:
        batch = _Table.root(memoryview(message.metadata)).table(HEADER)
        if message.type == "dictionary":
            return Sizes(0, _unpacked_bytes(batch.table(DICTIONARY_DATA), message.body))
        return Sizes(batch.integer(LENGTH), _unpacked_bytes(batch, message.body))
    except struct.error as error:
        raise ValueError(f"a damaged {message.type}: {error}") from error


def is_little_endian(schema_message: bytes) -> bool:
    """Whether the numbers of a stream that begins with this message are little-endian, which is the default.

    Raises ValueError for a damaged message.
    """
    try:
        metadata = memoryview(schema_message)[MARK_BYTES:]
        return _Table.root(metadata).table(HEADER).short(ENDIANNESS) == 0
    except struct.error as error:
        raise ValueError(f"a damaged schema: {error}") from error


def _unpacked_bytes(batch: _Table, body: Any) -> int:
    if not batch.has(COMPRESSION):
        # Columns may share bytes in the message, but not once unpacked.
        return sum(batch.numbers(BUFFERS)[1::2])
    view = memoryview(body)
    numbers = batch.numbers(BUFFERS)
    return sum(
        _unpacked_length(view, offset, length) for offset, length in zip(numbers[::2], numbers[1::2], strict=True)
    )


def _unpacked_length(body: memoryview, offset: int, length: int) -> int:
    if length < PREFIX_BYTES or offset < 0:
        return 0
    (unpacked,) = struct.unpack_from("<q", body, offset)
    if unpacked < -1:
        raise ValueError(f"a buffer of {unpacked} bytes")
    return length - PREFIX_BYTES if unpacked == -1 else int(unpacked)


class _Table(NamedTuple):
    """A table of a FlatBuffer. A table of offsets before it says where its fields are."""

    data: memoryview
    at: int

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def has(self, slot: int) -> bool:
        return self._field(slot) != 0

    def table(self, slot: int) -> _Table:
        at = self._field(slot)
        return _Table(self.data, at + int(struct.unpack_from("<I", self.data, at)[0]))

    def integer(self, slot: int) -> int:
        """The field of eight bytes in a slot; 0 if it is left out, which is the default."""
        at = self._field(slot)
        return int(struct.unpack_from("<q", self.data, at)[0]) if at else 0

    def short(self, slot: int) -> int:
        """The field of two bytes in a slot; 0 if it is left out, which is the default."""
        at = self._field(slot)
        return int(struct.unpack_from("<h", self.data, at)[0]) if at else 0

    def numbers(self, slot: int) -> tuple[int, ...]:
        """A vector of structs of two integers, flattened."""
        at = self._field(slot)
        if not at:
            return ()
        at += struct.unpack_from("<I", self.data, at)[0]
        (count,) = struct.unpack_from("<I", self.data, at)
        return struct.unpack_from(f"<{2 * count}q", self.data, at + 4)

    def _field(self, slot: int) -> int:
        (back,) = struct.unpack_from("<i", self.data, self.at)
        offsets = self.at - back
        (size,) = struct.unpack_from("<H", self.data, offsets)
        entry = 4 + 2 * slot
        if entry >= size:
            return 0
        (distance,) = struct.unpack_from("<H", self.data, offsets + entry)
        return self.at + distance if distance else 0
