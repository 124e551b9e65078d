"""Blocks that were made before the reference was known: what needs no edges is seen in them as in any others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from drift.monitor import AlertChanged, ModelMonitor
from drift.settings import DriftSettings
from drift.windows.psi import psi
from drift.windows.reference import build_reference
from drift.windows.window import merge_all
from schemas.wire.alert import Alert
from schemas.wire.block import Block
from schemas.wire.prediction import Prediction

SETTINGS = DriftSettings()
EVENTS, CHANGE, BACK = 8_000, 4_000, 5_500
Value = float | int | str | None
Draw = Callable[[np.random.Generator], Value]

DRAWS: dict[str, Draw] = {
    "number": lambda rng: float(rng.normal(50.0, 5.0)),
    "whole": lambda rng: int(rng.integers(1, 4)),
    "constant": lambda rng: 7.0,
    "text": lambda rng: "ab"[rng.integers(2)],
    "nothing": lambda rng: None,
    "word": lambda rng: "n/a",
    "mostly": lambda rng: None if rng.random() < 0.6 else float(rng.normal(50.0, 5.0)),
}
CHANGES = [
    ("number", "nothing"),
    ("number", "word"),
    ("number", "mostly"),
    ("whole", "nothing"),
    ("whole", "word"),
    ("constant", "nothing"),
    ("constant", "word"),
    ("text", "nothing"),
    ("text", "number"),
    ("nothing", "number"),
    ("nothing", "text"),
]
STEADY = ["number", "whole", "constant", "text", "mostly"]


def events_of(stream: Any, columns: dict[str, list[Draw]], seed: int) -> list[Prediction]:
    """Events of features that are drawn by one rule before the change and by another after it."""
    rng = np.random.default_rng(seed)
    made = []
    for row, event in enumerate(stream(EVENTS, seed=seed)):
        drawn = {name: draws[row >= CHANGE](rng) for name, draws in columns.items()}
        features = {name: value for name, value in drawn.items() if value is not None}
        made.append(msgspec.structs.replace(event, features=features))
    return made


def columns() -> dict[str, list[Draw]]:
    changed = {f"{before} to {after}": [DRAWS[before], DRAWS[after]] for before, after in CHANGES}
    return changed | {f"steady {name}": [DRAWS[name]] * 2 for name in STEADY}


def fired(blocks: list[Block]) -> dict[str, int]:
    """The event at which each signal's alert fired, where it did."""
    monitor = ModelMonitor("m", SETTINGS)
    outcomes = [outcome for block in blocks for outcome in monitor.observe(block)] + monitor.flush()
    alerts = [outcome.alert for outcome in outcomes if isinstance(outcome, AlertChanged)]
    first = [alert for alert in alerts if alert.revision == 0]
    assert len(first) == len({alert.signal for alert in first})
    return {alert.signal.removeprefix("feature."): alert.fired_at_event for alert in first}


@pytest.mark.parametrize("seed", range(3))
def test_what_vanishes_turns_or_comes_is_seen_though_no_block_lies_on_edges(
    stream: Any, blocks_of: Any, seed: int
) -> None:
    """Numbers, constants and texts alike, within two windows, and nothing else is told."""
    fired_at = fired(blocks_of(events_of(stream, columns(), seed)))
    assert set(fired_at) == {f"{before} to {after}" for before, after in CHANGES}
    assert all(CHANGE < at <= CHANGE + 1_000 for at in fired_at.values()), fired_at


@pytest.mark.parametrize("seed", range(3))
def test_presence_is_the_same_on_edges_and_off_them(stream: Any, blocks_of: Any, seed: int) -> None:
    """Of every signal of the reference, in any window, and an index of values where values can be compared."""
    events = events_of(stream, columns(), seed)
    steps = [merge_all([block]) for block in blocks_of(events[:2_000])]
    reference = build_reference(steps, version="r1", created_at=5, reason="test", settings=SETTINGS)
    for at in range(0, EVENTS, 500):
        part = events[at : at + 500]
        off, on = (psi(reference, merge_all(blocks_of(part, reference=edges))) for edges in (None, reference))
        assert set(off) == set(on) == {*reference.numeric, *reference.categorical}
        assert [stability.presence for stability in off.values()] == [stability.presence for stability in on.values()]
        for signal, stability in off.items():
            assert stability.values in (None, on[signal].values)
            assert stability.values is not None or any(signal in block.numeric for block in blocks_of(part))


@pytest.mark.parametrize("on_from", [CHANGE + 500, CHANGE + 1_000, CHANGE + 2_500])
def test_edges_that_come_later_tell_the_same_change_once(stream: Any, blocks_of: Any, on_from: int) -> None:
    """What goes on when INTAKE has got the reference is the change that was told already."""
    events = events_of(stream, columns(), seed=1)
    steps = [merge_all([block]) for block in blocks_of(events[:2_000])]
    reference = build_reference(steps, version="r1", created_at=5, reason="test", settings=SETTINGS)
    off, on = blocks_of(events), blocks_of(events, reference=reference)
    mixed = [late if early.first_offset >= on_from else early for early, late in zip(off, on, strict=True)]
    assert fired(mixed) == fired(off)


def test_windows_off_the_edges_are_no_evidence_of_being_back(stream: Any, blocks_of: Any) -> None:
    """A spread that has grown is told on edges; windows that do not show the spread do not resolve the alert."""
    wide = [DRAWS["number"], lambda rng: float(rng.normal(50.0, 25.0))]
    events = events_of(stream, {"x": wide}, seed=2)
    steps = [merge_all([block]) for block in blocks_of(events[:2_000])]
    reference = build_reference(steps, version="r1", created_at=5, reason="test", settings=SETTINGS)
    off, on = blocks_of(events), blocks_of(events, reference=reference)
    monitor = ModelMonitor("m", msgspec.structs.replace(SETTINGS, quiet_windows_to_resolve=2))
    mixed = [late if early.first_offset < BACK else early for early, late in zip(off, on, strict=True)]
    outcomes = [outcome for block in mixed for outcome in monitor.observe(block)] + monitor.flush()
    history: list[Alert] = [outcome.alert for outcome in outcomes if isinstance(outcome, AlertChanged)]
    assert {(alert.signal, alert.detector, alert.state) for alert in history} == {("feature.x", "psi", "firing")}
