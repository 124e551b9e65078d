"""A batch is handled beside a commit under load, for throughput, and waits for it otherwise, for latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streams.consume.batches import BatchSettings
from streams.consume.transactions import TransactionalBatches
from streams.records import Record
from streams.settings import KafkaSettings

EVENTS_MAX = 3


class Message:
    """The part of it that the tests need."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __len__(self) -> int:
        return 10

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return "predictions"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._number


class Waiting:
    """A consumer in which so many messages are ready; the clock goes on while it waits for more."""

    def __init__(self) -> None:
        self.ready, self._number, self._seconds = 0, 0, 0.0

    def clock(self) -> float:
        return self._seconds

    def consume(self, count: int, seconds: float) -> list[Message]:
        taken = min(count, self.ready)
        self.ready -= taken
        self._seconds += 0 if taken == count else seconds
        self._number += taken
        return [Message(self._number - taken + index) for index in range(taken)]


class Ended:
    """A commit that has succeeded."""

    def wait(self) -> None:
        return None


def rounds(ready: Sequence[int]) -> list[str]:
    """Records what happens while so many messages are ready in each round, and when a commit is reported."""
    told: list[str] = []
    consumer = Waiting()

    def handle(records: Sequence[Record], _outbox: Any) -> None:
        told.append(f"handled {len(records)}")

    made = TransactionalBatches(
        KafkaSettings(),
        group="intake",
        slot="0",
        handle=handle,
        undo=lambda: None,
        committed=lambda: told.append("committed"),
        topics=[],
        batch=BatchSettings(events_max=EVENTS_MAX, wait_seconds=0.01),
        clock=consumer.clock,
    )
    made._consumer = consumer  # type: ignore[assignment]
    made._commit = lambda *_: Ended()  # type: ignore[method-assign,assignment,return-value]
    for number in ready:
        consumer.ready += number
        made._handle_all(made._take())
    return told


def test_a_full_batch_is_handled_beside_the_commit_of_the_one_before() -> None:
    """If more messages are waiting, the next batch is handled while Kafka commits."""
    assert rounds([2 * EVENTS_MAX, 0]) == ["handled 3", "handled 3", "committed"]


def test_a_batch_that_is_not_full_is_committed_before_the_next_is_taken() -> None:
    """If none are waiting, the next batch holds those that arrive during the commit, so there are few commits."""
    assert rounds([EVENTS_MAX - 1, 1]) == ["handled 2", "committed", "handled 1", "committed"]


def test_the_last_full_batch_is_committed_when_nothing_more_comes() -> None:
    """The last commit is waited for, although no batch follows it."""
    assert rounds([EVENTS_MAX, 0]) == ["handled 3", "committed"]
