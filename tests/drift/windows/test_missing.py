"""A reference with missing values: its pattern keeps below the thresholds, and a change reaches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from drift.monitor import AlertChanged, ModelMonitor
from drift.settings import DriftSettings
from drift.windows.psi import excess, presence_key, psi
from drift.windows.reference import build_reference
from drift.windows.window import merge_all
from schemas.wire.reference import Reference

SETTINGS = DriftSettings()
CHANGE_AT, EVENTS = 2500, 4500
Value = float | str | None
Values = Callable[[int, np.random.Generator], Value]


def text(row: int, rng: np.random.Generator) -> Value:
    return "uv"[rng.integers(2)]


def number(row: int, rng: np.random.Generator) -> Value:
    return float(rng.normal())


@pytest.fixture
def fired(stream: Any, blocks_of: Any) -> Callable[[Values], list[tuple[str, str]]]:
    """The signals and detectors of the alerts over a feature of these values, measured as it is live."""

    def run(values: Values) -> list[tuple[str, str]]:
        rng = np.random.default_rng(5)
        events = []
        for row, event in enumerate(stream(EVENTS)):
            value = values(row, rng)
            features = {} if value is None else {"m": value}
            events.append(msgspec.structs.replace(event, features=features))
        monitor = ModelMonitor("m", SETTINGS)
        before = blocks_of(events)
        outcomes = []
        measured: dict[str, Any] = {}
        for block in before:
            if monitor.reference is not None and not measured:
                measured = {block.block_id: block for block in blocks_of(events, reference=monitor.reference)}
            outcomes += monitor.observe(measured.get(block.block_id, block))
        outcomes += monitor.flush()
        alerts = [outcome.alert for outcome in outcomes if isinstance(outcome, AlertChanged)]
        return [(alert.signal, alert.detector) for alert in alerts if alert.revision == 0]

    return run


@pytest.mark.parametrize("run_events", [250, 1000])
@pytest.mark.parametrize("values", [text, number])
def test_missing_in_turns_is_normal_where_the_reference_had_it(fired: Any, values: Values, run_events: int) -> None:
    """A pattern that began with the first row is no change."""
    assert fired(lambda row, rng: None if row // run_events % 2 == 0 else values(row, rng)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (text, lambda row, rng: "w"),
        (text, lambda row, rng: "u"),
        (number, lambda row, rng: 5.0 * float(rng.normal())),
        (number, lambda row, rng: "none"),
        (text, lambda row, rng: 1.0),
    ],
)
@pytest.mark.parametrize("gap", [200, 500])
def test_a_gap_in_the_reference_hides_no_later_change(fired: Any, before: Values, after: Values, gap: int) -> None:
    """A window without values, or with few, says nothing of how values vary: texts, numbers, and one for the other."""

    def values(row: int, rng: np.random.Generator) -> Value:
        if 500 <= row < 500 + gap:
            return None
        return (before if row < CHANGE_AT else after)(row, rng)

    assert ("feature.m", "psi") in fired(values)


@pytest.mark.parametrize("values", [text, number, lambda row, rng: 1.0])
@pytest.mark.parametrize("share", [0.4, 1.0])
def test_a_feature_that_comes_to_be_missing_is_told(fired: Any, values: Values, share: float) -> None:
    """Of all events or of many, whatever the values are."""
    assert ("feature.m", "psi") in fired(
        lambda row, rng: None if row >= CHANGE_AT and rng.random() < share else values(row, rng)
    )


def test_each_window_of_its_own_category_leaves_a_threshold_that_a_new_one_reaches(fired: Any) -> None:
    """Three times the reference's own index would be more than any change can show."""
    assert fired(lambda row, rng: "abcd"[row // 500 % 4]) == []
    assert ("feature.m", "psi") in fired(lambda row, rng: "w" if row >= CHANGE_AT else "abcd"[row // 500 % 4])


@pytest.mark.parametrize("gap", [200, 500])
@pytest.mark.parametrize("values", [text, number])
def test_what_is_normal_is_measured_as_windows_are(stream: Any, blocks_of: Any, values: Values, gap: int) -> None:
    """``psi_normal`` is the largest index that ``psi`` has for the reference's own windows, values and presence."""
    rng = np.random.default_rng(5)
    events = []
    for row, event in enumerate(stream(2000)):
        features = {} if 500 <= row < 500 + gap else {"m": values(row, rng)}
        events.append(msgspec.structs.replace(event, features=features))
    made = _reference(blocks_of(events))
    windows = [merge_all(blocks_of(events[at : at + 500], reference=made)) for at in range(0, 2000, 500)]
    stabilities = [psi(made, window)["feature.m"] for window in windows]
    assert made.psi_normal["feature.m"] == pytest.approx(max(stability.values for stability in stabilities))
    normal = made.psi_normal.get(presence_key("feature.m"), 0.0)
    assert normal == pytest.approx(max(stability.presence for stability in stabilities))


def test_nothing_is_no_distribution() -> None:
    """Two halves of an event a bin, which smoothing adds, are compared with nothing."""
    assert excess((750, 750, 0, 0), (0, 0, 0, 0)) == excess((0, 0), (3, 4)) == 0.0


def _reference(blocks: list[Any]) -> Reference:
    steps = [merge_all([block]) for block in blocks]
    return build_reference(steps, version="r1", created_at=5, reason="test", settings=SETTINGS)
