"""Large messages on a real Kafka: a backlog of them is taken in batches of bounded size, and each once."""

from __future__ import annotations

import collections
import threading
from collections.abc import Sequence

import pytest

from schemas.topics import CORRECTIONS, PREDICTIONS
from streams.consume.batches import BatchSettings, GroupBatches
from streams.consume.transactions import TransactionalBatches
from streams.produce.outbox import Outbox, Sending
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.servers

MIB = 1024 * 1024
LARGE_BYTES = 700_000
LARGE, SMALL = 30, 3_000
BATCH = BatchSettings(events_max=10_000, bytes_max=4 * MIB, wait_seconds=0.2)


def fill(kafka: KafkaSettings, *, small: int = 0) -> collections.Counter[bytes]:
    """Small messages and behind them large ones, on both partitions; their keys."""
    outbox = Outbox(kafka)
    keys = [b"%d" % number for number in range(small + LARGE)]
    for number, key in enumerate(keys):
        value = bytes(100 if number < small else LARGE_BYTES)
        for topic in (PREDICTIONS, CORRECTIONS):
            outbox.send(topic, key, value)
    outbox.flush()
    return collections.Counter(keys)


class Taken:
    """A handler that remembers each batch, and stops when all messages have come."""

    def __init__(self, expected: int) -> None:
        self.stop = threading.Event()
        self.batches: list[int] = []
        self.keys: collections.Counter[bytes] = collections.Counter()
        self._expected = expected

    def handle(self, records: Sequence[Record], outbox: Sending) -> None:
        if records:
            self.batches.append(sum(map(len, records)))
            self.keys.update(record.key() or b"" for record in records)
        if self.keys.total() >= self._expected:
            self.stop.set()

    def wait(self, run: threading.Thread) -> None:
        run.start()
        assert self.stop.wait(PATIENCE_SECONDS), f"{self.keys.total()} of {self._expected} came"
        run.join(PATIENCE_SECONDS)
        assert not run.is_alive()


def test_a_backlog_of_large_messages_comes_in_batches_of_bounded_size(kafka_topics: KafkaSettings) -> None:
    """Of 20 MiB no batch has more than its 4 MiB, and each message comes once."""
    keys, taken = fill(kafka_topics), Taken(LARGE)
    batches = GroupBatches(kafka_topics, group="learn", topics=[CORRECTIONS], handle=taken.handle, batch=BATCH)
    taken.wait(threading.Thread(target=batches.run, args=(taken.stop,), daemon=True))
    assert max(taken.batches) <= BATCH.bytes_max
    assert len(taken.batches) >= LARGE * LARGE_BYTES // BATCH.bytes_max
    assert taken.keys == keys


def test_large_messages_behind_small_ones(kafka_topics: KafkaSettings) -> None:
    """In transactions: a batch may have more where the large ones come; it is cut, and each is handled once."""
    keys, taken = fill(kafka_topics, small=SMALL), Taken(SMALL + LARGE)
    batches = TransactionalBatches(
        kafka_topics, group="intake", slot="0", undo=lambda: None, topics=[PREDICTIONS], handle=taken.handle,
        batch=BatchSettings(events_max=10_000, bytes_max=4 * MIB, wait_seconds=0.2, transaction_bytes_max=4 * MIB),
    )  # fmt: skip
    taken.wait(threading.Thread(target=batches.run, args=(taken.stop,), daemon=True))
    assert max(taken.batches) <= 4 * MIB
    assert taken.keys == keys
