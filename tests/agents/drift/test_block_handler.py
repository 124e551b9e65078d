"""DRIFT reads blocks, and hears what people say of alerts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agents.drift.block_handler import BlockHandler
from agents.drift.monitors import Monitors
from drift.settings import DriftSettings
from review.settings import QueueSettings
from schemas.codec import encode
from schemas.columns.block_columns import block_batch
from schemas.topics import BLOCKS, REJECTS
from schemas.wire.block import Block, NumericSummary, SampledRow
from streams.consume.batches import AssignedPartition
from streams.message_limits import MessageLimits
from tests.support.made_blocks import stream_of
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord


class NoReports:
    """Makes no reports."""

    def poll(self) -> list[tuple[str, str, str]]:
        return []


@pytest.mark.parametrize("data", [None, b"{", b'{"task_id": 1}', b"[]"])
def test_what_cannot_be_read_is_left_out(data: bytes | None) -> None:
    """A tombstone, or bytes that are no opinion and no task, end nothing and change nothing."""
    reports: Any = NoReports()
    drift = BlockHandler(
        Monitors(lambda _model: DriftSettings(), QueueSettings(), reports), PREFIX, load=lambda: ({}, {})
    )
    outbox = CollectingOutbox()
    drift.people.hear_opinion(PlainRecord(data, name="review.opinions"))
    drift.people.hear_task(PlainRecord(data, name="review.alerts"))
    drift.handle([], outbox)
    assert not outbox.sent


SETTINGS = DriftSettings(reference_events=1_000, lateness_events=0)


def drift_of(limits: MessageLimits | None = None) -> tuple[BlockHandler, Monitors]:
    """DRIFT at the start of the log."""
    reports: Any = NoReports()
    monitors = Monitors(lambda _model: SETTINGS, QueueSettings(), reports)
    handler = BlockHandler(monitors, PREFIX, load=lambda: ({}, {}), limits=limits)
    handler.assigned([AssignedPartition(BLOCKS.name, 0, None)])
    return handler, monitors


def block(number: int, model: str = "m") -> Block:
    """A hundred events, a block of which comes every second."""
    first = number * 100
    rows = [
        SampledRow(
            hash=event, event_id=f"e{event}", time=event * 10, features={"x": event / 7, "plan": "ab"[event % 2]},
            prediction="yes", confidence=0.5,
        )
        for event in range(first, first + 100)
    ]  # fmt: skip
    summary = NumericSummary(count=100, mean=first / 7, m2=float(number), minimum=first / 7, maximum=(first + 99) / 7)
    return Block(
        block_id=f"{model}/0/{first}.0", model=model, partition=0, first_offset=first, last_offset=first + 99,
        time_min=first * 10, time_max=first * 10 + 990, events=100, numeric={"feature.x": summary}, categorical={},
        sample=tuple(rows),
    )  # fmt: skip


def test_many_blocks_in_a_message_are_the_same_as_each_in_its_own() -> None:
    """References are equal to the last bit, whether blocks come as Arrow, of several models, or one by one as JSON."""
    made = [block(number, model) for number in range(14) for model in ("m", "n")]
    together, apart = CollectingOutbox(), CollectingOutbox()
    drift_of()[0].handle(
        [PlainRecord(stream_of(made[start : start + 9]), BLOCKS.name) for start in (0, 9, 18, 27)], together
    )
    drift_of()[0].handle([PlainRecord(encode(one), BLOCKS.name) for one in made], apart)
    sent = [
        [(topic, key, encode(msgspec.structs.replace(value, told_at=0))) for topic, key, value in outbox.sent]  # type: ignore[union-attr]
        for outbox in (together, apart)
    ]
    assert sent[0] == sent[1]
    assert {topic for topic, _, _ in sent[0]} == {"references"}


def test_a_block_that_cannot_be_used_is_rejected_alone() -> None:
    """A wrong row, and one that contradicts itself, are Rejects with their index; the others count."""
    made = [block(number) for number in range(5)]
    batch = block_batch([*made[:3], block(9, "x" * 201), *made[3:]])
    handler, monitors = drift_of()
    outbox = CollectingOutbox()
    record = PlainRecord(stream_of([], batch=batch), BLOCKS.name, number=7, key_bytes=b"m")
    handler.handle([record], outbox)
    (reject,) = outbox.of(REJECTS)
    assert (reject.source_offset, reject.source_index, reject.role) == (7, 3, "drift")  # type: ignore[attr-defined]
    assert "more than 200 characters" in reject.reason  # type: ignore[attr-defined]
    assert monitors.by_model["m"].steps._arrived_events == 500


@pytest.mark.parametrize("data", [None, b"", b"rubbish", stream_of([block(1)])[:-8], stream_of([block(1)])])
def test_a_message_that_cannot_be_read_is_one_reject(data: bytes | None) -> None:
    """With all its bytes; what comes after it is read. The limit of bytes is that of all messages."""
    handler, monitors = drift_of(MessageLimits(bytes_max=9_000))
    outbox = CollectingOutbox()
    handler.handle([PlainRecord(data, BLOCKS.name), PlainRecord(encode(small()), BLOCKS.name)], outbox)
    (reject,) = outbox.of(REJECTS)
    assert reject.original == (data or b"")  # type: ignore[attr-defined]
    assert list(monitors.by_model) == ["m"]


def small() -> Block:
    return Block(
        block_id="m/0/1.0", model="m", partition=0, first_offset=1, last_offset=1, time_min=1, time_max=1, events=1,
        numeric={}, categorical={},
    )  # fmt: skip
