"""Batches of a group on a real Kafka: handed back, left, waited for and rebalanced, nothing is lost."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.topics import CORRECTIONS
from streams.consume.batches import AssignedPartition, HandBack
from streams.produce.outbox import Outbox
from streams.records import Record
from streams.settings import KafkaSettings
from tests.support.batch_loops import grouped, send, wait_for
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.servers


def test_what_a_handler_of_a_group_leaves_comes_again(kafka_topics: KafkaSettings, running: Any) -> None:
    """A handler does half of each partition's messages at a time: the others come again, and all is done once."""
    values = send(kafka_topics, CORRECTIONS, 120)
    done: list[bytes] = []

    def half(records: Sequence[Record], outbox: Outbox) -> Sequence[Record]:
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition(), []).append(record)
        keep = [record for some in by_partition.values() for record in some[: max(1, len(some) // 2)]]
        done.extend(record.value() or b"" for record in keep)
        return [record for record in records if record not in keep]

    worker = running(grouped(kafka_topics, half).run)
    wait_for("all", lambda: len(done) >= 120, worker)
    worker.end()
    assert collections.Counter(done) == collections.Counter(values)


def test_a_group_hands_out_what_was_not_committed(kafka_topics: KafkaSettings, running: Any) -> None:
    """After a crash between handling and commit the batch comes again, to the next owner of the partition."""
    values = send(kafka_topics, CORRECTIONS, 30)
    seen: list[bytes] = []

    def dies(records: Sequence[Record], outbox: Outbox) -> None:
        if records:
            seen.extend(record.value() or b"" for record in records)
            raise RuntimeError("died before the commit")

    dead = running(grouped(kafka_topics, dies).run)
    wait_for("its death", lambda: dead.failure is not None)
    again: list[bytes] = []
    heir = running(grouped(kafka_topics, lambda records, outbox: again.extend(r.value() or b"" for r in records)).run)
    wait_for("all", lambda: len(again) >= 30, heir)
    heir.end()
    assert seen
    assert sorted(again) == sorted(values)


def test_hand_back_comes_again_in_order(kafka_topics: KafkaSettings, running: Any) -> None:
    """A batch that is handed back is handed out again from its first message, and nothing behind it is lost."""
    values = send(kafka_topics, CORRECTIONS, 60)
    tries: list[int] = []
    taken: dict[int, list[int]] = collections.defaultdict(list)

    def handle(records: Sequence[Record], outbox: Outbox) -> None:
        if not records:
            return
        tries.append(len(records))
        if len(tries) <= 3:
            raise HandBack
        for record in records:
            taken[record.partition()].append(record.offset())

    loop = running(grouped(kafka_topics, handle).run)
    wait_for("all", lambda: sum(map(len, taken.values())) >= len(values), loop)
    loop.end()
    assert loop.failure is None
    for offsets in taken.values():
        assert offsets == list(range(len(offsets)))


def test_waiting_keeps_the_group_and_loses_nothing(kafka_topics: KafkaSettings, running: Any) -> None:
    """A handler that waits for something else stays a member of the group and goes on where it stopped."""
    values = send(kafka_topics, CORRECTIONS, 40)
    taken: list[bytes] = []
    answers: list[bool] = []
    stop = threading.Event()

    def handle(records: Sequence[Record], outbox: Outbox) -> None:
        if records and len(answers) < 5:
            answers.append(batches.wait_paused(stop, 0.1))
        taken.extend(record.value() or b"" for record in records)

    batches = grouped(kafka_topics, handle)
    loop = running(batches.run)
    wait_for("the first", lambda: len(taken) >= 40, loop)
    more = send(kafka_topics, CORRECTIONS, 200, begin=40)
    wait_for("all", lambda: len(taken) >= 240, loop)
    loop.end()
    assert sorted(taken) == sorted(values + more)
    assert set(answers) == {True}


def test_a_rebalance_while_it_waits_leaves_nothing_paused(kafka_topics: KafkaSettings, running: Any) -> None:
    """Another member joins and leaves while the handler waits: the partitions come back, and are read."""
    values = send(kafka_topics, CORRECTIONS, 40)
    taken: set[bytes] = set()
    waiting, let_go, stop = threading.Event(), threading.Event(), threading.Event()

    def handle(records: Sequence[Record], outbox: Outbox) -> None:
        if records and not let_go.is_set():
            waiting.set()
            while batches.wait_paused(stop, 0.1):
                pass
            let_go.set()
            raise HandBack
        taken.update(record.value() or b"" for record in records)

    batches = grouped(kafka_topics, handle)
    loop = running(batches.run)
    wait_for("a wait", waiting.is_set, loop)
    other = grouped(kafka_topics, lambda _records, _outbox: None)
    visit = running(other.run)
    wait_for("a rebalance", let_go.is_set, loop)
    visit.end()
    more = send(kafka_topics, CORRECTIONS, 40, begin=40)
    wait_for("all that came since", lambda: taken >= set(more), loop)
    loop.end()
    assert taken <= {*values, *more}


def test_a_role_that_begins_anew_reads_all_after_every_rebalance(kafka_topics: KafkaSettings, running: Any) -> None:
    """If an assignment asks for the beginning, a rebalance under load leaves no gap in the messages read after it."""
    send(kafka_topics, CORRECTIONS, 600)
    reads: list[dict[int, list[int]]] = []

    def begin(partitions: list[AssignedPartition]) -> dict[tuple[str, int], int]:
        reads.append({partition.number: [] for partition in partitions})
        return {(partition.topic, partition.number): 0 for partition in partitions}

    def handle(records: Sequence[Record], outbox: Outbox) -> None:
        for record in records:
            reads[-1][record.partition()].append(record.offset())
        time.sleep(0.02)

    first = running(grouped(kafka_topics, handle, on_assign=begin).run)
    wait_for("the first to work", lambda: reads and any(reads[-1].values()), first)
    others: list[int] = []
    second = running(grouped(kafka_topics, lambda records, outbox: others.extend(r.offset() for r in records)).run)
    wait_for("the partitions to be shared", lambda: len(reads) > 1 and len(reads[-1]) == 1, first, second)
    second.end()
    wait_for("the partitions to come back", lambda: len(reads[-1]) == 2, first)
    wait_for("all", lambda: sum(map(len, reads[-1].values())) >= 600, first)
    first.end()
    for read in reads:
        for offsets in read.values():
            assert offsets == list(range(len(offsets)))


def test_a_stop_while_assigned_is_no_failure(kafka_topics: KafkaSettings, running: Any) -> None:
    """A role that is stopped before it knows where to begin hands it back, and the loop ends without an error."""
    asked = threading.Event()
    stop_seen: list[bool] = []

    def begin(partitions: list[AssignedPartition]) -> dict[tuple[str, int], int]:
        asked.set()
        stop_seen.append(loop_stop.wait(PATIENCE_SECONDS))
        raise HandBack

    handled: list[int] = []
    batches = grouped(kafka_topics, lambda records, outbox: handled.append(len(records)), on_assign=begin)
    loop_stop = threading.Event()

    def body(stop: threading.Event) -> None:
        batches.run(loop_stop)

    loop = running(body)
    wait_for("the question", asked.is_set, loop)
    loop_stop.set()
    loop.end()
    assert loop.failure is None
    assert stop_seen == [True]
