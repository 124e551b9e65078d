"""How much an Arrow IPC stream unpacks to, found out before any of it is unpacked.

Buffers may be compressed, so that a small message can ask for a great deal of memory. Their unpacked lengths stand in
the stream (Arrow columnar format, "Serialization and Interprocess Communication"), described by FlatBuffers, of which
the little that is needed is read here.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import pyarrow as pa

__all__ = ["Sizes", "sizes_of"]

# Slots of the tables in Arrow's Message.fbs.
HEADER: Final = 2
DICTIONARY_DATA: Final = 1
LENGTH, BUFFERS, COMPRESSION = 0, 2, 3

PREFIX_BYTES: Final = 8
"""Before each compressed buffer stands its unpacked length; -1 where it is not compressed after all."""


class Sizes(NamedTuple):
    """Rows of all record batches, and bytes of all buffers once unpacked, dictionaries included."""

    rows: int
    unpacked_bytes: int


def sizes_of(data: bytes, batches_max: int) -> Sizes:
    """The sizes of a stream; raises what pyarrow raises for bytes that are none, ValueError where they contradict.

    Of more than ``batches_max`` record batches and dictionaries none is looked at further: ValueError.
    """
    rows = unpacked = 0
    for number, message in enumerate(pa.ipc.MessageReader.open_stream(pa.py_buffer(data))):
        if number > batches_max:
            raise ValueError(f"more than {batches_max} record batches")
        if message.type not in ("record batch", "dictionary"):
            continue
        try:
            batch = _Table.root(memoryview(message.metadata)).table(HEADER)
            if message.type == "dictionary":
                batch = batch.table(DICTIONARY_DATA)
            else:
                rows += batch.integer(LENGTH)
            unpacked += _unpacked_bytes(batch, message.body)
        except struct.error as error:
            raise ValueError(f"a damaged {message.type}: {error}") from error
    return Sizes(rows, unpacked)


def _unpacked_bytes(batch: _Table, body: Any) -> int:
    if not batch.has(COMPRESSION):
        # Columns may share bytes: each of them will have its own.
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
    """A table of a FlatBuffer: where its fields are is said by a table of offsets before it."""

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
        """A field of eight bytes; one that is at its default is left out."""
        at = self._field(slot)
        return int(struct.unpack_from("<q", self.data, at)[0]) if at else 0

    def numbers(self, slot: int) -> tuple[int, ...]:
        """A vector of structs of two integers, one after the other."""
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
        place = 4 + 2 * slot
        if place >= size:
            return 0
        (distance,) = struct.unpack_from("<H", self.data, offsets + place)
        return self.at + distance if distance else 0
