"""Reads messages of blocks: an Arrow stream of many, or the JSON of one, told apart by their first bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schemas.codec import decode
from schemas.columns.block_rows import AnyBlock, blocks_of, check_block_schema
from schemas.json_text.errors import MalformedError
from schemas.wire.block import Block
from streams.arrow.ipc import STREAM_ERRORS, ArrowElements, damage, read_stream
from streams.arrow.mark import is_stream
from streams.arrow.sizes import sizes_of
from streams.consume.unreadable_batch import check_record
from streams.message_limits import MessageLimits
from streams.produce.rejects import Elements, WholeMessage
from streams.records import Record

__all__ = ["BLOCKS_MAX", "ReadBlocks", "blocks_in", "read_blocks"]

BLOCKS_MAX: Final = 1_000
"""Blocks of one message; one with more is refused as a whole."""

PIECES_MAX: Final = 100
"""Record batches and dictionaries of one message: INTAKE writes one batch, and a dictionary for each coded column."""


class ReadBlocks(NamedTuple):
    """The blocks of a message by their index in it, and by index what is wrong with its other rows."""

    blocks: Mapping[int, AnyBlock]
    wrong: Mapping[int, MalformedError]
    elements: Elements


def read_blocks(record: Record, limits: MessageLimits) -> ReadBlocks:
    """The blocks of a message, in order; raises MalformedError if it is no message of blocks, or a limit is exceeded.

    A row with a wrong value is left out alone. Buffers that are compressed or shared are refused, so a message never
    unpacks to more than its own bytes, which ``limits`` bounds.
    """
    check_record(record, limits)
    return blocks_in(record.value() or b"")


def blocks_in(data: bytes) -> ReadBlocks:
    """The blocks of a message's value; raises MalformedError."""
    if not is_stream(data):
        return ReadBlocks({0: decode(Block, data)}, {}, WholeMessage(data))
    table = _table_of(data)
    blocks: dict[int, AnyBlock] = {}
    wrong: dict[int, MalformedError] = {}
    first = 0
    for batch in table.to_batches():
        try:
            blocks |= enumerate(blocks_of(batch), first)
        except MalformedError:
            _read_apart(batch, first, blocks, wrong)
        first += batch.num_rows
    return ReadBlocks(blocks, wrong, ArrowElements(table))


def _read_apart(batch: Any, first: int, blocks: dict[int, AnyBlock], wrong: dict[int, MalformedError]) -> None:
    """Read rows one by one, of which one at least is wrong."""
    for row in range(batch.num_rows):
        try:
            (blocks[first + row],) = blocks_of(batch.take([row]))
        except MalformedError as error:
            wrong[first + row] = error


def _table_of(data: bytes) -> Any:
    try:
        rows, unpacked_bytes = sizes_of(data, PIECES_MAX)
        if rows > BLOCKS_MAX:
            raise MalformedError(f"{rows} rows; a message may have {BLOCKS_MAX} blocks")
        if unpacked_bytes > len(data):
            raise MalformedError(
                f"{unpacked_bytes} bytes once unpacked, of {len(data)}; expected buffers neither compressed nor shared"
            )
        table = read_stream(data)
        check_block_schema(table.schema)
    except STREAM_ERRORS as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"no Arrow IPC stream: {damage(data, error)}") from error
    if table.num_rows == 0:
        raise MalformedError("no rows; expected a block at least")
    return table
