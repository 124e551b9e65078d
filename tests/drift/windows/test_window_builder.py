"""Windows: merging is a law, order comes from event time, waiting is bounded."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.settings import DriftSettings
from drift.windows.window import Window, merge_all
from drift.windows.window_builder import WindowBuilder
from schemas.wire.block import Block
from schemas.wire.prediction import Prediction


def merge(window: Window, other: Window) -> Window:
    """All blocks of both."""
    return merge_all((*window.blocks, *other.blocks))


def figures(window: Window) -> tuple[Any, ...]:
    return (
        window.events, window.time, window.numeric, window.categorical, window.sample(50),
    )  # fmt: skip


@pytest.fixture
def blocks(stream: Any, blocks_of: Any) -> list[Block]:
    return list(blocks_of(stream(900), partitions=3, settings=DriftSettings(block_events_max=50)))


def test_any_order_and_grouping_gives_the_same_window(blocks: list[Block]) -> None:
    """Merge is associative, commutative and idempotent, to the last bit of every figure."""
    whole = figures(merge_all(blocks))

    @settings(max_examples=40, deadline=None)
    @given(st.randoms(use_true_random=False))
    def law(rng: random.Random) -> None:
        parts = [merge_all([block]) for block in blocks]
        while len(parts) > 1:
            rng.shuffle(parts)
            window, other = parts.pop(), parts.pop()
            parts.append(merge(window, other) if rng.random() < 0.5 else merge(merge(other, window), other))
        assert figures(parts[0]) == whole

    law()


def test_a_window_says_what_its_events_say(stream: Any, blocks_of: Any) -> None:
    """Merged moments and counts equal those of the events."""
    events = stream(1000)
    window = merge_all(blocks_of(events, partitions=3))
    x = np.array([event.features["x"] for event in events])
    summary = window.numeric["feature.x"]
    assert (summary.count, summary.missing) == (1000, 0)
    assert np.isclose(summary.mean, x.mean())
    assert np.isclose(summary.m2, ((x - x.mean()) ** 2).sum())
    assert window.categorical["feature.kind"].counts == {"a": 500, "b": 500}


def test_a_signal_absent_from_a_block_is_missing_in_the_window(stream: Any, blocks_of: Any) -> None:
    """A block without the signal adds its events to ``missing``."""
    with_x = blocks_of(stream(100))
    without = [Block(**{**as_fields(block), "block_id": "other", "numeric": {}}) for block in with_x]
    assert merge_all([*with_x, *without]).numeric["feature.x"].missing == 100


def as_fields(block: Block | Prediction) -> dict[str, Any]:
    return {name: getattr(block, name) for name in block.__struct_fields__}


def windows_of(blocks: list[Block], *, partitions: int = 1, **chosen: Any) -> tuple[list[Window], WindowBuilder]:
    builder = WindowBuilder(200, DriftSettings(**chosen), partitions=partitions)
    windows = [window for block in blocks for window in builder.add(block)]
    return windows + builder.flush(), builder


@pytest.mark.parametrize("time_step", [0, 1, 1000, 1_800_000])
def test_arrival_order_within_the_lateness_changes_nothing(stream: Any, blocks_of: Any, time_step: int) -> None:
    """However fast event time runs, partitions that lag by less than the lateness give the same windows."""
    settings_ = DriftSettings(block_events_max=20)
    in_order = blocks_of(stream(3000, time_step=time_step), partitions=4, settings=settings_)
    queues = [[block for block in in_order if block.partition == p] for p in range(4)]
    expected, _ = windows_of(in_order, lateness_events=1500)
    rng = random.Random(5)
    for _ in range(5):
        left = [list(queue) for queue in queues]
        arrived: list[Block] = []
        while any(left):
            behind = max(len(queue) for queue in left)
            ready = [queue for queue in left if queue and behind - len(queue) < 15]
            arrived.append(rng.choice(ready).pop(0))
        windows, builder = windows_of(arrived, lateness_events=1500)
        assert builder.late_blocks == 0
        assert windows == expected


def test_a_first_backlog_is_read_partition_by_partition(stream: Any, blocks_of: Any) -> None:
    """Partitions that nothing is known of yet are waited for: a backlog that comes one by one loses nothing."""
    blocks = blocks_of(stream(4800), partitions=4)
    expected, _ = windows_of(blocks, partitions=4)
    one_by_one = sorted(blocks, key=lambda block: (block.partition, block.first_offset))
    windows, builder = windows_of(one_by_one, partitions=4)
    assert builder.late_blocks == 0
    assert windows == expected
    _, unaware = windows_of(one_by_one, partitions=1, reference_events=1000)
    assert unaware.late_blocks > 0


def test_partitions_that_never_speak_are_waited_for_once(stream: Any, blocks_of: Any) -> None:
    """A producer that uses one of four partitions is judged after ``lateness_events`` events, and then at once."""
    builder = WindowBuilder(200, DriftSettings(lateness_events=1000, reference_events=500), partitions=4)
    closed = [len(builder.add(block)) for block in blocks_of(stream(3000))]
    assert sum(closed[:10]) == 0
    assert sum(closed[:11]) == 5
    assert sum(closed) == 14


def test_windows_lose_no_event(stream: Any, blocks_of: Any) -> None:
    """Windows hold every event once and have at least the asked size, but for the last."""
    windows, _ = windows_of(blocks_of(stream(1730), partitions=3))
    assert sum(window.events for window in windows) == 1730
    assert all(window.events >= 200 for window in windows[:-1])


def test_a_block_that_comes_twice_counts_once(stream: Any, blocks_of: Any) -> None:
    """A repeated block is left out, and is not late."""
    blocks = blocks_of(stream(600))
    windows, builder = windows_of([block for block in blocks for _ in range(2)])
    assert sum(window.events for window in windows) == 600
    assert builder.late_blocks == 0


def test_a_silent_partition_holds_up_nothing_for_ever(stream: Any, blocks_of: Any) -> None:
    """After ``lateness_events`` events of others it is passed over, and what it then sends is counted as late."""
    blocks = blocks_of(stream(4000), partitions=2)
    lagging = [block for block in blocks if block.partition == 1]
    arrived = [lagging[0], *(block for block in blocks if block.partition == 0), *lagging[1:]]
    builder = WindowBuilder(200, DriftSettings(lateness_events=500))
    early = [window for block in arrived[:21] for window in builder.add(block)]
    assert sum(window.events for window in early) >= 1200
    for block in arrived[21:26]:
        builder.add(block)
    assert (builder.late_blocks, builder.late_events, builder.time_resets) == (5, 500, 0)


def test_waiting_is_bounded(stream: Any, blocks_of: Any) -> None:
    """Beyond ``open_blocks_max`` the oldest blocks are taken whatever the watermark, and that is counted."""
    blocks = blocks_of(stream(2000), settings=DriftSettings(block_events_max=20))
    windows, builder = windows_of(blocks, open_blocks_max=10, reference_events=10_000)
    assert builder.forced_blocks == len(blocks) - 10
    assert sum(window.events for window in windows) == 2000


def test_events_of_one_instant_are_not_lost(stream: Any, blocks_of: Any) -> None:
    """Where all times are equal nothing is ever late, whatever the limit forces."""
    blocks = blocks_of(stream(3000, time_step=0), partitions=3)
    windows, builder = windows_of(blocks, open_blocks_max=5, lateness_events=100)
    assert builder.late_blocks == 0
    assert sum(window.events for window in windows) == 3000


def test_one_wrong_clock_does_not_blind_it(stream: Any, blocks_of: Any) -> None:
    """An event from the year 9999 delays its own block and loses no other."""
    events = stream(4000)
    events[1500] = Prediction(**{**as_fields(events[1500]), "time": 253_402_300_799_999})
    windows, builder = windows_of(blocks_of(events))
    assert builder.late_blocks == 0
    assert sum(window.events for window in windows) == 4000
    assert max(window.time for window in windows) < 1_700_100_000_000


def test_a_partition_recovers_from_a_wrong_clock(stream: Any, blocks_of: Any) -> None:
    """The partition that saw it, lagging behind the other, is waited for again from its next block on."""
    events = stream(8000)
    events[3000] = Prediction(**{**as_fields(events[3000]), "time": 253_402_300_799_999})
    blocks = blocks_of(events, partitions=2)
    lagging, ahead = ([block for block in blocks if block.partition == p] for p in (0, 1))
    arrived = [*ahead[:4], *(block for pair in zip(lagging, ahead[4:], strict=False) for block in pair), *lagging[-4:]]
    _, builder = windows_of(arrived)
    assert builder.late_blocks <= 5


def test_a_recording_played_again_is_read_again(stream: Any, blocks_of: Any) -> None:
    """When time jumps back for longer than the lateness, the builder starts over from there and loses no event."""
    blocks = blocks_of(stream(6000))
    again = [msgspec.structs.replace(block, block_id=f"again-{block.block_id}") for block in blocks]
    windows, builder = windows_of([*blocks, *again], lateness_events=1000)
    assert builder.time_resets == 1
    assert (builder.late_blocks, builder.late_events) == (0, 0)
    assert sum(window.events for window in windows) == 12_000
    times = [window.time for window in windows]
    assert times[:30] == sorted(times[:30]) == times[30:]


def test_late_blocks_that_are_kept_for_a_jump_back_are_bounded(stream: Any, blocks_of: Any) -> None:
    """The newest of a row that turns out to be a jump back are judged, those beyond the limit stay late; what comes
    twice in the row counts once.
    """
    blocks = blocks_of(stream(6000, time_step=0), settings=DriftSettings(block_events_max=20))
    early = [
        msgspec.structs.replace(block, block_id=f"e-{block.block_id}", time_min=1, time_max=1) for block in blocks[:60]
    ]
    twice = [block for block in early for _ in range(2)]
    windows, builder = windows_of([*blocks, *twice], lateness_events=1000, open_blocks_max=10)
    assert (builder.time_resets, builder.late_blocks, builder.late_events) == (1, 41, 820)
    assert sum(window.events for window in windows) == 7200 - 820
