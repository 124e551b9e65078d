"""The bounds of a batch in messages, bytes and time, with as few calls as possible."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import PREDICTIONS
from streams.consume.batches import Batches, BatchSettings
from streams.consume.fetch_sizes import FETCH_MESSAGES_MAX, FETCH_SECONDS_MAX, FetchSizes
from streams.settings import KafkaSettings
from tests.support.plain_record import PlainRecord

MIB = 1024 * 1024
EVENT_BYTES = 420
ARRAY_BYTES = 200 * EVENT_BYTES


class Message(PlainRecord):
    """A record with the client's ``error``."""

    def error(self) -> None:
        return None


@dataclasses.dataclass
class Backlog:
    """A consumer of a topic that returns the messages asked for at once, and waits if it has fewer."""

    sizes: list[int]
    now: float = 100.0
    asked: list[int] = dataclasses.field(default_factory=list)
    waited: list[float] = dataclasses.field(default_factory=list)
    given: int = 0

    def consume(self, count: int, wait_seconds: float) -> list[Message]:
        self.asked.append(count)
        self.waited.append(wait_seconds)
        begin, self.given = self.given, min(self.given + count, len(self.sizes))
        if self.given - begin < count:
            self.now += wait_seconds
        return [Message(bytes(self.sizes[number]), number=number) for number in range(begin, self.given)]

    def clock(self) -> float:
        return self.now


def batches_of(backlog: Any, batch: BatchSettings, monkeypatch: pytest.MonkeyPatch) -> Batches:
    """Batches that ask this consumer."""
    monkeypatch.setattr("streams.consume.batches.Consumer", lambda config: backlog)
    return Batches(KafkaSettings(), group="g", topics=[PREDICTIONS], batch=batch, clock=backlog.clock)


def sizes_of(records: Iterable[Any]) -> list[int]:
    return [len(record) for record in records]


def test_a_full_batch_of_small_messages_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """At full load INTAKE asks once a round, as soon as it knows how small messages are; the first round finds out."""
    backlog = Backlog([EVENT_BYTES] * 35_000)
    batches = batches_of(backlog, BatchSettings(events_max=10_000, wait_seconds=0.01), monkeypatch)
    assert [len(batches._take()) for _ in range(3)] == [10_000] * 3
    assert len(backlog.asked) <= 14
    assert backlog.asked[-2:] == [10_000, 10_000]
    assert backlog.now == 100.0


def test_a_quiet_topic_costs_no_more_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few messages, or none, are returned after the wait, in one call."""
    backlog = Backlog([EVENT_BYTES] * 3)
    batches = batches_of(backlog, BatchSettings(events_max=10_000, wait_seconds=0.01), monkeypatch)
    assert len(batches._take()) == 3
    assert batches._take() == []
    assert backlog.waited == [0.01, 0.01]


def test_others_are_waited_for_from_the_first_message_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``gather_seconds`` the first message is asked for alone, so that it need not wait for a batch to fill; where
    none comes, the wait is as long as without.
    """
    backlog = Backlog([EVENT_BYTES] * 12)
    batch = BatchSettings(events_max=10, wait_seconds=0.01, gather_seconds=0.002)
    batches = batches_of(backlog, batch, monkeypatch)
    batches._sizes.next([Message(bytes(EVENT_BYTES))] * 9)  # it knows how small they are
    assert len(batches._take()) == 10
    assert (backlog.asked, backlog.now) == ([1, 9], 100.0)
    assert len(batches._take()) == 2
    assert backlog.asked[2:] == [1, 9]
    assert backlog.waited[3] == pytest.approx(0.002)
    assert batches._take() == []
    assert (backlog.asked[4:], backlog.waited[4:]) == ([1], [0.01])


def test_a_long_wait_is_made_of_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """RECORD waits one second in several short calls, and checks after each how much it has."""
    backlog = Backlog([EVENT_BYTES] * 3)
    batches = batches_of(backlog, BatchSettings(events_max=100_000, wait_seconds=1.0), monkeypatch)
    assert len(batches._take()) == 3
    assert max(backlog.waited) <= FETCH_SECONDS_MAX
    assert sum(backlog.waited) == pytest.approx(1.0, abs=0.002)


