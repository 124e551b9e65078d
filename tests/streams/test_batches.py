"""Batches on a real Kafka: outputs and offsets together, nothing lost, nothing doubled, whoever takes over."""

from __future__ import annotations

import collections
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.topics import CORRECTIONS, LABELS, PEOPLE, PREDICTIONS, VERDICTS, Topic
from streams.admin import create_topics
from streams.batches import AssignedPartition, BatchSettings, GroupBatches, HandBack, consumer_config
from streams.errors import SlotTaken
from streams.lag import lags_of_groups
from streams.outbox import Outbox
from streams.reader import LogReader
from streams.records import Record
from streams.settings import KafkaSettings
from streams.transactions import TransactionalBatches

pytestmark = pytest.mark.servers

SECONDS_MAX = 40.0
LOST_MS = 2_000
SMALL = BatchSettings(events_max=50, wait_seconds=0.1)


class Running:
    """A loop in a thread, stopped at the end of the test; what it raised is kept."""

    def __init__(self, body: Callable[[threading.Event], None]) -> None:
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self._body = body
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._body(self.stop)
        except BaseException as error:  # noqa: BLE001  # what it raised is what the test looks at
            self.failure = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(SECONDS_MAX)
        assert not self.thread.is_alive()


@pytest.fixture
def running() -> Iterator[Callable[[Callable[[threading.Event], None]], Running]]:
    """Starts loops, and ends them whatever happens."""
    started: list[Running] = []

    def start(body: Callable[[threading.Event], None]) -> Running:
        started.append(Running(body))
        return started[-1]

    yield start
    for one in started:
        one.stop.set()
    for one in started:
        one.thread.join(SECONDS_MAX)


def wait_for(what: str, found: Callable[[], Any], *loops: Running) -> None:
    """Until it is so; fails with what a loop raised."""
    deadline = time.monotonic() + SECONDS_MAX
    while not found():
        for one in loops:
            assert one.failure is None, repr(one.failure)
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS_MAX:g} s"
        time.sleep(0.05)


def send(kafka: KafkaSettings, topic: Topic, count: int, begin: int = 0) -> list[bytes]:
    """Numbered messages, spread over the partitions."""
    outbox = Outbox(kafka)
    values = [f"{number}".encode() for number in range(begin, begin + count)]
    for value in values:
        outbox.send(topic, value, value)
    outbox.flush()
    return values


def committed(kafka: KafkaSettings, topic: Topic) -> collections.Counter[bytes]:
    """What a reader of committed messages sees of a topic."""
    seen: collections.Counter[bytes] = collections.Counter()
    reader = LogReader(kafka, {topic.name: lambda record: seen.update([record.value() or b""])})
    reader.catch_up(SECONDS_MAX)
    reader.close()
    return seen


def echo(records: Sequence[Record], outbox: Outbox) -> None:
    """Each prediction becomes a verdict."""
    for record in records:
        outbox.send(VERDICTS, record.key() or b"", record.value())


class Wrapped:
    """A client of which some methods are others."""

    def __init__(self, client: Any, **methods: Any) -> None:
        self._client = client
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def transactional(
    kafka: KafkaSettings, handle: Any = echo, *, slot: str = "0", undo: Any = None, **more: Any
) -> TransactionalBatches:
    return TransactionalBatches(
        kafka,
        group="intake",
        slot=slot,
        undo=undo or (lambda: None),
        topics=[PREDICTIONS],
        handle=handle,
        **{"batch": SMALL, **more},
    )


def before_second(batches: TransactionalBatches, happens: Callable[[], object]) -> None:
    """Something happens in the second transaction, once its outputs have reached the broker and before its offsets."""
    producer = batches._producer
    attempts = itertools.count(1)

    def send_offsets(*arguments: Any) -> None:
        if next(attempts) == 2:
            producer.flush(SECONDS_MAX)
            happens()
        producer.send_offsets_to_transaction(*arguments)

    batches._producer = Wrapped(producer, send_offsets_to_transaction=send_offsets)  # type: ignore[assignment]


def fail_second(batches: TransactionalBatches, error: KafkaError) -> None:
    """The second transaction fails after its outputs have reached the broker."""

    def fail() -> None:
        raise KafkaException(error)

    before_second(batches, fail)


