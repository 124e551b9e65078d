"""Batches on a real Kafka: outputs and offsets are written together; a takeover loses and doubles nothing."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError

from schemas.topics import PREDICTIONS, VERDICTS
from streams.admin.lag import lags_of_groups
from streams.consume.batches import BatchSettings, consumer_config
from streams.errors import SlotTaken
from streams.produce.outbox import Outbox
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.batch_loops import (
    LOST_MS,
    before_second,
    committed,
    echo,
    fail_second,
    send,
    transactional,
    wait_for,
)
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.servers


def test_outputs_and_offsets_are_committed_together(kafka_topics: KafkaSettings, running: Any) -> None:
    """Each message is handled once, and the next worker begins behind them."""
    values = send(kafka_topics, PREDICTIONS, 300)
    first = running(transactional(kafka_topics).run)
    wait_for("verdicts", lambda: len(committed(kafka_topics, VERDICTS)) == 300, first)
    first.end()
    assert first.failure is None
    more = send(kafka_topics, PREDICTIONS, 50, begin=300)
    second = running(transactional(kafka_topics).run)
    wait_for("more verdicts", lambda: len(committed(kafka_topics, VERDICTS)) == 350, second)
    second.end()
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values + more)
    assert lags_of_groups(kafka_topics, {"intake": [PREDICTIONS]})["intake"].messages == 0


def test_an_abort_undoes_and_hands_out_again(kafka_topics: KafkaSettings, running: Any) -> None:
    """A commit that fails calls ``undo`` once; its batch and the one handled meanwhile come again, each once.

    The second transaction fails after its outputs have reached the broker: they are aborted and never seen.
    """
    values = send(kafka_topics, PREDICTIONS, 120)
    told: list[str] = []
    handled: list[int] = []

    def handle(records: Sequence[Record], outbox: Outbox) -> None:
        echo(records, outbox)
        handled.append(len(records))

    batches = transactional(
        kafka_topics, handle, undo=lambda: told.append("undo"), committed=lambda: told.append("committed")
    )
    fail_second(batches, KafkaError(KafkaError._TIMED_OUT, "for the test", txn_requires_abort=True))
    loop = running(batches.run)
    wait_for("verdicts", lambda: len(committed(kafka_topics, VERDICTS)) == 120, loop)
    loop.end()
    assert loop.failure is None
    assert told[:2] == ["committed", "undo"]
    assert told.count("undo") == 1
    assert sum(handled) > 120
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values)


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_handler_leaves_comes_again_in_order(kafka_topics: KafkaSettings, running: Any, fails: bool) -> None:
    """A handler does a few messages of each partition at a time, whether or not a commit fails: all is done once."""
    values = send(kafka_topics, PREDICTIONS, 300)
    done: dict[int, list[int]] = {}
    sizes: list[int] = []

    def few(records: Sequence[Record], outbox: Outbox) -> list[Record]:
        counts: collections.Counter[int] = collections.Counter()
        left = []
        for record in records:
            counts[record.partition()] += 1
            if counts[record.partition()] > 7 + record.partition():
                left.append(record)
            else:
                done.setdefault(record.partition(), []).append(record.offset())
                outbox.send(VERDICTS, record.key() or b"", record.value())
        sizes.append(len(left))
        return left

    batches = transactional(kafka_topics, few)
    if fails:
        fail_second(batches, KafkaError(KafkaError._TIMED_OUT, "late", txn_requires_abort=True))
    worker = running(batches.run)
    wait_for("verdicts", lambda: sum(committed(kafka_topics, VERDICTS).values()) >= 300, worker)
    worker.end()
    assert worker.failure is None
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values)
    assert max(sizes) > 0
    if not fails:
        assert all(offsets == sorted(set(offsets)) for offsets in done.values())


def test_a_crash_leaves_nothing_half(kafka_topics: KafkaSettings, running: Any) -> None:
    """A worker that dies within a transaction: its outputs are not seen, its successor does the batch again."""
    values = send(kafka_topics, PREDICTIONS, 100)

    def dies(records: Sequence[Record], outbox: Outbox) -> None:
        echo(records, outbox)
        outbox.flush()
        raise RuntimeError("died")

    dead = running(transactional(kafka_topics, dies).run)
    wait_for("its death", lambda: dead.failure is not None)
    assert committed(kafka_topics, VERDICTS) == {}
    heir = running(transactional(kafka_topics).run)
    wait_for("verdicts", lambda: len(committed(kafka_topics, VERDICTS)) == 100, heir)
    heir.end()
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values)


def test_a_second_worker_joins_and_leaves(kafka_topics: KafkaSettings, running: Any) -> None:
    """Two workers of a role share the partitions; joining and leaving in full work loses and doubles nothing."""
    busy: collections.Counter[str] = collections.Counter()

    def slowly(name: str) -> Any:
        def handle(records: Sequence[Record], outbox: Outbox) -> None:
            echo(records, outbox)
            busy[name] += len(records)
            time.sleep(0.02)

        return handle

    values = send(kafka_topics, PREDICTIONS, 400)
    first = running(transactional(kafka_topics, slowly("one"), slot="one").run)
    wait_for("the first to work", lambda: busy["one"] > 0, first)
    second = running(transactional(kafka_topics, slowly("two"), slot="two").run)
    for part in range(40):
        values += send(kafka_topics, PREDICTIONS, 20, begin=400 + 20 * part)
        if busy["two"] > 0:
            break
        time.sleep(0.2)
    wait_for("the second to work", lambda: busy["two"] > 0, first, second)
    first.end()
    values += send(kafka_topics, PREDICTIONS, 100, begin=10_000)
    wait_for("all", lambda: len(committed(kafka_topics, VERDICTS)) == len(values), second)
    second.end()
    assert first.failure is None
    assert second.failure is None
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values)


def test_who_lost_its_partitions_while_it_was_busy_commits_nothing(
    kafka_topics: KafkaSettings, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a worker was away for so long that the group gave its partitions to another, its batch is left to that one."""

    def impatient(*arguments: Any) -> dict[str, object]:
        return {**consumer_config(*arguments), "max.poll.interval.ms": LOST_MS, "session.timeout.ms": LOST_MS}

    monkeypatch.setattr("streams.consume.batches.consumer_config", impatient)
    out, back = threading.Event(), threading.Event()

    def is_out(records: Sequence[Record], outbox: Outbox) -> None:
        out.set()
        back.wait(PATIENCE_SECONDS)
        echo(records, outbox)

    values = send(kafka_topics, PREDICTIONS, 60)
    first = running(transactional(kafka_topics, is_out, slot="one").run)
    wait_for("the first to be out", out.is_set, first)
    second = running(transactional(kafka_topics, slot="two").run)
    wait_for("all by the second", lambda: len(committed(kafka_topics, VERDICTS)) == len(values), second)
    back.set()
    values += send(kafka_topics, PREDICTIONS, 60, begin=60)
    wait_for("the rest", lambda: len(committed(kafka_topics, VERDICTS)) == len(values), first, second)
    first.end()
    second.end()
    assert first.failure is None
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values)


