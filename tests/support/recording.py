"""A recorder on a ClickHouse of the tests, the messages it is given, and the rows that are stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from agents.record.message_rows import ReadingRules
from agents.record.recorder import Recorder
from schemas.codec import encode
from schemas.wire.label import Label
from streams.admin.access import RECORDED
from streams.consume.batches import AssignedPartition
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord
from warehouse.client import Warehouse

IDS = {topic.name: f"id-of-{topic.name}" for topic in RECORDED}
PASSWORDS = {"watchloop": "writer", "analyst": "reader"}


def recorder(
    warehouse: Warehouse,
    stop: threading.Event | None = None,
    topic_ids: Callable[[], dict[str, str]] = lambda: IDS,
) -> Recorder:
    return Recorder(
        warehouse,
        ReadingRules(PREFIX, future_seconds_max=10**9),
        topic_ids=topic_ids,
        stop=stop or threading.Event(),
        clock=lambda: 1_700_000_000.0,
    )


def partitions(*names: str) -> list[AssignedPartition]:
    return [AssignedPartition(name, 0, None) for name in names]


def label(number: int, text: str = "1") -> bytes:
    return encode(Label(event_id=f"e-{number}", model="m", label=text, time=1_700_000_000_000))


def messages(name: str, values: Sequence[bytes | None], begin: int = 0) -> list[PlainRecord]:
    return [PlainRecord(value, name=name, number=begin + number) for number, value in enumerate(values)]


def hand(handler: Recorder, records: Sequence[PlainRecord]) -> CollectingOutbox:
    outbox = CollectingOutbox()
    handler.handle(records, outbox)  # type: ignore[arg-type]
    return outbox


def ids(warehouse: Warehouse, table: str = "labels") -> list[str]:
    return [row["event_id"] for row in warehouse.query(f"SELECT event_id FROM {table} ORDER BY _offset, _index")]
