"""Which features are watched: always the same ones, and the others are named."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from drift.blocks.block_structs import UNWATCHED_NAMED_MAX
from drift.monitor import ModelMonitor
from drift.settings import DriftSettings
from drift.windows.reference import build_reference
from drift.windows.window import merge_all
from schemas.wire.prediction import Prediction

SMALL = DriftSettings(features_watched_max=10, reference_events=200, lateness_events=0)


def wide(stream: Any, count: int, names: list[str], seed: int = 0) -> list[Prediction]:
    """Events with these features, in an order that differs from event to event."""
    rng = random.Random(seed)
    made = []
    for event in stream(count, seed=seed):
        shuffled = rng.sample(names, len(names))
        made.append(msgspec.structs.replace(event, features={name: rng.gauss(0, 1) for name in shuffled}))
    return made


NAMES = [f"f{number:03}" for number in range(14)]


def watched(block: Any) -> set[str]:
    return {signal.removeprefix("feature.") for signal in block.numeric if signal.startswith("feature.")}


def test_the_same_features_are_watched_whatever_the_order(stream: Any, blocks_of: Any) -> None:
    """The first by name; the others are counted, and the first of them named."""
    for seed in range(5):
        for block in blocks_of(wide(stream, 300, NAMES, seed), partitions=3, settings=SMALL):
            assert watched(block) == set(NAMES[:10])
            assert block.features_unwatched == 4
            assert block.unwatched == tuple(NAMES[10:])[:UNWATCHED_NAMED_MAX]
    within = blocks_of(wide(stream, 100, NAMES[:10]), settings=SMALL)
    assert all((block.features_unwatched, block.unwatched) == (0, ()) for block in within)


def test_features_of_the_reference_are_watched_first(stream: Any, blocks_of: Any) -> None:
    """New features, even ones that come first by name, take only what room the reference's leave."""
    before = [f"m{number:03}" for number in range(8)]
    steps = [merge_all([block]) for block in blocks_of(wide(stream, 300, before), settings=SMALL)]
    made = build_reference(steps, version="r1", created_at=0, reason="", settings=SMALL)
    later = wide(stream, 200, [*before, "a1", "a2", "a3", "z1"], seed=1)
    for block in blocks_of(later, reference=made, settings=SMALL):
        assert watched(block) == {*before, "a1", "a2"}
        assert (block.features_unwatched, block.unwatched) == (2, ("a3", "z1"))


def test_a_reference_of_mixed_events_keeps_to_the_limit(stream: Any, blocks_of: Any) -> None:
    """Where different events had different features, their union is cut to the first by name."""
    blocks = [
        *blocks_of(wide(stream, 100, NAMES[:10]), settings=SMALL),
        *blocks_of(wide(stream, 100, NAMES[4:]), partitions=1, settings=SMALL),
    ]
    blocks[1] = msgspec.structs.replace(blocks[1], block_id="other")
    steps = [merge_all([block]) for block in blocks]
    made = build_reference(steps, version="r1", created_at=0, reason="", settings=SMALL)
    features = {signal for signal in made.numeric if signal.startswith("feature.")}
    assert features == {f"feature.{name}" for name in NAMES[:10]}


@pytest.mark.parametrize("name", ["x" * 193, "y" * 10_000])
def test_a_name_that_is_too_long_is_named_too(stream: Any, blocks_of: Any, name: str) -> None:
    """Cut to what a name may be; the monitor knows of it."""
    monitor = ModelMonitor("m", SMALL)
    for block in blocks_of(wide(stream, 300, ["a", name]), settings=SMALL):
        monitor.observe(block)
    assert (monitor.features_unwatched, monitor.unwatched) == (1, (name[:200],))


def test_new_signals_are_watched_within_the_limit(stream: Any, blocks_of: Any) -> None:
    """What the reference does not have is watched as missing before, for so many signals as may be watched at all."""
    monitor = ModelMonitor("m", SMALL)
    for block in blocks_of(wide(stream, 400, ["a"]), settings=SMALL):
        monitor.observe(block)
    for number in range(5):
        names = [f"n{number}{index}" for index in range(4)]
        for block in blocks_of(wide(stream, 200, ["a", *names]), reference=monitor.reference, settings=SMALL):
            moved = msgspec.structs.replace(
                block, block_id=f"{number}-{block.block_id}", time_min=block.time_min + (number + 1) * 10**7,
                time_max=block.time_max + (number + 1) * 10**7,
            )  # fmt: skip
            monitor.observe(moved)
    assert len(monitor._absent) == SMALL.features_watched_max


JUNK = [f"a{number:03}" for number in range(40)]
"""Names that come before all others."""


def some_junk(stream: Any, count: int, share: int, seed: int = 0) -> list[Prediction]:
    """Events with ten features, and one in ``share`` from a stranger who sends other names under the same model's."""
    events = wide(stream, count, NAMES[:10], seed)
    return [
        msgspec.structs.replace(event, features=dict.fromkeys(JUNK, 1.0)) if number % share == 0 else event
        for number, event in enumerate(events)
    ]


def test_names_that_few_events_bring_keep_nobody_out(stream: Any, blocks_of: Any) -> None:
    """Of more features than may be watched those are that most events have: in blocks, and in the reference."""
    blocks = blocks_of(some_junk(stream, 300, 5), settings=SMALL)
    assert all(watched(block) == set(NAMES[:10]) for block in blocks)
    alone = blocks_of(wide(stream, 20, JUNK, 1), partitions=1, settings=SMALL)
    steps = [merge_all([block]) for block in [*alone, *blocks]]
    made = build_reference(steps, version="r1", created_at=0, reason="", settings=SMALL)
    assert {signal for signal in made.numeric if signal.startswith("feature.")} == {f"feature.{n}" for n in NAMES[:10]}


def test_a_new_feature_is_watched_after_junk_has_filled_the_places(stream: Any, blocks_of: Any) -> None:
    """What a stranger sent once takes no place of a feature that comes in most events, whenever that comes."""
    monitor = ModelMonitor("m", SMALL)
    for block in blocks_of(wide(stream, 400, ["x"]), settings=SMALL):
        monitor.observe(block)
    for number, names in enumerate((JUNK, ["x", "real"])):
        for block in blocks_of(wide(stream, 300, names), reference=monitor.reference, settings=SMALL):
            later = (number + 1) * 10**7
            monitor.observe(
                msgspec.structs.replace(
                    block, block_id=f"{number}-{block.block_id}", time_min=block.time_min + later,
                    time_max=block.time_max + later,
                )
            )  # fmt: skip
    assert "feature.real" in monitor._absent
    assert len(monitor._absent) == SMALL.features_watched_max
