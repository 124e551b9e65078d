"""No message stops a partition: whatever it holds, it leaves verdicts or Rejects, and what follows it is read."""

from __future__ import annotations

import random

import pytest

from agents.intake.prediction_handler import PredictionHandler
from schemas.codec import decode_one_or_many, encode
from schemas.topics import ALL_TOPICS, BLOCKS, REJECTS, REVIEW_EVENTS, VERDICTS
from schemas.wire.base import Wire
from schemas.wire.reject import Reject
from schemas.wire.verdict import Verdict
from streams.predictions.message_reader import read_predictions
from streams.predictions.prediction_reader import PredictionReader
from tests.support.faults.fault_poison import poison
from tests.support.faults.fault_story import SEED
from tests.support.plain_intake import plain_intake
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord
from tests.support.plain_rows import prediction_row, rows_of
from warehouse.client import Warehouse
from warehouse.store.arrow_columns import Identities, prediction_columns
from warehouse.store.inserts import ColumnInsert
from warehouse.store.rows import Identity, Row, encode_rows

NOW_MS = 1_700_000_000_000
DAY_SECONDS = 86_400
MESSAGES = 4_000
BATCHES = (1, 1, 1, 2, 7, 250)


@pytest.fixture(scope="module")
def records() -> list[PlainRecord]:
    draw = random.Random(f"{SEED}/poison")
    return [
        PlainRecord(poison(draw, number, NOW_MS), number=number, key_bytes=b"%d" % number, time_ms=NOW_MS)
        for number in range(MESSAGES)
    ]


def intake() -> PredictionHandler:
    reader = PredictionReader(PREFIX, future_ms_max=DAY_SECONDS * 1000)
    return plain_intake(reader, NOW_MS)


def rows(records: list[PlainRecord]) -> list[Row]:
    """What RECORD stores of them."""
    arrivals = read_predictions(records, PREFIX, now_ms=0, future_ms_max=DAY_SECONDS * 1000)
    return [
        prediction_row(event) | {"_offset": offset, "_index": index}
        for event, offset, index in zip(arrivals.events, arrivals.offsets, arrivals.indexes, strict=True)
    ]


def test_every_message_leaves_something(records: list[PlainRecord]) -> None:
    """In batches of every size: a verdict for each readable part, a Reject with its bytes for each other, and all of
    it can be written to its topic and its table.
    """
    draw, handler, position = random.Random(SEED), intake(), 0
    judged: set[tuple[str, str]] = set()
    while position < len(records):
        batch = records[position : position + draw.choice(BATCHES)]
        position += len(batch)
        outbox = CollectingOutbox()
        handler.handle(batch, outbox)
        handler.committed()
        judged |= {(verdict.model, verdict.event_id) for verdict in outbox.of(VERDICTS) if isinstance(verdict, Verdict)}
        rejects = outbox.of(REJECTS)
        readable = rows(batch)
        told = {record.number for record in batch} - {row["_offset"] for row in readable}
        refused = {reject.source_offset for reject in rejects if isinstance(reject, Reject)}
        assert {(row["model"], row["event_id"]) for row in readable} <= judged
        assert told <= refused, f"nothing of {records[min(told - refused)].data!r}"
        write(outbox)


def write(outbox: CollectingOutbox) -> None:
    """As it is done on the way to Kafka and to ClickHouse; raises what cannot be."""
    for name, key, value in outbox.sent:
        assert value is not None
        values: list[Wire] = outbox_values(name, value)
        assert encode(values)
        assert key if isinstance(key, bytes) else key.encode()
        if name in (VERDICTS.name, REJECTS.name, BLOCKS.name, REVIEW_EVENTS.name):
            assert encode_rows(rows_of(name, values, Identity("poison", 0, 0)))


def outbox_values(name: str, value: Wire | list[Wire] | bytes) -> list[Wire]:
    """The values of a message, encoded or not yet."""
    if isinstance(value, bytes):
        value_type = next(topic.value for topic in ALL_TOPICS if topic.name == name)
        assert value_type is not None
        return decode_one_or_many(value_type, value)
    return value if isinstance(value, list) else [value]


@pytest.mark.servers
def test_clickhouse_takes_every_readable_one(records: list[PlainRecord], warehouse: Warehouse) -> None:
    """What INTAKE can read, RECORD can store: none of it is refused, and each comes back as it was."""
    wanted = rows(records)
    assert len(wanted) > MESSAGES // 10
    read = read_predictions(records, PREFIX, now_ms=0, future_ms_max=DAY_SECONDS * 1000)
    identities = Identities("poison", 0, read.offsets, read.indexes)
    warehouse.write("predictions", ColumnInsert(prediction_columns(read.events, read.times_ms, identities)))
    stored = warehouse.query(
        "SELECT _offset AS o, _index AS i, event_id, model, toUnixTimestamp64Milli(time) AS t FROM predictions"
    )
    assert sorted((r["o"], r["i"], r["event_id"], r["model"], r["t"]) for r in stored) == sorted(
        (r["_offset"], r["_index"], r["event_id"], r["model"], round(r["time"] * 1000)) for r in wanted
    )
