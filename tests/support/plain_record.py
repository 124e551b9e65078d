"""A Kafka record without Kafka, and an outbox that keeps what it is given."""

from __future__ import annotations

import dataclasses

from schemas.codec import decode_one_or_many
from schemas.columns.block_rows import struct_of
from schemas.topics import BLOCKS, Topic
from schemas.wire.base import Wire
from streams.arrow.mark import is_stream
from streams.blocks.block_reader import blocks_in
from streams.verdicts.messages import read_verdicts

PREFIX = "watchloop."


@dataclasses.dataclass
class PlainRecord:
    """A ``streams.records.Record`` of given fields; ``number`` is its offset."""

    data: bytes | None
    name: str = "predictions"
    partition_number: int = 0
    number: int = 0
    key_bytes: bytes | None = b"key"
    time_ms: int = 1_700_000_000_000
    header_list: list[tuple[str, bytes | None]] | None = None

    def __len__(self) -> int:
        return len(self.data or b"")

    def value(self) -> bytes | None:
        return self.data

    def key(self) -> bytes | None:
        return self.key_bytes

    def topic(self) -> str:
        return PREFIX + self.name

    def partition(self) -> int:
        return self.partition_number

    def offset(self) -> int:
        return self.number

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.header_list

    def timestamp(self) -> tuple[int, int]:
        return 2, self.time_ms


class CollectingOutbox:
    """An outbox that keeps what is sent, by topic."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str | bytes, Wire | list[Wire] | bytes | None]] = []

    def send(self, topic: Topic, key: str | bytes, value: Wire | list[Wire] | bytes | None) -> None:
        self.sent.append((topic.name, key, value))

    def poll(self) -> None:
        """Do nothing: no delivery is reported."""

    def flush(self, seconds_max: float = 30.0) -> None:
        """Do nothing: every message is kept at once."""

    def of(self, topic: Topic) -> list[Wire]:
        """The values sent to one topic; each element of an array is a value."""
        values: list[Wire] = []
        for name, _, value in self.sent:
            if name == topic.name == BLOCKS.name and isinstance(value, bytes):
                values += map(struct_of, blocks_in(value).blocks.values())
            elif name == topic.name and isinstance(value, bytes) and topic.value is not None:
                is_arrow = is_stream(value)
                values += read_verdicts(value, 10_000).values if is_arrow else decode_one_or_many(topic.value, value)
            elif name == topic.name and value is not None:
                values += value if isinstance(value, list) else [value]
        return values