def test_a_producer_that_lost_count_is_replaced(kafka_topics: KafkaSettings, running: Any) -> None:
    """A fatal error of the producer, as the loss of a broker can bring it, ends neither the worker nor exactly-once.

    The second transaction fails after its outputs have reached the broker: the new producer aborts it.
    """
    values = send(kafka_topics, PREDICTIONS, 120)
    undone: list[int] = []
    batches = transactional(kafka_topics, undo=lambda: undone.append(1))
    fail_second(batches, KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "for the test", fatal=True))
    loop = running(batches.run)
    wait_for("verdicts", lambda: len(committed(kafka_topics, VERDICTS)) == 120, loop)
    loop.end()
    assert loop.failure is None
    assert undone == [1]
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values)


def test_a_step_that_never_comes_back_is_left_behind(
    kafka_topics: KafkaSettings, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the client may hang where a coordinator was lost: a new producer takes over, and what the old one had begun is
    never committed, not even if its call comes back later.
    """
    monkeypatch.setattr("streams.produce.commit.HUNG_SECONDS", 1.0)
    values = send(kafka_topics, PREDICTIONS, 120)
    undone: list[int] = []
    came_back = threading.Event()
    batches = transactional(kafka_topics, undo=lambda: undone.append(1))
    before_second(batches, lambda: came_back.wait(PATIENCE_SECONDS))
    loop = running(batches.run)
    wait_for("verdicts", lambda: len(committed(kafka_topics, VERDICTS)) == 120, loop)
    came_back.set()
    more = send(kafka_topics, PREDICTIONS, 60, begin=120)
    wait_for("more verdicts", lambda: len(committed(kafka_topics, VERDICTS)) == 180, loop)
    loop.end()
    assert loop.failure is None
    assert undone == [1]
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values + more)


def test_a_slow_handler_is_not_fenced(
    kafka_topics: KafkaSettings, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch may take longer to handle than a transaction may last: its transaction begins when it is handled."""
    monkeypatch.setattr("streams.consume.transactions.TRANSACTION_TIMEOUT_SECONDS", 2)
    values = send(kafka_topics, PREDICTIONS, 100)

    def slowly(records: Sequence[Record], outbox: Outbox) -> None:
        echo(records, outbox)
        time.sleep(3)

    loop = running(transactional(kafka_topics, slowly, batch=BatchSettings(events_max=60)).run)
    wait_for("all", lambda: len(committed(kafka_topics, VERDICTS)) == len(values), loop)
    loop.end()
    assert loop.failure is None
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values)


def test_a_slot_has_one_worker(kafka_topics: KafkaSettings, running: Any) -> None:
    """A second worker with the same slot takes over; the first ends with one line that says what to do."""
    send(kafka_topics, PREDICTIONS, 10)
    first = running(transactional(kafka_topics, slot="7").run)
    wait_for("the first", lambda: len(committed(kafka_topics, VERDICTS)) == 10, first)
    second = running(transactional(kafka_topics, slot="7").run)

    def fenced() -> bool:
        send(kafka_topics, PREDICTIONS, 4, begin=int(time.monotonic() * 1000) % 10**9)
        time.sleep(0.2)
        return first.failure is not None

    wait_for("the first to end", fenced, second)
    assert isinstance(first.failure, SlotTaken)
    assert str(first.failure).count("\n") == 0
    assert "'7'" in str(first.failure)
    assert "--slot" in str(first.failure)
    assert second.failure is None
