"""What a consumed message looks like to the rest of the program, and how a batch of them is divided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Protocol

from confluent_kafka import OFFSET_BEGINNING

__all__ = ["Headers", "Partition", "Record", "by_partition", "start_of", "split_by_bytes"]

Headers = list[tuple[str, bytes | None]]
Partition = tuple[str, int]
"""A partition: the name of its topic, and its number."""


class Record(Protocol):
    """One Kafka message, with the methods of confluent-kafka's Message."""

    def __len__(self) -> int:
        """The length of its value in bytes; 0 for a tombstone."""

    def value(self) -> bytes | None:
        """The bytes of its value; None is a tombstone."""

    def key(self) -> bytes | None:
        """Its key; None if the producer gave none."""

    def topic(self) -> str:
        """The full name of its topic, prefix included."""

    def partition(self) -> int:
        """The number of the partition that it came from."""

    def offset(self) -> int:
        """Its offset in the partition."""

    def headers(self) -> Headers | None:
        """Its headers, in the producer's order; None if it has none."""

    def timestamp(self) -> tuple[int, int]:
        """(Kafka's type of timestamp, epoch milliseconds), by the broker's or the producer's clock."""


def by_partition(records: Sequence[Record]) -> Iterable[Sequence[Record]]:
    """The messages of one topic, grouped by partition; each group in order of offset."""
    partitions = list(map(type(records[0]).partition, records)) if records else []
    records_of: dict[int, list[Record]] = {}
    begin = 0
    for partition, stretch in groupby(partitions):  # the client hands out stretches of one partition
        end = begin + len(list(stretch))
        records_of.setdefault(partition, []).extend(records[begin:end])
        begin = end
    return [records_of[partition] for partition in sorted(records_of)]


def split_by_bytes(records: Sequence[Record], bytes_max: int) -> Iterator[tuple[Sequence[Record], int]]:
    """The records in parts of at most ``bytes_max`` bytes, each part with its size in bytes.

    A record that is larger than ``bytes_max`` makes a part of its own.
    """
    sizes = list(map(len, records))
    begin = 0
    for end in _cuts(sizes, bytes_max):
        yield (records, sum(sizes)) if end - begin == len(records) else (records[begin:end], sum(sizes[begin:end]))
        begin = end


def _cuts(sizes: Sequence[int], bytes_max: int) -> list[int]:
    """The index behind the last record of each part."""
    if sum(sizes) <= bytes_max:
        return [len(sizes)] if sizes else []
    cuts, begin, held = [], 0, 0
    for number, size in enumerate(sizes):
        if number > begin and held + size > bytes_max:
            cuts.append(number)
            begin, held = number, 0
        held += size
    return [*cuts, len(sizes)]


def start_of(offset: int, begin: int = OFFSET_BEGINNING) -> int:
    """The offset at which the client begins to read a partition whose group has committed ``offset``.

    ``offset`` is below zero if the group has committed nothing; then reading starts at ``begin``. Offset 0 becomes the
    beginning: the first message may have been deleted, and the client must start at the oldest one that is left.

    >>> start_of(7), start_of(0) == start_of(-1001) == OFFSET_BEGINNING
    (7, True)
    """
    if offset < 0:
        return begin
    return offset or OFFSET_BEGINNING
