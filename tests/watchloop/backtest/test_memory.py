"""The outbox that replaces Kafka in a backtest: messages reach the readers of their topic, decoded."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.codec import encode
from schemas.topics import GATES, REFERENCES, REJECTS, VERDICTS
from schemas.wire.reject import Reject
from schemas.wire.verdict import Verdict
from watchloop.backtest.memory import MemoryOutbox


def verdict(number: int) -> Verdict:
    return Verdict(
        event_id=f"e{number}",
        model="m",
        time=number,
        decision="accept",
        uncertainty=0.1 + 0.2,
        inclusion_probability=0.02,
        decided_at=number,
    )


def test_messages_arrive_in_the_order_of_sending_as_what_was_sent() -> None:
    """Arrays are split, JSON is decoded without losing digits, and what a reader sends is delivered last."""
    heard: list[Any] = []

    def hear(value: Verdict) -> None:
        heard.append(value)
        if value.event_id == "e0":
            outbox.send(VERDICTS, "m", [msgspec.structs.replace(value, event_id="answer")])

    outbox = MemoryOutbox({VERDICTS: hear, REFERENCES: heard.append})
    sent = [verdict(number) for number in range(3)]
    outbox.send(VERDICTS, "m", encode(sent[:2]))
    outbox.send(REFERENCES, "m", None)
    outbox.send(VERDICTS, "m", sent[2])
    assert heard == []
    outbox.deliver()
    assert heard[:2] == sent[:2]
    assert heard[2:4] == [None, sent[2]]
    assert [value.event_id for value in heard[4:]] == ["answer"]


def test_what_nobody_reads_is_not_kept() -> None:
    """Messages of a topic without a reader are not kept."""
    outbox = MemoryOutbox({GATES: lambda _: None})
    reject = Reject(original=b"", reason="r", source_topic="t", source_partition=0, source_offset=0, time=0)
    outbox.send(REJECTS, "k", reject)
    assert not outbox._sent
