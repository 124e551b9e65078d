"""Rows of one partition into inserts: bounded, and bad rows set apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from warehouse.errors import UNKNOWN_COLUMN, QueryRefused, one_line
from warehouse.store.inserts import Insert

__all__ = ["RefusedRow", "pack_inserts", "store"]

InsertCall = Callable[[str, Insert], None]
"""``Warehouse.write``: table, rows."""

ROW_CODES: Final = frozenset(
    {6, 26, 27, 33, 38, 41, 43, 53, 69, 70, 72, 117, 130, 131, 321, 349, 368, 407, 441, 467, 469, 675, 676, 677}
)
"""ClickHouse's codes for data it does not take; others (memory, disk, unknown table) are not a row's fault."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that ClickHouse does not take, by offset and index, with its reason on one line."""

    offset: int
    index: int
    reason: str


def pack_inserts(runs: Iterable[Insert], *, rows_max: int, bytes_max: int) -> Iterator[Insert]:
    """The rows of ``runs`` in inserts of at most ``rows_max`` rows and ``bytes_max`` bytes.

    ``runs`` are of one partition, follow one another, and hold whole messages. The rows of one message stay together;
    a message beyond a bound goes alone, in an insert larger than the bound.
    """
    held: list[Insert] = []
    rows = size_bytes = 0
    for run in runs:
        for piece in _within(run, rows_max, bytes_max):
            if held and (rows + len(piece) > rows_max or size_bytes + piece.size_bytes > bytes_max):
                yield held[0].joined(held[1:])
                held, rows, size_bytes = [], 0, 0
            held.append(piece)
            rows, size_bytes = rows + len(piece), size_bytes + piece.size_bytes
    if held:
        yield held[0].joined(held[1:])


def store(
    write: InsertCall,
    table: str,
    insert: Insert,
    refuse: Callable[[RefusedRow], None],
    begun: Callable[[], None] | None = None,
) -> None:
    """Store an insert; each row that ClickHouse refuses is handed to ``refuse`` before the rows behind it are stored.

    A refused insert is halved until the bad rows stand alone, the first half first: what is stored at any time is all
    rows up to some identity, the refused ones aside. Errors that are not a row's fault are raised: nothing or the first
    part is stored then, and the same call may be repeated (the halves' tokens are the same again). ``begun`` is the
    insert itself where it is under way already; it returns or raises what became of it.
    """
    try:
        if begun is None:
            write(table, insert)
        else:
            begun()
    except QueryRefused as error:
        if error.code not in ROW_CODES or UNKNOWN_COLUMN in error.detail:
            raise
        if len(insert) == 1:
            refuse(RefusedRow(int(insert.offsets[0]), int(insert.indexes[0]), one_line(error.detail)))
            return
        for half in insert.halves(insert.message_start() or len(insert) // 2):
            store(write, table, half, refuse)


def _within(run: Insert, rows_max: int, bytes_max: int) -> Iterator[Insert]:
    """A run as it is where it keeps the bounds, else cut between its messages."""
    at = run.message_start() if len(run) > rows_max or run.size_bytes > bytes_max else None
    if at is None:
        yield run
        return
    for half in run.halves(at):
        yield from _within(half, rows_max, bytes_max)
