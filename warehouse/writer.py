"""Rows of one partition into inserts: bounded, each with a token made of its rows' identity, bad rows set apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from warehouse.errors import QueryRefused, one_line
from warehouse.rows import Row, encode_rows

__all__ = ["Insert", "RefusedRow", "split_inserts", "store"]

InsertCall = Callable[[str, bytes, str], None]
"""``Warehouse.insert``: table, encoded rows, token."""

ROW_CODES: Final = frozenset(
    {6, 26, 27, 33, 38, 41, 43, 53, 69, 70, 72, 117, 130, 131, 321, 349, 368, 407, 441, 467, 675, 676, 677}
)
"""ClickHouse's codes for data it cannot read; others (memory, disk, unknown table) are not a row's fault."""

UNKNOWN_COLUMN: Final = "Unknown field found"
"""ClickHouse's word for a column that the table lacks: the tables are older than the program, no row is bad."""


@dataclass(frozen=True, slots=True)
class Insert:
    """One insert of rows of one partition, in the order of their offsets."""

    rows: tuple[Row, ...]
    lines: tuple[bytes, ...]

    @property
    def token(self) -> str:
        """The deduplication token: ``topic_id/partition/first-last``, each end as offset.index."""
        first, last = self.rows[0], self.rows[-1]
        ends = f"{first['_offset']}.{first['_index']}-{last['_offset']}.{last['_index']}"
        return f"{first['_topic_id']}/{first['_partition']}/{ends}"

    @property
    def block(self) -> bytes:
        """The rows as JSONEachRow."""
        return b"".join(self.lines)

    def halves(self) -> tuple[Insert, Insert]:
        """The first and the second half of the rows."""
        middle = len(self.rows) // 2
        return Insert(self.rows[:middle], self.lines[:middle]), Insert(self.rows[middle:], self.lines[middle:])


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that ClickHouse does not read, with its reason on one line."""

    row: Row
    reason: str


def split_inserts(rows: Sequence[Row], *, rows_max: int, bytes_max: int) -> Iterator[Insert]:
    """Inserts of at most ``rows_max`` rows and ``bytes_max`` bytes.

    ``rows`` are of one partition, ordered by offset and index. The rows of one message stay together, so that the
    highest offset stored says which messages are stored whole; a message beyond a bound goes alone, in an insert
    larger than the bound.
    """
    held: list[tuple[Row, bytes]] = []
    held_bytes = 0
    for message in _messages(rows):
        message_bytes = sum(len(line) for _, line in message)
        if held and (len(held) + len(message) > rows_max or held_bytes + message_bytes > bytes_max):
            yield _insert_of(held)
            held, held_bytes = [], 0
        held += message
        held_bytes += message_bytes
    if held:
        yield _insert_of(held)


def store(insert: InsertCall, table: str, one: Insert) -> list[RefusedRow]:
    """Store an insert; returns the rows that ClickHouse refuses, after the others are stored.

    A refused insert is halved until the bad rows stand alone. Errors that are not a row's fault are
    raised: nothing or the first part is stored then, and the same call may be repeated (the halves' tokens are the
    same again).
    """
    try:
        insert(table, one.block, one.token)
    except QueryRefused as error:
        if error.code not in ROW_CODES or UNKNOWN_COLUMN in error.detail:
            raise
        if len(one.rows) == 1:
            return [RefusedRow(one.rows[0], one_line(error.detail))]
        first, second = one.halves()
        return [*store(insert, table, first), *store(insert, table, second)]
    return []


def _messages(rows: Sequence[Row]) -> Iterator[list[tuple[Row, bytes]]]:
    message: list[tuple[Row, bytes]] = []
    for row in rows:
        if message and message[-1][0]["_offset"] != row["_offset"]:
            yield message
            message = []
        message.append((row, encode_rows((row,))))
    if message:
        yield message


def _insert_of(held: list[tuple[Row, bytes]]) -> Insert:
    return Insert(tuple(row for row, _ in held), tuple(line for _, line in held))
