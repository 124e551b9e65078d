"""Inserts: rows of one partition, ordered by offset and index, as JSON lines or as Arrow columns.

Rows are packed into inserts of bounded size; rows that ClickHouse refuses are set apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa

from schemas.texts.one_line import one_line
from warehouse.errors import LINE_CHARS_MAX, UNKNOWN_COLUMN, QueryRefused
from warehouse.store.arrow_columns import encode_columns
from warehouse.store.rows import Row, encode_rows

__all__ = ["ColumnInsert", "Insert", "JsonInsert", "RefusedRow", "pack_inserts", "store"]

ROW_CODES: Final = frozenset(
    {6, 26, 27, 33, 38, 41, 43, 53, 69, 70, 72, 117, 130, 131, 321, 349, 368, 407, 441, 467, 469, 675, 676, 677}
)
"""ClickHouse's codes for data that it refuses; other errors (memory, disk, unknown table) are not a row's fault."""


class Insert(ABC):
    """Rows of one partition that ClickHouse gets at once, at least one."""

    format: ClassVar[str]
    """ClickHouse's name of the format of ``block``."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """The size of the block without its framing."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...] | None:
        """The columns that the block fills; None if the block names them itself."""

    @property
    @abstractmethod
    def source(self) -> tuple[str, int]:
        """Kafka's id of the topic, and the partition."""

    @property
    @abstractmethod
    def offsets(self) -> Sequence[int]:
        """The offset of each row's message."""

    @property
    @abstractmethod
    def indexes(self) -> Sequence[int]:
        """The index of each row in its message."""

    @abstractmethod
    def block(self) -> bytes:
        """The rows as ClickHouse reads them."""

    @abstractmethod
    def part(self, start: int, stop: int) -> Insert:
        """The rows from ``start`` to before ``stop``."""

    @abstractmethod
    def joined(self, others: Sequence[Any]) -> Insert:
        """The rows of this insert and of ``others``, which have the same type and follow it."""

    @property
    def token(self) -> str:
        """The deduplication token: ``topic_id/partition/first-last``, each end as offset.index."""
        topic_id, partition = self.source
        offsets, indexes = self.offsets, self.indexes
        return f"{topic_id}/{partition}/{offsets[0]}.{indexes[0]}-{offsets[-1]}.{indexes[-1]}"

    def chosen(self, wanted: Sequence[bool]) -> Insert | None:
        """The rows that are ``wanted``, one flag for each row; None if none is."""
        edges = np.flatnonzero(np.diff(np.array([False, *wanted, False], np.int8)))
        parts = [self.part(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
        return parts[0].joined(parts[1:]) if parts else None

    def message_start(self) -> int | None:
        """Index of the row nearest to the middle that begins a message, other than row 0; None in a single message."""
        starts = np.flatnonzero(np.diff(np.asarray(self.offsets))) + 1
        return int(starts[np.abs(starts - len(self) // 2).argmin()]) if len(starts) else None

    def halves(self, at: int) -> tuple[Insert, Insert]:
        """The rows before ``at``, and the others."""
        return self.part(0, at), self.part(at, len(self))


@dataclass(frozen=True, slots=True)
class JsonInsert(Insert):
    """Rows as JSONEachRow, each already encoded."""

    rows: tuple[Row, ...]
    lines: tuple[bytes, ...]
    format: ClassVar[str] = "JSONEachRow"

    @classmethod
    def of(cls, rows: Sequence[Row]) -> JsonInsert:
        """An insert of these rows, at least one, each encoded as a line of JSON."""
        return cls(tuple(rows), tuple(encode_rows((row,)) for row in rows))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size_bytes(self) -> int:
        """The size of the block."""
        return sum(map(len, self.lines))

    @property
    def columns(self) -> None:
        """None: each line names its columns."""
        return

    @property
    def source(self) -> tuple[str, int]:
        """Kafka's id of the topic, and the partition."""
        return self.rows[0]["_topic_id"], self.rows[0]["_partition"]

    @property
    def offsets(self) -> Sequence[int]:
        """The offset of each row's message."""
        return [row["_offset"] for row in self.rows]

    @property
    def indexes(self) -> Sequence[int]:
        """The index of each row in its message."""
        return [row["_index"] for row in self.rows]

    def block(self) -> bytes:
        """One JSON object a line."""
        return b"".join(self.lines)

    def part(self, start: int, stop: int) -> JsonInsert:
        """The rows from ``start`` to before ``stop``."""
        return JsonInsert(self.rows[start:stop], self.lines[start:stop])

    def joined(self, others: Sequence[JsonInsert]) -> JsonInsert:
        """One insert of the rows of all, in this order."""
        inserts = (self, *others)
        return JsonInsert(
            tuple(row for insert in inserts for row in insert.rows),
            tuple(line for insert in inserts for line in insert.lines),
        )


@dataclass(frozen=True, slots=True)
class ColumnInsert(Insert):
    """Rows as a pyarrow.RecordBatch that has the columns of their identity."""

    batch: Any
    format: ClassVar[str] = "ArrowStream"

    def __len__(self) -> int:
        rows: int = self.batch.num_rows
        return rows

    @property
    def size_bytes(self) -> int:
        """The size of the columns."""
        size: int = self.batch.nbytes
        return size

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns: ClickHouse would silently leave out those that the table lacks, if they were not named."""
        return tuple(self.batch.schema.names)

    @property
    def source(self) -> tuple[str, int]:
        """Kafka's id of the topic, and the partition."""
        return self.batch.column("_topic_id")[0].as_py(), self.batch.column("_partition")[0].as_py()

    @property
    def offsets(self) -> Any:
        """The offset of each row's message."""
        return self.batch.column("_offset").to_numpy()

    @property
    def indexes(self) -> Any:
        """The index of each row in its message."""
        return self.batch.column("_index").to_numpy()

    def block(self) -> bytes:
        """An Arrow IPC stream of one batch."""
        return encode_columns(self.batch)

    def part(self, start: int, stop: int) -> ColumnInsert:
        """The rows from ``start`` to before ``stop``; nothing is copied."""
        return ColumnInsert(self.batch.slice(start, stop - start))

    def joined(self, others: Sequence[ColumnInsert]) -> ColumnInsert:
        """One insert of the rows of all, in this order; the columns are copied."""
        return ColumnInsert(pa.concat_batches([self.batch, *(other.batch for other in others)])) if others else self


InsertCall = Callable[[str, Insert], None]
"""``Warehouse.write``: stores an insert in a table."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that ClickHouse refuses, by offset and index, with ClickHouse's reason on one line."""

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
    part is stored then, and the same call may be repeated (the halves have the same tokens again). If the insert is
    under way already, ``begun`` waits for it: it returns when the rows are stored, or raises the error.
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
            refuse(RefusedRow(int(insert.offsets[0]), int(insert.indexes[0]), one_line(error.detail, LINE_CHARS_MAX)))
            return
        for half in insert.halves(insert.message_start() or len(insert) // 2):
            store(write, table, half, refuse)


def _within(run: Insert, rows_max: int, bytes_max: int) -> Iterator[Insert]:
    """The run itself if it keeps the bounds, else its pieces, cut between messages."""
    at = run.message_start() if len(run) > rows_max or run.size_bytes > bytes_max else None
    if at is None:
        yield run
        return
    for half in run.halves(at):
        yield from _within(half, rows_max, bytes_max)