@pytest.mark.parametrize("size", [EVENT_BYTES, ARRAY_BYTES, MIB])
def test_bytes_are_bounded(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With messages of one size, a batch is filled but does not exceed its bytes, and messages keep their order."""
    backlog = Backlog([size] * (80 * MIB // size))
    batches = batches_of(backlog, BatchSettings(events_max=100_000, bytes_max=16 * MIB, wait_seconds=1.0), monkeypatch)
    offsets: list[int] = []
    while backlog.given < len(backlog.sizes) - 20 * MIB // size:
        taken = batches._take()
        assert 0.8 * 16 * MIB < sum(map(len, taken)) <= 16 * MIB
        offsets += [record.offset() for record in taken]
    assert offsets == list(range(len(offsets)))


def test_a_message_larger_than_the_bound_comes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is never empty because the next message is large."""
    backlog = Backlog([4 * MIB] * 3)
    batches = batches_of(backlog, BatchSettings(bytes_max=MIB, wait_seconds=0.5), monkeypatch)
    assert [sizes_of(batches._take()) for _ in range(3)] == [[4 * MIB]] * 3


def test_small_messages_between_large_ones_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """RECORD reads topics of small messages and of large ones in turn, as the client has fetched them."""
    turns = [[EVENT_BYTES] * 2_000, [ARRAY_BYTES] * 300] * 10
    backlog = Backlog([size for turn in turns for size in turn])
    batches = batches_of(backlog, BatchSettings(events_max=100_000, bytes_max=64 * MIB, wait_seconds=1.0), monkeypatch)
    while backlog.given < len(backlog.sizes):
        assert sum(map(len, batches._take())) <= 1.25 * 64 * MIB


def test_messages_that_suddenly_are_large_overshoot_by_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call that returns them was sized for small ones; it ends the batch, and later calls expect large ones."""
    small, large = EVENT_BYTES, 10 * EVENT_BYTES
    backlog = Backlog([small] * 40_000 + [large] * 40_000)
    batches = batches_of(backlog, BatchSettings(events_max=100_000, bytes_max=16 * MIB, wait_seconds=1.0), monkeypatch)
    taken = sizes_of(batches._take())
    while large not in taken:
        taken = sizes_of(batches._take())
    assert sum(taken) <= 16 * MIB + FETCH_MESSAGES_MAX * large
    batches._take()
    assert sum(sizes_of(batches._take())) <= 16 * MIB


def test_tombstones_have_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic of tombstones is bounded by messages."""
    backlog = Backlog([0] * 30_000)
    batches = batches_of(backlog, BatchSettings(events_max=25_000, bytes_max=MIB, wait_seconds=1.0), monkeypatch)
    assert len(batches._take()) == 25_000


def test_a_rebalance_ends_the_batch_and_nothing_of_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """If partitions are revoked in a later call, the messages of earlier calls are left to the new owner too."""
    backlog = Backlog([EVENT_BYTES] * 50_000)
    batches = batches_of(backlog, BatchSettings(events_max=30_000, wait_seconds=1.0), monkeypatch)
    calm = backlog.consume

    def consume(count: int, wait_seconds: float) -> list[Message]:
        if len(backlog.asked) == 2:
            batches._revoked(backlog, [])  # type: ignore[arg-type]
        return calm(count, wait_seconds)

    backlog.consume = consume  # type: ignore[method-assign]
    assert batches._take() == []
    assert len(backlog.asked) == 3


@given(st.lists(st.lists(st.integers(0, 5_000), max_size=30), max_size=20), st.integers(1, 100), st.integers(1, 50_000))
def test_a_step_keeps_every_bound(arrivals: list[list[int]], events_max: int, bytes_max: int) -> None:
    """A batch begins with at least one message, and never asks for more than it has room for, whatever came before."""
    fetch_sizes = FetchSizes(events_max, bytes_max)
    fetch_size, seen = fetch_sizes.first(), 0
    for sizes in arrivals:
        assert 0 <= fetch_size <= events_max - seen
        given_sizes = sizes[:fetch_size]
        seen += len(given_sizes)
        fetch_size = fetch_sizes.next([PlainRecord(bytes(size)) for size in given_sizes])
    assert 1 <= fetch_sizes.first() <= min(events_max, FETCH_MESSAGES_MAX)
