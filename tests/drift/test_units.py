"""Drift does not depend on units: adding a constant to a signal, or multiplying it, changes no alert."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.blocks.block_structs import numeric_structs
from drift.blocks.moments import distance, merged
from drift.blocks.numeric import numeric_summaries
from drift.blocks.runs import Runs
from drift.monitor import ModelMonitor
from drift.settings import DriftSettings
from schemas.wire.alert import Alert
from schemas.wire.block import NumericSummary
from schemas.wire.prediction import Prediction
from tests.support.watched_events import watched_events

Floats = npt.NDArray[np.float64]
Map = Callable[[Floats], Floats]

SETTINGS = DriftSettings(
    reference_events=1_000, lateness_events=100, alerts_open_max=1_000, quiet_windows_to_resolve=2, window_steps=2
)
EVENTS, CHANGE, BACK = 4_400, 2_000, 3_200
GRID = 1 / 1024


def signals() -> dict[str, Floats]:
    """Numbers of every kind, on a grid of 1/1024, that change in every way at CHANGE and are as before from BACK on."""
    rng = np.random.default_rng(7)
    normal = rng.normal(size=EVENTS)
    inside = np.zeros(EVENTS, np.bool_)
    inside[CHANGE:BACK] = True
    wave = np.sin(np.arange(EVENTS) / 150)
    made = {
        "steady": normal,
        "less_than_sd": rng.normal(size=EVENTS) + 0.8 * inside,
        "mean": rng.normal(size=EVENTS) - 2.0 * inside,
        "spread": rng.normal(size=EVENTS) * (1 + 2 * inside),
        "shape": np.where(inside, rng.exponential(size=EVENTS) - 1, rng.normal(size=EVENTS)),
        "tail": np.exp(rng.normal(size=EVENTS) * 1.5 + inside),
        "wave": wave + 0.1 * rng.normal(size=EVENTS) + 6 * inside,
        "counts": rng.poisson(np.where(inside, 5.0, 3.0)).astype(float),
        "many_counts": rng.poisson(np.where(inside, 60.0, 50.0)).astype(float),
        "flag": (rng.random(EVENTS) < np.where(inside, 0.5, 0.1)).astype(float),
        "few": rng.choice([0.0, 2.0, 4.0], EVENTS) + inside,
        "between": np.where(inside, 3.0, rng.choice([0.0, 2.0, 4.0], EVENTS)),
        "constant": np.where(inside, 7.5, 0.4150390625),
        "constant_rarely": np.where(inside & (rng.random(EVENTS) < 0.2), 2.0, 1.0),
        "constant_both": 1.0 + inside * rng.choice([-1.0, 0.0, 1.0], EVENTS),
        "never": np.full(EVENTS, 3.0),
        "missing": np.where(inside & (rng.random(EVENTS) < 0.5), np.nan, normal[::-1]),
        "gone": np.where(inside, np.nan, normal),
        "came": np.where(inside, normal, np.nan),
        "holes": np.where(rng.random(EVENTS) < 0.3, np.nan, rng.normal(size=EVENTS) + inside),
    }
    return {name: np.round(values / GRID) * GRID for name, values in made.items()}


def alerts(change: Map) -> list[Alert]:
    """Every transition of every alert over the signals, changed by a map."""
    return watched({name: change(values) for name, values in signals().items()})[0]


def watched(
    columns: dict[str, Any], number: Callable[[Any], float] = float, settings: DriftSettings = SETTINGS
) -> tuple[list[Alert], ModelMonitor]:
    """Every transition of every alert over some columns, NaN where there is nothing, and who watched them."""
    events = [
        Prediction(
            event_id=f"e{row}", model="m", time=1_700_000_000_000 + row * 1000, prediction="a", confidence=0.9,
            features={
                name: None if np.isnan(values[row]) else number(values[row]) for name, values in columns.items()
            },
        )
        for row in range(EVENTS)
    ]  # fmt: skip
    return watched_events(events, settings, read_at_once=200)


UNITLESS = ("shift_sd", "psi", "psi_threshold", "other_share", "missing_before")


def reported(raised: list[Alert], *, exact: bool = False) -> list[Any]:
    """What an alert says without its unit, with the numbers or without."""
    return sorted(
        (
            alert.signal, alert.revision, alert.state, alert.detector, alert.severity, alert.fired_at_event,
            alert.changed_at, alert.note,
            [(name, alert.evidence[name]) for name in UNITLESS if exact and name in alert.evidence],
        )
        for alert in raised
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> list[Alert]:
    return alerts(lambda values: values)


def test_all_that_changes_is_seen_and_nothing_else(plain: list[Alert]) -> None:
    """Each signal but the steady ones has one alert, soon after its change, and is back within the reference later."""
    fired = {alert.signal.removeprefix("feature."): alert.fired_at_event for alert in plain if alert.revision == 0}
    assert set(fired) == set(signals()) - {"steady", "never"}
    assert all(CHANGE < at <= CHANGE + 1_000 for at in fired.values()), fired
    resolved = {alert.signal for alert in plain if alert.state == "resolved"}
    assert len(resolved) == len(fired)


EXACT: dict[str, Map] = {
    "negated": lambda x: -x,
    "times 2**-30": lambda x: x * 2.0**-30,
    "times 2**40": lambda x: x * 2.0**40,
    "plus 2**40": lambda x: x + 2.0**40,
    "minus 12345": lambda x: x - 12_345.0,
    "2**41 minus 4 times": lambda x: 2.0**41 - 4 * x,
    "1024 times plus 2**52": lambda x: 1024 * x + 2.0**52,
    "times 2**-1000, some 1e-301": lambda x: x * 2.0**-1000,
    "times 2**-450": lambda x: x * 2.0**-450,
    "times 2**-395": lambda x: x * 2.0**-395,
    "times 2**300": lambda x: x * 2.0**300,
}


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_change_of_unit_changes_nothing_at_all(name: str, plain: list[Alert]) -> None:
    """The same alerts at the same events, with the same numbers but for those that have the unit, to the last bit."""
    assert reported(alerts(EXACT[name]), exact=True) == reported(plain, exact=True)


ROUNDED: dict[str, Map] = {
    "Kelvin": lambda x: x + 273.15,
    "epoch seconds": lambda x: 1.7e9 + 3_600 * x,
    "latitude": lambda x: 52.52 + 0.01 * x,
    "year": lambda x: 2024 + 0.9 * x,
    "Fahrenheit, turned": lambda x: 32 - 1.8 * x,
    "times 1e-9": lambda x: x * 1e-9,
    "times -1e12": lambda x: x * -1e12,
}


@pytest.mark.parametrize("name", ROUNDED)
def test_a_change_of_unit_that_rounds_changes_no_alert(name: str, plain: list[Alert]) -> None:
    """The same alerts at the same events; their numbers agree as far as the rounding of the values lets them."""
    raised = alerts(ROUNDED[name])
    assert reported(raised) == reported(plain)
    by_place = {(alert.signal, alert.revision): alert.evidence for alert in plain}
    for alert in raised:
        evidence = by_place[alert.signal, alert.revision]
        for figure in UNITLESS:
            if figure in evidence:
                assert alert.evidence[figure] == pytest.approx(evidence[figure], rel=1e-4, abs=1e-6)


@settings(max_examples=5, deadline=None)
@given(st.floats(1e-6, 1e9), st.booleans(), st.floats(-1e6, 1e6))
def test_any_change_of_unit_changes_no_alert(factor: float, is_turned: bool, offset: float) -> None:
    """Whatever the factor, of either sign, and the constant, which is counted in the new unit."""
    turn = -factor if is_turned else factor
    assert reported(alerts(lambda x: x * turn + offset * factor)) == reported(alerts(lambda x: x))


MEANS = ("steady", "mean", "less_than_sd", "wave", "many_counts", "flag", "few", "holes", "gone", "never")
CONSTANTS = ("constant",)
MEANS_ALONE = msgspec.structs.replace(SETTINGS, psi_warning=1e9, psi_critical=1e9)
"""The distribution is not compared."""


@pytest.mark.parametrize("base", [2**60, -(2**60), 2**63 + 2**61, 10**30])
def test_small_changes_of_large_whole_numbers_are_seen(base: int) -> None:
    """Whole numbers that doubles do not hold apart: a change of their mean is told as that of the same numbers about 0,
    and the features of which the mean alone is watched are named.
    """
    columns = {name: values * 1024 for name, values in signals().items() if name in (*MEANS, *CONSTANTS)}
    near, _ = watched({name: columns[name] for name in MEANS}, int, MEANS_ALONE)
    far, monitor = watched(columns, lambda value: int(value) + base, MEANS_ALONE)
    constants = {f"feature.{name}" for name in CONSTANTS}
    same = [alert for alert in far if alert.signal not in constants]
    assert reported(same) == reported(near)
    shifts = [alert.evidence["shift_sd"] for alert in near]
    assert [alert.evidence["shift_sd"] for alert in same] == pytest.approx(shifts, rel=1e-5)
    assert {"feature.mean", "feature.less_than_sd", "feature.wave"} <= {alert.signal for alert in near}
    assert {alert.signal for alert in far} >= constants
    assert len(columns) > monitor.features_unwatched >= 6
    assert {"mean", "gone", "holes"} <= {*monitor.unwatched} or abs(base) > 2**63


def test_ids_of_many_digits_are_told_apart_and_watched() -> None:
    """Whole numbers all over 64 bits differ by far more than a rounding: nothing is to be said of them."""
    draw = np.random.default_rng(3)
    ids = draw.integers(2**62, 2**63 - 1, EVENTS).astype(np.float64)
    _, monitor = watched({"id": ids, "same": np.full(EVENTS, 2.0**60 + 4096)}, lambda value: int(value) + 1)
    assert monitor.features_unwatched == 0


def test_numbers_beyond_what_is_watched_are_named() -> None:
    """What was clipped is not the number that was sent."""
    _, monitor = watched({"vast": 1e150 * (1 + np.arange(EVENTS) % 7), "large": np.arange(EVENTS) * 1e90})
    assert (monitor.features_unwatched, monitor.unwatched) == (1, ("vast",))


numbers = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(numbers, st.integers(-(2**51), 2**51), st.sampled_from([1, -1, 4, -8]), st.integers(1, 9))
def test_moments_lose_nothing_far_from_zero(values: list[int], offset: int, factor: int, size: int) -> None:
    """Of whole numbers anywhere below 2**53 the deviations are those of the same numbers about 0, in any grouping."""
    here = np.array([values], np.float64)
    there = factor * here + offset

    def whole(of: Floats, run: int) -> NumericSummary:
        events = of.shape[1]
        runs = Runs.of(np.zeros(events, np.int64), np.arange(events), np.array([0, events]), run)
        by_run = numeric_structs(["x"], numeric_summaries(["x"], of, runs, [None]), runs.sizes)
        return merged([summaries["x"] for summaries in by_run], events)

    plain, far = whole(here, size), whole(there, size)
    assert far.m2 == factor * factor * plain.m2
    assert distance(far, NumericSummary(count=1, mean=float(offset), centre=float(offset))) == pytest.approx(
        factor * float(here.mean()), rel=1e-9, abs=1e-9
    )
    assert whole(there, 60).m2 == pytest.approx(far.m2, rel=1e-9)


def test_what_was_written_without_a_centre_still_means_its_mean() -> None:
    """Summaries of before merge with those of now."""
    old = NumericSummary(count=2, mean=5.0, m2=2.0, minimum=4.0, maximum=6.0)
    new = NumericSummary(count=2, mean=9.0, m2=2.0, minimum=8.0, maximum=10.0, centre=8.0, mean_offset=1.0)
    both = merged([old, new], 4)
    assert (both.mean, both.m2) == (7.0, 20.0)
    assert merged([new, old], 4).mean == 7.0
    assert msgspec.json.decode(b'{"count": 2, "mean": 5.0}', type=NumericSummary).mean_offset == 0.0
