"""What a consumed message looks like to the rest of the program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Protocol

from confluent_kafka import OFFSET_BEGINNING

__all__ = ["Headers", "Partition", "Record", "by_partition", "start_of", "stretches"]

Headers = list[tuple[str, bytes | None]]
Partition = tuple[str, int]
"""A partition: the name of its topic, and its number."""


class Record(Protocol):
    """One Kafka message, as confluent-kafka's Message has it."""

    def __len__(self) -> int:
        """The length of its bytes; 0 for a tombstone."""

    def value(self) -> bytes | None:
        """Its bytes; None is a tombstone."""

    def key(self) -> bytes | None:
        """Its key; None where the producer gave none."""

    def topic(self) -> str:
        """The full name of its topic."""

    def partition(self) -> int:
        """The partition it came from."""

    def offset(self) -> int:
        """Its place in the partition."""

    def headers(self) -> Headers | None:
        """Its headers, in the producer's order; None where there are none."""

    def timestamp(self) -> tuple[int, int]:
        """(kind, epoch milliseconds) of the broker's or the producer's clock."""


def by_partition(records: Sequence[Record]) -> Iterable[Sequence[Record]]:
    """The messages of each partition of one topic, by partition, each in order."""
    partitions = list(map(type(records[0]).partition, records)) if records else []
    records_of: dict[int, list[Record]] = {}
    begin = 0
    for partition, stretch in groupby(partitions):  # the client hands out stretches of one partition
        end = begin + len(list(stretch))
        records_of.setdefault(partition, []).extend(records[begin:end])
        begin = end
    return [records_of[partition] for partition in sorted(records_of)]


def stretches(records: Sequence[Record], bytes_max: int) -> Iterator[tuple[Sequence[Record], int]]:
    """The records in parts of at most ``bytes_max`` bytes, but for a single larger record, and the bytes of each."""
    sizes = list(map(len, records))
    begin = 0
    for end in _cuts(sizes, bytes_max):
        yield (records, sum(sizes)) if end - begin == len(records) else (records[begin:end], sum(sizes[begin:end]))
        begin = end


def _cuts(sizes: Sequence[int], bytes_max: int) -> list[int]:
    """Where each part ends."""
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
    """The offset to begin at, for the client; ``begin`` where the group has committed nothing, which is below zero.

    Offset 0 is the oldest message that is left, which need not be the first that there ever was.

    >>> start_of(7), start_of(0) == start_of(-1001) == OFFSET_BEGINNING
    (7, True)
    """
    if offset < 0:
        return begin
    return offset or OFFSET_BEGINNING
