"""One producer's messages do not hold up the verdicts of others: a batch has a bounded number of elements."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import Producer

from agents.intake.judge import Judge, JudgeSettings
from agents.intake.prediction_handler import PredictionHandler
from agents.shared.metrics import INTAKE_REJECTS
from drift.settings import DriftSettings
from review.settings import QueueSettings, TriageSettings
from schemas.codec import decode, decode_one_or_many
from schemas.topics import PREDICTIONS, REJECTS, VERDICTS
from schemas.wire.reject import Reject
from schemas.wire.verdict import Verdict
from streams.consume.batches import BatchSettings
from streams.consume.log_reader import LogReader
from streams.consume.transactions import TransactionalBatches
from streams.predictions.prediction_reader import PredictionReader
from streams.produce.outbox import producer_config
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord
from tests.support.waiting import PATIENCE_SECONDS, eventually

NOW_MS = 1_700_000_000_000
ELEMENTS_MAX = 20_000
MIB = 1024 * 1024


def prediction(number: int, model: str = "churn") -> dict[str, Any]:
    return {
        "event_id": f"e-{number}",
        "model": model,
        "time": NOW_MS + number,
        "features": {"age": number % 70},
        "prediction": "stay",
        "confidence": 0.75,
    }


def record(value: Any, partition: int, offset: int) -> PlainRecord:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return PlainRecord(data, partition_number=partition, number=offset, time_ms=NOW_MS + 10**6)


def intake() -> PredictionHandler:
    judge = Judge(
        JudgeSettings(
            triage=lambda _: TriageSettings(), labels=lambda _: (), drift=DriftSettings(), queue=QueueSettings()
        ),
        reference_of=lambda _: None,
        serving_of=lambda _: None,
    )
    reader = PredictionReader(PREFIX, future_ms_max=60_000)
    return PredictionHandler(reader, judge, elements_max=ELEMENTS_MAX)


def handled(handler: PredictionHandler, records: Sequence[Record]) -> tuple[Sequence[Record], list[str], list[Reject]]:
    """The records left by a batch, the ids that got a verdict, and the Rejects."""
    outbox = CollectingOutbox()
    left = handler.handle(records, outbox)
    handler.committed()
    verdicts = [verdict.event_id for verdict in outbox.of(VERDICTS) if isinstance(verdict, Verdict)]
    return left, verdicts, [value for value in outbox.of(REJECTS) if isinstance(value, Reject)]


BOMB = b"[" + b",".join([b"{}"] * 10_000) + b"]"


def test_ordinary_events_keep_coming_beside_poison() -> None:
    """Two partitions are full of arrays of ``{}``: once both have used up a batch, the two ordinary ones come first."""
    handler, offsets = intake(), dict.fromkeys(range(4), 0)
    waiting: dict[int, list[PlainRecord]] = {
        partition: [record(BOMB, partition, n) for n in range(50)] for partition in (0, 1)
    }
    told: list[str] = []
    late: list[Record] = []
    refused = 0
    for number in range(8):
        for partition in (2, 3):
            for _ in range(10):
                late.append(record(prediction(offsets[partition] + partition * 1000), partition, offsets[partition]))
                offsets[partition] += 1
        left, verdicts, rejects = handled(handler, [*waiting[0], *waiting[1], *late])
        told += verdicts
        refused += sum(reject.elements for reject in rejects)
        waiting = {partition: [message for message in waiting[partition] if message in left] for partition in (0, 1)}
        late = [message for message in left if message.partition() > 1]
        assert not late or number < 2, "both partitions have had their turn"
    assert len(told) == len(set(told)) == 160
    assert refused == (100 - len(waiting[0]) - len(waiting[1])) * 10_000
    assert all(len(some) < 50 for some in waiting.values()), "both get on"


def test_all_is_answered_in_order_in_the_end() -> None:
    """However often a batch is cut, each message is read once, and each partition in order."""
    handler = intake()
    records: Sequence[Record] = [
        record(BOMB if partition == 0 or n % 7 == 3 else prediction(n * 10 + partition), partition, n)
        for n in range(30)
        for partition in range(3)
    ]
    wanted = sum(1 for r in records if r.value() != BOMB)
    told: list[str] = []
    seen: list[tuple[int, int]] = []
    rounds = 0
    while records:
        left, verdicts, rejects = handled(handler, records)
        assert len(left) < len(records)
        told += verdicts
        seen += [(reject.source_partition, reject.source_offset) for reject in rejects]
        records, rounds = left, rounds + 1
    assert rounds > 1
    assert len(told) == len(set(told)) == wanted
    for partition in range(3):
        offsets = [offset for source, offset in seen if source == partition]
        assert offsets == sorted(offsets)


def test_ordinary_batches_are_not_cut() -> None:
    """A batch within the bound is handled whole, and leaves nothing."""
    left, verdicts, _ = handled(intake(), [record([prediction(n)], n % 3, n // 3) for n in range(3_000)])
    assert left == []
    assert len(verdicts) == 3_000


def test_a_million_elements_beside_ordinary_events() -> None:
    """A message of a million ``{}`` becomes one Reject in little memory; everything around it gets a verdict."""
    million = b"[" + b",".join([b"{}"] * 1_000_000) + b"]"
    ordinary = [record(prediction(n), n % 2, 1 + n // 2) for n in range(400)]
    handler = intake()
    handled(handler, [record(prediction(1_000), 0, 0)])
    before = INTAKE_REJECTS._value.get()
    tracemalloc.start()
    left, verdicts, rejects = handled(handler, [record(million, 0, 0), *ordinary])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left == []
    assert len(verdicts) == 400
    assert [(reject.elements, reject.source_index_last) for reject in rejects] == [(1_000_000, 999_999)]
    assert INTAKE_REJECTS._value.get() - before == 1_000_000
    assert peak < 64 * MIB


@pytest.mark.servers
def test_through_kafka_a_million_elements_hold_nobody_up(kafka_topics: KafkaSettings) -> None:
    """The message is compressed on the wire: events around it get one verdict each, and it becomes one Reject."""
    million = b"[" + b",".join([b"{}"] * 1_000_000) + b"]"
    producer = Producer({**producer_config(kafka_topics), "compression.type": "lz4"})
    topic = kafka_topics.prefix + PREDICTIONS.name
    now_ms = int(time.time() * 1000)
    for number in range(200):
        if number == 60:
            producer.produce(topic, million, b"k", partition=0)
        event = prediction(number) | {"time": now_ms}
        producer.produce(topic, json.dumps(event).encode(), b"k", partition=number % 2)
    assert producer.flush(60) == 0
    plain = intake()
    handler = PredictionHandler(plain._reader, plain._judge, elements_max=100_000)
    batches = TransactionalBatches(
        kafka_topics,
        group="intake",
        slot="0",
        undo=handler.undo,
        committed=handler.committed,
        topics=[PREDICTIONS],
        handle=handler.handle,
        batch=BatchSettings(events_max=50, wait_seconds=0.1),
    )
    verdicts: list[str] = []
    rejects: list[Reject] = []
    reader = LogReader(
        kafka_topics,
        {
            VERDICTS.name: lambda record: verdicts.extend(
                verdict.event_id for verdict in decode_one_or_many(Verdict, record.value() or b"")
            ),
            REJECTS.name: lambda record: rejects.append(decode(Reject, record.value() or b"")),
        },
    )
    reader.catch_up()
    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(stop,)) for run in (batches.run, reader.run)]
    for thread in threads:
        thread.start()
    eventually("verdicts and Rejects", lambda: len(verdicts) >= 200 and rejects)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert sorted(verdicts) == sorted(f"e-{number}" for number in range(200))
    assert [(reject.elements, reject.source_index_last) for reject in rejects] == [(1_000_000, 999_999)]
    digest = hashlib.sha256(million).hexdigest()
    assert (rejects[0].original_length, rejects[0].original_sha256) == (len(million), digest)
