"""A batch that the Kafka client cannot unpack does not stop a partition: it is skipped, and reported once."""

from __future__ import annotations

import collections
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.topics import CORRECTIONS, PREDICTIONS, VERDICTS
from streams.consume.batches import BatchSettings, GroupBatches
from streams.consume.log_reader import LogReader
from streams.consume.transactions import TransactionalBatches
from streams.consume.unreadable_batch import UnreadableBatch, end_of_batch
from streams.message_limits import MessageLimits
from streams.predictions.label_reader import label_of
from streams.predictions.message_reader import read_predictions
from streams.predictions.prediction_reader import PredictionReader
from streams.produce.outbox import Outbox
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.plain_record import PREFIX
from tests.support.waiting import PATIENCE_SECONDS, eventually

SMALL = BatchSettings(events_max=50, wait_seconds=0.1)
BOMB = b"[" + b"{}," * 3_000_000 + b"{}]"
"""Nine MB, of which zstd makes less than one KB."""


@pytest.fixture
def kafka(kafka_topics: KafkaSettings) -> KafkaSettings:
    """Clients that unpack six MB at most, so that a bomb need not be large."""
    return msgspec.structs.replace(
        kafka_topics, client={"fetch.max.bytes": "5000000", "receive.message.max.bytes": "6000000"}
    )


@pytest.fixture
def running() -> Iterator[Callable[[Callable[[threading.Event], None]], None]]:
    """Starts loops, and ends them."""
    stop, threads = threading.Event(), []

    def start(body: Callable[[threading.Event], None]) -> None:
        threads.append(threading.Thread(target=body, args=(stop,), daemon=True))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def send(kafka: KafkaSettings, topic: str, values: Sequence[bytes], *, partition: int = 0, codec: str = "zstd") -> None:
    """All values in one batch of one partition."""
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "compression.type": codec,
            "message.max.bytes": 100_000_000,
            "batch.size": 100_000_000,
            "linger.ms": 500,
        }
    )
    for value in values:
        producer.produce(kafka.prefix + topic, value, b"k", partition=partition)
    assert producer.flush(PATIENCE_SECONDS) == 0


def echo(done: list[tuple[int, int, str]]) -> Any:
    """A handler that remembers the messages, and sends one for each."""

    def handle(records: Sequence[Record], outbox: Outbox) -> None:
        for record in records:
            problem = record.problem if isinstance(record, UnreadableBatch) else ""
            done.append((record.partition(), record.offset(), problem))
            outbox.send(VERDICTS, b"k", problem.encode() or record.value())

    return handle


def committed(kafka: KafkaSettings) -> collections.Counter[bytes]:
    seen: collections.Counter[bytes] = collections.Counter()
    reader = LogReader(kafka, {VERDICTS.name: lambda record: seen.update([record.value() or b""])})
    reader.catch_up(PATIENCE_SECONDS)
    reader.close()
    return seen


@pytest.mark.servers
@pytest.mark.parametrize("fails", [False, True])
def test_what_lies_behind_is_read(kafka: KafkaSettings, running: Any, monkeypatch: Any, fails: bool) -> None:
    """A bomb of one message and one of three, others before, between and behind, with and without a failed commit."""
    send(kafka, PREDICTIONS.name, [b"before"])
    send(kafka, PREDICTIONS.name, [BOMB])
    send(kafka, PREDICTIONS.name, [b"between"])
    send(kafka, PREDICTIONS.name, [BOMB, b"{}", BOMB])
    send(kafka, PREDICTIONS.name, [b"behind"])
    send(kafka, PREDICTIONS.name, [b"beside"], partition=1)
    done: list[tuple[int, int, str]] = []
    batches = TransactionalBatches(
        kafka,
        group="intake",
        slot="0",
        undo=lambda: None,
        topics=[PREDICTIONS],
        handle=echo(done),
        batch=SMALL,
    )
    if fails:
        producer, failed = batches._producer, []

        class Failing:
            def __getattr__(self, name: str) -> Any:
                return getattr(producer, name)

            def send_offsets_to_transaction(self, *arguments: Any) -> None:
                if len(failed) < 4:
                    failed.append(1)
                    if len(failed) % 2 == 0:
                        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "late", txn_requires_abort=True))
                producer.send_offsets_to_transaction(*arguments)

        batches._producer = Failing()  # type: ignore[assignment]
    running(batches.run)
    eventually("all", lambda: sum(committed(kafka).values()) >= 6)
    seen = committed(kafka)
    assert [seen[value] for value in (b"before", b"between", b"behind", b"beside")] == [1] * 4
    first, second = sorted(value.decode() for value in seen if b"unpacked" in value)
    assert first.startswith("messages 3 to 5 cannot be unpacked") or second.startswith("messages 3 to 5 cannot be")
    assert sum(seen.values()) == 6
    if not fails:
        offsets = [offset for partition, offset, _ in done if partition == 0]
        assert offsets == [0, 1, 2, 5, 6]


@pytest.mark.servers
def test_a_group_without_transactions_goes_on_as_well(kafka: KafkaSettings, running: Any) -> None:
    """The same where offsets are committed after the batch; a second worker does not meet it again."""
    send(kafka, CORRECTIONS.name, [BOMB])
    send(kafka, CORRECTIONS.name, [b"behind"])
    done: list[tuple[int, int, str]] = []
    running(GroupBatches(kafka, group="learn", topics=[CORRECTIONS], handle=echo(done), batch=SMALL).run)
    eventually("what lies behind", lambda: len(done) >= 2)
    assert [(offset, bool(problem)) for _, offset, problem in done] == [(0, True), (1, False)]


@pytest.mark.servers
def test_the_end_of_a_batch_is_found(kafka: KafkaSettings) -> None:
    """The end is found for any number of messages, also at the end of the partition."""
    send(kafka, PREDICTIONS.name, [b"x"])
    send(kafka, PREDICTIONS.name, [BOMB, *[b"{}"] * 40])
    assert end_of_batch(kafka, kafka.prefix + PREDICTIONS.name, 0, 1) == 42


def test_it_becomes_a_reject() -> None:
    """INTAKE and LEARN say which messages could not be unpacked, and why; RECORD stores nothing of them."""
    record = UnreadableBatch(PREFIX + "predictions", 2, 17, 18, "Decompression failed")
    readings = PredictionReader(PREFIX, future_ms_max=1).read([[record]], now_ms=5)
    by_message = read_predictions([record], PREFIX, now_ms=5, future_ms_max=1)
    assert readings.rejects == by_message.rejects
    (reject,) = readings.rejects
    assert (reject.source_partition, reject.source_offset, reject.original) == (2, 17, b"")
    assert reject.reason.startswith("the message at offset 17 cannot be unpacked")
    assert "Decompression failed" in reject.reason
    with pytest.raises(ValueError, match="messages 3 to 8 cannot be unpacked"):
        label_of(UnreadableBatch(PREFIX + "labels", 0, 3, 9, "why"), MessageLimits(), 0)
    assert json.dumps(record.problem)
