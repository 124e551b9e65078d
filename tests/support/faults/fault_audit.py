"""Compares what the topics and ClickHouse hold after a fault with what was sent."""

from __future__ import annotations

import base64
import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from schemas.codec import decode, decode_one_or_many
from schemas.topics import BLOCKS, PREDICTIONS, REJECTS, REVIEW_EVENTS, VERDICTS
from schemas.wire.reject import Reject
from schemas.wire.task import Task
from schemas.wire.verdict import Verdict
from streams.blocks.block_reader import blocks_in
from streams.client_config import common_client_config
from streams.consume.log_reader import LogReader
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.faults.fault_feed import Ledger
from tests.support.waiting import PATIENCE_SECONDS
from warehouse.client import Warehouse

__all__ = ["Archive", "Log", "messages_of"]

Position = tuple[int, int, int]
"""Partition, offset, and index within an array message."""
SHOWN_MAX: Final = 3
TABLES: Final = ("predictions", "verdicts", "rejects", "tasks", "blocks")


@dataclasses.dataclass
class Log:
    """What a reader of committed messages finds in the topics that INTAKE writes."""

    verdicts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    asked: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """Task ids that verdicts name."""
    tasks: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    rejects: collections.Counter[Position] = dataclasses.field(default_factory=collections.Counter)
    originals: dict[Position, bytes] = dataclasses.field(default_factory=dict)
    strangers: list[Reject] = dataclasses.field(default_factory=list)
    """Rejects of anything but a prediction, or of anybody but INTAKE."""
    events_in_blocks: int = 0

    @classmethod
    def read(cls, kafka: KafkaSettings) -> Log:
        """Read the topics from their beginning to their end."""
        log = cls()
        reader = log.reader(kafka)
        reader.catch_up(PATIENCE_SECONDS)
        reader.close()
        return log

    def reader(self, kafka: KafkaSettings) -> LogReader:
        """A reader that fills this log."""
        return LogReader(
            kafka,
            {
                VERDICTS.name: self._hear_verdicts,
                REVIEW_EVENTS.name: self._hear_task,
                REJECTS.name: self._hear_reject,
                BLOCKS.name: self._hear_blocks,
            },
        )

    def problems(self, sent: Ledger) -> list[str]:
        """The differences from what was sent, a line each; empty if all is right."""
        return [
            *unlike("verdict", self.verdicts, once(sent.events)),
            *unlike("reject", self.rejects, once(sent.rejects)),
            *(f"reject {position}: other bytes" for position in differing(self.originals, sent.rejects)),
            *(
                f"a reject of {reject.source_topic} by {reject.role}: {reject.reason}"
                for reject in self.strangers[:SHOWN_MAX]
            ),
            *unlike("task named by a verdict", self.asked, once(self.tasks)),
            *unlike("task", self.tasks, once(self.asked)),
            *([] if self.events_in_blocks == len(sent.events) else [f"blocks hold {self.events_in_blocks} events"]),
        ]

    def _hear_verdicts(self, record: Record) -> None:
        for verdict in decode_one_or_many(Verdict, record.value() or b""):
            self.verdicts[verdict.event_id] += 1
            if verdict.task_id:
                self.asked[verdict.task_id] += 1

    def _hear_task(self, record: Record) -> None:
        self.tasks[decode(Task, record.value() or b"").task_id] += 1

    def _hear_reject(self, record: Record) -> None:
        reject = decode(Reject, record.value() or b"")
        if (reject.source_topic, reject.role) != (PREDICTIONS.name, "intake"):
            self.strangers.append(reject)
            return
        position = (reject.source_partition, reject.source_offset, reject.source_index)
        self.rejects[position] += 1
        self.originals[position] = reject.original

    def _hear_blocks(self, record: Record) -> None:
        self.events_in_blocks += sum(block.events for block in blocks_in(record.value() or b"").blocks.values())


