"""Clocks that run ahead and are put right: drift goes on comparing, the log says what a reference was made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from drift.monitor import AlertChanged, ModelMonitor, MonitorResult, NewReference
from drift.settings import DriftSettings
from drift.windows.reference import is_past
from drift.windows.window import merge_all
from schemas import codec
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.alert import Alert
from schemas.wire.block import Block
from schemas.wire.prediction import Prediction
from schemas.wire.reference import Reference
from tests.support.made_blocks import build_blocks

SETTINGS = DriftSettings()
HOUR_MS = 3_600_000
DRIFT_AT = 12_000
BATCH = 400


def ahead(events: Sequence[Prediction], count: int, hours: int = 14) -> list[Prediction]:
    """The first ``count`` events are that far ahead."""
    return [
        msgspec.structs.replace(event, time=event.time + hours * HOUR_MS) if index < count else event
        for index, event in enumerate(events)
    ]


def blocks_at(
    events: Sequence[Prediction], start: int, partition: int, reference: Reference | None, *, offset: int | None = None
) -> list[Block]:
    """Blocks of one partition's events, whose offsets begin at ``start``, or which are all of one message."""
    return build_blocks(
        PredictionColumns.of(events),
        partitions=[partition] * len(events),
        offsets=[start + index for index in range(len(events))] if offset is None else [offset] * len(events),
        decisions=np.zeros(len(events), np.int8),
        decision_names=("accept",),
        reference=reference,
        settings=SETTINGS,
    )


class Run:
    """A stream as it is live: dealt to partitions, measured on the reference as soon as there is one."""

    def __init__(self, partitions: int = 1, monitor: ModelMonitor | None = None) -> None:
        self.partitions = partitions
        self.monitor = monitor or ModelMonitor("m", SETTINGS, partitions=partitions)
        self.blocks: list[Block] = []
        self.outcomes: list[MonitorResult] = []
        self._read = 0

    def read(self, events: Sequence[Prediction]) -> Run:
        for first in range(0, len(events), BATCH):
            batch = events[first : first + BATCH]
            for partition in range(self.partitions):
                part = batch[partition :: self.partitions]
                start = self._read // self.partitions
                self.observe(blocks_at(part, start, partition, self.monitor.reference))
            self._read += len(batch)
        return self

    def observe(self, blocks: Sequence[Block]) -> Run:
        self.blocks += blocks
        self.outcomes += [outcome for block in blocks for outcome in self.monitor.observe(block)]
        return self

    @property
    def references(self) -> list[Reference]:
        return [outcome.reference for outcome in self.outcomes if isinstance(outcome, NewReference)]

    @property
    def alerts(self) -> list[Alert]:
        return [outcome.alert for outcome in self.outcomes if isinstance(outcome, AlertChanged)]

    @property
    def fired(self) -> list[tuple[str, int]]:
        return [(alert.signal, alert.fired_at_event) for alert in self.alerts if alert.revision == 0]


def again(run: Run, blocks: Sequence[Block]) -> Run:
    """The blocks read after a restart."""
    monitor = ModelMonitor("m", SETTINGS, reference=kept(run.monitor.reference), partitions=run.partitions)
    monitor.restore(run.alerts)
    return Run(run.partitions, monitor).observe(blocks)


def kept(reference: Reference | None) -> Reference:
    return codec.decode(Reference, codec.encode(reference))


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("count", [1000, 2000, 3000, 5000])
def test_drift_is_seen_after_a_clock_that_ran_ahead(stream: Any, count: int, partitions: int) -> None:
    """However many of the first events were ahead, a later change fires, once, and the reference has nothing of it.

    Those that do not make a reference wait for their time, and are not counted before it.
    """
    events = ahead(stream(20_000, shift=5.0, change_at=DRIFT_AT), count)
    run = Run(partitions).read(events)
    (reference,) = run.references
    assert abs(reference.numeric["feature.x"].mean) < 0.2
    assert reference.time_min <= reference.time_max
    ((signal, at),) = run.fired
    assert signal == "feature.x"
    waiting = count if count < SETTINGS.reference_events else 0
    assert DRIFT_AT < at + waiting <= DRIFT_AT + 600


def test_a_jump_back_while_the_reference_is_made_takes_nothing_of_later(stream: Any) -> None:
    """Too few events ahead for a reference: what came after them is part of it, not what came after the lateness."""
    run = Run(4).read(ahead(stream(20_000, shift=5.0, change_at=4000), 1500))
    (reference,) = run.references
    assert reference.time_min <= reference.time_max
    assert abs(reference.numeric["feature.x"].mean) < 0.2
    assert [signal for signal, _ in run.fired] == ["feature.x"]


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_a_few_odd_clocks_change_no_alert(stream: Any, share: float) -> None:
    """Some of the first events far ahead: the change is seen as it would be without them."""
    odd = np.random.default_rng(2).random(2400) < share
    events = [
        msgspec.structs.replace(event, time=event.time + 23 * HOUR_MS) if index < 2400 and odd[index] else event
        for index, event in enumerate(stream(20_000, shift=5.0, change_at=DRIFT_AT))
    ]
    ((signal, at),) = Run(4).read(events).fired
    assert signal == "feature.x"
    assert DRIFT_AT < at <= DRIFT_AT + 600