def grouped(kafka: KafkaSettings, handle: Any, **more: Any) -> GroupBatches:
    return GroupBatches(kafka, group="learn", topics=[CORRECTIONS], handle=handle, batch=SMALL, **more)


def test_outputs_and_offsets_are_committed_together(kafka_topics: KafkaSettings, running: Any) -> None:
    """What was read is written once, and a next worker begins behind it."""
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
    one = running(batches.run)
    wait_for("verdicts", lambda: sum(committed(kafka_topics, VERDICTS).values()) >= 300, one)
    one.end()
    assert one.failure is None
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values)
    assert max(sizes) > 0
    if not fails:
        assert all(offsets == sorted(set(offsets)) for offsets in done.values())


def test_what_a_handler_of_a_group_leaves_comes_again(kafka_topics: KafkaSettings, running: Any) -> None:
    """The same where offsets are committed without a transaction."""
    values = send(kafka_topics, CORRECTIONS, 120)
    done: list[bytes] = []

    def half(records: Sequence[Record], outbox: Outbox) -> Sequence[Record]:
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition(), []).append(record)
        keep = [record for some in by_partition.values() for record in some[: max(1, len(some) // 2)]]
        done.extend(record.value() or b"" for record in keep)
        return [record for record in records if record not in keep]

    one = running(grouped(kafka_topics, half).run)
    wait_for("all", lambda: len(done) >= 120, one)
    one.end()
    assert collections.Counter(done) == collections.Counter(values)


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
    one = running(transactional(kafka_topics, slowly("one"), slot="one").run)
    wait_for("the first to work", lambda: busy["one"] > 0, one)
    two = running(transactional(kafka_topics, slowly("two"), slot="two").run)
    for part in range(40):
        values += send(kafka_topics, PREDICTIONS, 20, begin=400 + 20 * part)
        if busy["two"] > 0:
            break
        time.sleep(0.2)
    wait_for("the second to work", lambda: busy["two"] > 0, one, two)
    one.end()
    values += send(kafka_topics, PREDICTIONS, 100, begin=10_000)
    wait_for("all", lambda: len(committed(kafka_topics, VERDICTS)) == len(values), two)
    two.end()
    assert one.failure is None
    assert two.failure is None
    assert committed(kafka_topics, VERDICTS) == collections.Counter(values)


def test_who_lost_its_partitions_while_it_was_busy_commits_nothing(
    kafka_topics: KafkaSettings, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was out for so long that the group gave its partitions away: its batch is the other one's now."""

    def impatient(*arguments: Any) -> dict[str, object]:
        return {**consumer_config(*arguments), "max.poll.interval.ms": LOST_MS, "session.timeout.ms": LOST_MS}

    monkeypatch.setattr("streams.batches.consumer_config", impatient)
    out, back = threading.Event(), threading.Event()

    def is_out(records: Sequence[Record], outbox: Outbox) -> None:
        out.set()
        back.wait(SECONDS_MAX)
        echo(records, outbox)

    values = send(kafka_topics, PREDICTIONS, 60)
    one = running(transactional(kafka_topics, is_out, slot="one").run)
    wait_for("the first to be out", out.is_set, one)
    two = running(transactional(kafka_topics, slot="two").run)
    wait_for("all by the second", lambda: len(committed(kafka_topics, VERDICTS)) == len(values), two)
    back.set()
    values += send(kafka_topics, PREDICTIONS, 60, begin=60)
    wait_for("the rest", lambda: len(committed(kafka_topics, VERDICTS)) == len(values), one, two)
    one.end()
    two.end()
    assert one.failure is None
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
    monkeypatch.setattr("streams.commit.HUNG_SECONDS", 1.0)
    values = send(kafka_topics, PREDICTIONS, 120)
    undone: list[int] = []
    came_back = threading.Event()
    batches = transactional(kafka_topics, undo=lambda: undone.append(1))
    before_second(batches, lambda: came_back.wait(SECONDS_MAX))
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
    monkeypatch.setattr("streams.transactions.TRANSACTION_TIMEOUT_SECONDS", 2)
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


def test_a_group_hands_out_what_was_not_committed(kafka_topics: KafkaSettings, running: Any) -> None:
    """A crash between handling and commit: the batch comes again, to whoever is next."""
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
    """A handler that waits for something else is still a member, and takes up where it was."""
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
    """Another member comes while the handler waits, and goes: what was taken away comes back, and is read."""
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
    """Where an assignment asks for the beginning, a rebalance in full work leaves no gap in what is read after it."""
    send(kafka_topics, CORRECTIONS, 600)
    reads: list[dict[int, list[int]]] = []

    def begin(partitions: list[AssignedPartition]) -> dict[tuple[str, int], int]:
        reads.append({partition.number: [] for partition in partitions})
        return {(partition.topic, partition.number): 0 for partition in partitions}

    def handle(records: Sequence[Record], outbox: Outbox) -> None:
        for record in records:
            reads[-1][record.partition()].append(record.offset())
        time.sleep(0.02)

    one = running(grouped(kafka_topics, handle, on_assign=begin).run)
    wait_for("the first to work", lambda: reads and any(reads[-1].values()), one)
    others: list[int] = []
    two = running(grouped(kafka_topics, lambda records, outbox: others.extend(r.offset() for r in records)).run)
    wait_for("the partitions to be shared", lambda: len(reads) > 1 and len(reads[-1]) == 1, one, two)
    two.end()
    wait_for("the partitions to come back", lambda: len(reads[-1]) == 2, one)
    wait_for("all", lambda: sum(map(len, reads[-1].values())) >= 600, one)
    one.end()
    for read in reads:
        for offsets in read.values():
            assert offsets == list(range(len(offsets)))


def test_a_stop_while_assigned_is_no_failure(kafka_topics: KafkaSettings, running: Any) -> None:
    """A role that is stopped before it knows where to begin hands back, and the loop ends in peace."""
    asked = threading.Event()
    stop_seen: list[bool] = []

    def begin(partitions: list[AssignedPartition]) -> dict[tuple[str, int], int]:
        asked.set()
        stop_seen.append(loop_stop.wait(SECONDS_MAX))
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


def test_catch_up_ends_on_transactions(kafka_topics: KafkaSettings, running: Any) -> None:
    """A topic that ends in markers and aborted messages is read to its end; what was committed is handed on."""
    send(kafka_topics, PREDICTIONS, 20)
    loop = running(transactional(kafka_topics).run)
    wait_for("verdicts", lambda: len(committed(kafka_topics, VERDICTS)) == 20, loop)
    loop.end()

    def dies(records: Sequence[Record], outbox: Outbox) -> None:
        echo(records, outbox)
        outbox.flush()
        raise RuntimeError("died")

    send(kafka_topics, PREDICTIONS, 5, begin=100)
    dead = running(transactional(kafka_topics, dies).run)
    wait_for("its death", lambda: dead.failure is not None)
    begin = time.monotonic()
    reader = LogReader(kafka_topics, {VERDICTS.name: lambda record: None, LABELS.name: lambda record: None})
    assert reader.catch_up(SECONDS_MAX) == 20
    assert time.monotonic() - begin < SECONDS_MAX
    reader.close()


def test_a_reader_hears_tombstones_and_what_comes_later(kafka_topics: KafkaSettings, running: Any) -> None:
    """Tombstones are handed on as None; ``run`` goes on where ``catch_up`` ended."""
    outbox = Outbox(kafka_topics)
    outbox.send(PEOPLE, "ada", b"1")
    outbox.send(PEOPLE, "ada", None)
    outbox.flush()
    heard: list[tuple[bytes | None, bytes | None]] = []
    reader = LogReader(kafka_topics, {PEOPLE.name: lambda record: heard.append((record.key(), record.value()))})
    assert reader.catch_up() == 2
    loop = running(reader.run)
    outbox.send(PEOPLE, "bob", b"2")
    outbox.flush()
    wait_for("bob", lambda: len(heard) == 3, loop)
    loop.end()
    assert heard == [(b"ada", b"1"), (b"ada", None), (b"bob", b"2")]


def test_a_reader_waits_for_a_topic_that_is_just_created(kafka_prefix: KafkaSettings, running: Any) -> None:
    """One broker of several may not have heard yet of a topic that another one has created."""
    reader = LogReader(kafka_prefix, {PEOPLE.name: lambda record: None})
    loop = running(lambda stop: reader.catch_up(SECONDS_MAX))
    time.sleep(0.5)
    assert loop.failure is None
    assert loop.thread.is_alive()
    create_topics(kafka_prefix, [PEOPLE])
    loop.end()
    assert loop.failure is None
    reader.close()