@dataclasses.dataclass
class Archive:
    """What ClickHouse holds."""

    predictions: collections.Counter[str]
    verdicts: collections.Counter[str]
    tasks: collections.Counter[str]
    rejects: collections.Counter[Position]
    originals: dict[Position, bytes]
    events_in_blocks: int
    doubled: int
    """Identities that more than one row bears."""

    @classmethod
    def read(cls, warehouse: Warehouse) -> Archive:
        """The rows that ClickHouse has now: predictions and verdicts counted by event id, rejects by position."""
        sql = "SELECT source_partition AS p, source_offset AS o, source_index AS i, original_base64 AS b FROM rejects"
        rejects = [((row["p"], row["o"], row["i"]), base64.b64decode(row["b"])) for row in warehouse.query(sql)]
        doubled = warehouse.query(
            "SELECT count() AS n FROM (SELECT name, t, p, o, i FROM ("
            + " UNION ALL ".join(
                f"SELECT '{table}' AS name, _topic_id AS t, _partition AS p, _offset AS o, _index AS i FROM {table}"
                for table in TABLES
            )
            + ") GROUP BY name, t, p, o, i HAVING count() > 1)"
        )
        return cls(
            column(warehouse, "SELECT event_id FROM predictions"),
            column(warehouse, "SELECT event_id FROM verdicts"),
            column(warehouse, "SELECT task_id FROM tasks"),
            collections.Counter(position for position, _ in rejects),
            dict(rejects),
            warehouse.query("SELECT sum(events) AS n FROM blocks")[0]["n"],
            doubled[0]["n"],
        )

    def problems(self, sent: Ledger, log: Log) -> list[str]:
        """The differences from what was sent, a line each; empty if all is right."""
        return [
            *unlike("prediction in ClickHouse", self.predictions, sent.events),
            *unlike("verdict in ClickHouse", self.verdicts, once(sent.events)),
            *unlike("task in ClickHouse", self.tasks, log.tasks),
            *unlike("reject in ClickHouse", self.rejects, once(sent.rejects)),
            *(f"reject {position} in ClickHouse: other bytes" for position in differing(self.originals, sent.rejects)),
            *([] if self.doubled == 0 else [f"{self.doubled} identities in ClickHouse more than once"]),
            *([] if self.events_in_blocks == log.events_in_blocks else [f"{self.events_in_blocks} events in blocks"]),
        ]


def column(warehouse: Warehouse, sql: str) -> collections.Counter[str]:
    """One column of plain text, counted."""
    return collections.Counter(warehouse.raw(sql, "TabSeparated").decode().split())


def once(wanted: Iterable[Any]) -> dict[Any, int]:
    """A count of 1 for each of these."""
    return dict.fromkeys(wanted, 1)


def unlike(what: str, counted: Mapping[Any, int], wanted: Mapping[Any, int]) -> list[str]:
    """Lines about what is missing, too frequent or unknown, each with how many there are and a few examples."""
    fewer = [key for key, count in wanted.items() if counted.get(key, 0) < count]
    more = [key for key, count in counted.items() if key in wanted and count > wanted[key]]
    strange = [key for key in counted if key not in wanted]
    return [
        f"{what}: {len(keys)} {how}, such as {sorted(keys)[:SHOWN_MAX]}"
        for how, keys in (("missing", fewer), ("too many", more), ("of nothing that was sent", strange))
        if keys
    ]


def differing(stored: Mapping[Position, bytes], wanted: Mapping[Position, bytes]) -> list[Position]:
    """Where a Reject holds other bytes than were sent; at most ``SHOWN_MAX`` positions."""
    return [position for position, data in stored.items() if position in wanted and wanted[position] != data][
        :SHOWN_MAX
    ]


def messages_of(kafka: KafkaSettings, topic: str, isolation: str) -> int:
    """How many messages a reader of that isolation level finds in a topic."""
    consumer = Consumer(
        {
            **common_client_config(kafka),
            "group.id": "counts",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
        }
    )
    name = kafka.prefix + topic
    unread = set(consumer.list_topics(name, timeout=PATIENCE_SECONDS).topics[name].partitions)
    consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for partition in unread])
    count = 0
    while unread:
        for message in consumer.consume(2_000, 0.2):
            error = message.error()
            if error is None:
                count += 1
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition())  # type: ignore[arg-type]
    consumer.close()
    return count
