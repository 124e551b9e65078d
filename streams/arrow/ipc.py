"""Opens Arrow IPC streams, and writes some rows of a table as one. What may be inside is checked by the callers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa

from schemas.json_text.errors import MalformedError
from streams.arrow.sizes import MARK_BYTES, Sizes, message_sizes

__all__ = [
    "ARROW_BATCHES_MAX",
    "ARROW_BYTES_MAX",
    "STREAM_ERRORS",
    "ArrowElements",
    "check_unpacked",
    "damage",
    "only_batch",
    "read_stream",
    "schema_message",
    "some_rows",
]

ARROW_BATCHES_MAX: Final = 1_000
"""Record batches and dictionaries of one message; a message with more is rejected as a whole."""

ARROW_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of one message once unpacked: its buffers, and the texts of dictionaries, counted for every row."""

STREAM_ERRORS: Final = (pa.ArrowException, OSError, EOFError, ValueError)
"""What pyarrow and ``sizes_of`` raise for bytes that are no stream or a damaged one; MalformedError is a ValueError."""

END: Final = b"\xff\xff\xff\xff\0\0\0\0"
"""What a writer that closes a stream puts behind it."""
REASON_CHARS_MAX: Final = 500
PADDING: Final = b"\0"
_READ_LESS: Final = re.compile(r"Expected to (?:be able to )?read \d+ .*(?:but only read|got) \d+")


def read_stream(data: bytes) -> Any:
    """The rows of a whole stream as a pyarrow.Table, every value of which was validated.

    Raises MalformedError if more bytes follow its end, because rows there would be lost, and ``STREAM_ERRORS``. The
    caller has checked its sizes (``sizes_of``, ``check_unpacked``).
    """
    source = pa.BufferReader(data)
    with pa.ipc.open_stream(source) as reader:
        table = reader.read_all()
    behind = data[source.tell() :]
    if behind.strip(PADDING):
        raise MalformedError(f"{len(behind)} bytes behind the end of the Arrow stream; expected one stream a message")
    table.validate(full=True)
    return table


def only_batch(data: bytes, schema: Any, check: Callable[[Sizes], None]) -> Any:
    """The record batch of a stream of ``schema`` that has only this one, every value of which was validated.

    It takes a quarter of the time of ``read_stream``. None for a stream with more messages. The stream has no
    dictionaries and is little-endian. ``check`` is called before anything is unpacked; raises what it raises, and
    ``STREAM_ERRORS``.
    """
    source = pa.BufferReader(data)
    source.seek(len(schema_message(data)))
    message = pa.ipc.read_message(source)
    if message.type != "record batch" or data[source.tell() :] not in (b"", END):
        return None
    check(message_sizes(message))
    batch = pa.ipc.read_record_batch(message, schema)
    batch.validate(full=True)
    return batch


def check_unpacked(size: int) -> None:
    """Raises MalformedError for a stream of more than ``ARROW_BYTES_MAX`` unpacked bytes."""
    if size > ARROW_BYTES_MAX:
        raise MalformedError(f"{size} bytes once unpacked; an Arrow message may have {ARROW_BYTES_MAX}")


def schema_message(data: bytes) -> bytes:
    """The beginning of a stream: a mark of four bytes, a length in four bytes, and the schema in so many bytes."""
    return data[: MARK_BYTES + int.from_bytes(data[MARK_BYTES // 2 : MARK_BYTES], "little")]


def damage(data: bytes, error: Exception) -> str:
    """What is wrong with a stream for which one of ``STREAM_ERRORS`` was raised: truncated, or pyarrow's own words."""
    said = " ".join(str(error).split())[:REASON_CHARS_MAX]
    return f"truncated after {len(data)} bytes; expected all of it ({said})" if _READ_LESS.search(said) else said


def some_rows(table: Any, indexes: Sequence[int]) -> bytes:
    """An Arrow IPC stream of some rows of a pyarrow.Table."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.slice(indexes[0], 1) if len(indexes) == 1 else table.take(indexes))
    return bytes(sink.getvalue().to_pybytes())


class ArrowElements:
    """The rows of an Arrow stream, each as a stream of its own; ``table`` is a pyarrow.Table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def element(self, index: int) -> bytes:
        """An Arrow stream of the row at ``index``, from 0."""
        return self.elements([index])

    def elements(self, indexes: Sequence[int]) -> bytes:
        """An Arrow stream of the rows at these indexes."""
        return some_rows(self._table, indexes)