@pytest.mark.parametrize("partitions", [1, 4])
def test_reading_again_over_a_jump_back_tells_nothing_new(stream: Any, partitions: int) -> None:
    """After a restart the same alert is open, the reference is the same, and what was told is not told again."""
    run = Run(partitions).read(ahead(stream(20_000, shift=5.0, change_at=DRIFT_AT), 5000))
    replayed = again(run, run.blocks)
    assert replayed.outcomes
    assert (replayed.alerts, replayed.references) == ([], [])
    assert [alert.alert_id for alert in replayed.monitor._book.open] == [
        alert.alert_id for alert in run.monitor._book.open
    ]


@pytest.mark.parametrize("first", [0, 8000])
def test_a_restart_after_the_jump_back_leaves_it_watched(stream: Any, first: int) -> None:
    """Whether the events that were ahead can still be read or not, a change after the restart fires."""
    events = ahead(stream(20_000, shift=5.0, change_at=DRIFT_AT), 5000)
    run = Run().read(events[: DRIFT_AT - 1000])
    assert run.fired == []
    later = blocks_at(events[DRIFT_AT - 1000 :], DRIFT_AT - 1000, 0, run.monitor.reference)
    replayed = again(run, [*(block for block in run.blocks if block.first_offset >= first), *later])
    ((signal, at),) = replayed.fired
    assert signal == "feature.x"
    assert DRIFT_AT - first < at <= DRIFT_AT - first + 600


@pytest.mark.parametrize("by", ["", "ann"])
def test_an_alert_ahead_of_time_hides_no_later_one(stream: Any, by: str) -> None:
    """It was told of events that were ahead and is over, on its own or not; after a restart it stays so, and a change
    at the right time, which is earlier than what it was told of, fires.
    """
    events = stream(34_000, shift=5.0, change_at=6000, change_end=10_000)
    later = stream(34_000, shift=5.0, change_at=28_000)
    events = [*events[:28_000], *later[28_000:]]
    clocks = [
        msgspec.structs.replace(event, time=event.time + 14 * HOUR_MS) if 4000 <= index < 12_000 else event
        for index, event in enumerate(events)
    ]
    run = Run().read(clocks[:9000] if by else clocks[:26_000])
    if by:
        (alert,) = run.monitor._book.open
        run.outcomes.append(run.monitor.resolve(alert.alert_id, by=by, at=clocks[25_000].time))
        run.read(clocks[9000:26_000])
    assert [(alert.state, alert.judged_until > clocks[-1].time) for alert in run.alerts] == [
        ("firing", True), ("resolved", True),
    ]  # fmt: skip
    replayed = again(run, run.blocks)
    assert replayed.alerts == []
    replayed.observe(blocks_at(clocks[26_000:], 26_000, 0, run.monitor.reference))
    ((signal, at),) = replayed.fired
    assert signal == "feature.x"
    assert 28_000 < at <= 28_600


def test_events_ahead_are_not_compared_with_a_reference_that_came_later(stream: Any) -> None:
    """The new normal was adopted after the clock had been put right: reading the older events again is no alert."""
    run = Run().read(ahead(stream(18_000, shift=5.0, change_at=DRIFT_AT), 5000))
    run.outcomes += run.monitor.adopt_reference(by="ann", at=1_700_000_000_000 + 18_000_000, reason="new normal")
    assert [reference.version for reference in run.references] == ["r1", "r2"]
    replayed = again(run, run.blocks)
    assert replayed.alerts == []
    assert replayed.monitor.windows_seen == run.monitor.windows_seen


def test_one_message_is_both_reference_and_watched(stream: Any) -> None:
    """A message of many events makes the reference with its first ones; the rest of it is compared, by time."""
    events = stream(8000, shift=5.0, change_at=4000)
    run = Run().observe(blocks_at(events, 0, 0, None, offset=7))
    assert [signal for signal, _ in run.fired] == ["feature.x"]


def test_events_of_one_instant_are_watched(stream: Any) -> None:
    """A recording of one instant hides no change."""
    run = Run().read(stream(8000, shift=5.0, change_at=4000, time_step=0))
    run.outcomes += run.monitor.flush()
    assert [signal for signal, _ in run.fired] == ["feature.x"]


def test_a_log_that_begins_anew_is_watched(stream: Any, blocks_of: Any) -> None:
    """Offsets from 0 again say nothing once the events are a day past the reference, and time alone counts for a
    reference that does not say how far the log had been read.
    """
    reference = Run().read(stream(4000)).references[0]
    step = merge_all(blocks_of(stream(100)))
    (block,) = step.blocks

    def at(hours: int, known: Reference = reference) -> bool:
        moved = {"time_min": block.time_min + hours * HOUR_MS, "time_max": block.time_max + hours * HOUR_MS}
        return is_past(known, merge_all([msgspec.structs.replace(block, **moved)]))

    assert [at(hours) for hours in (0, 12, 26)] == [False, False, True]
    without = msgspec.structs.replace(reference, last_offsets={})
    assert [at(hours, without) for hours in (0, 12, 26)] == [False, True, True]
