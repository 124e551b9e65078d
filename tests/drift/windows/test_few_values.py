"""Signals that few events have: what so few values show is no change, and a change is seen once they are enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from drift.detect.detectors import CHANCE_MAX, DepartureDetector, chance_of_others
from drift.settings import DriftSettings
from drift.windows.psi import NORMAL_VALUES_MIN, excess
from schemas.wire.alert import Alert
from schemas.wire.prediction import Prediction
from tests.support.watched_events import watched_events

EVENTS = 12_000
CHANGE = 6_000
READ_AT_ONCE = 500
SHARES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
Rng = np.random.Generator
Values = Callable[[Rng, int], Sequence[Any]]

VALUES: dict[str, Values] = {
    "number": lambda rng, count: rng.normal(size=count).tolist(),
    "skewed": lambda rng, count: np.exp(rng.normal(size=count)).tolist(),
    "whole": lambda rng, count: rng.integers(1, 4, count).tolist(),
    "boolean": lambda rng, count: (rng.random(count) < 0.5).tolist(),
    "seldom": lambda rng, count: (rng.random(count) < 0.02).tolist(),
    "zero": lambda rng, count: np.where(rng.random(count) < 0.05, rng.normal(size=count), 0.0).tolist(),
    "text": lambda rng, count: rng.choice(["a", "b", "c"], count).tolist(),
    "mixed": lambda rng, count: [
        "n/a" if is_text else value
        for value, is_text in zip(rng.normal(size=count).tolist(), rng.random(count) < 0.3, strict=True)
    ],
}


def fired(columns: dict[str, list[Any]], settings: DriftSettings) -> list[Alert]:
    """The alerts over features, None where an event does not have one, measured as they are live."""
    events = [
        Prediction(
            event_id=f"e{row}", model="m", time=1_700_000_000_000 + row * 1000, prediction="a", confidence=0.9,
            features={name: values[row] for name, values in columns.items() if values[row] is not None},
        )
        for row in range(len(next(iter(columns.values()))))
    ]  # fmt: skip
    transitions, _ = watched_events(events, settings, read_at_once=READ_AT_ONCE)
    return [alert for alert in transitions if alert.revision == 0]


def now_and_then(rng: Rng, values: Sequence[Any], share: float) -> list[Any]:
    """The values that a share of the events have, and None."""
    return [value if has else None for value, has in zip(values, rng.random(len(values)) < share, strict=True)]


@pytest.mark.parametrize("reference_events", [200, 2_000])
@pytest.mark.parametrize("seed", range(4))
def test_rare_features_that_do_not_change_are_quiet(seed: int, reference_events: int) -> None:
    """Whatever they are, and whether the reference has none of their values, one, a few or hundreds."""
    rng = np.random.default_rng(seed)
    columns = {
        f"{name} {share}": now_and_then(rng, values(rng, EVENTS), share)
        for name, values in VALUES.items()
        for share in SHARES
    }
    settings = DriftSettings(alerts_open_max=100, reference_events=reference_events)
    told = [(alert.signal, alert.detector, alert.fired_at_event) for alert in fired(columns, settings)]
    assert told == []


def test_four_numbers_in_six_thousand_events_are_no_alert() -> None:
    """One of them in the reference is no constant, and the others depart from nothing."""
    refunds: list[Any] = [None] * 6_000
    for row, value in ((700, 12.5), (3_000, 3.1), (4_000, 40.2), (5_000, 7.7)):
        refunds[row] = value
    assert fired({"refund": refunds}, DriftSettings()) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_rare_feature_that_changes_is_seen(seed: int) -> None:
    """Of a feature in a tenth of the events: a constant that is another, numbers that move, texts that are new."""
    rng = np.random.default_rng(seed)
    rest = EVENTS - CHANGE
    columns = {
        "constant": [7.0] * CHANGE + [8.0] * rest,
        "number": [*rng.normal(size=CHANGE).tolist(), *rng.normal(4.0, 1.0, rest).tolist()],
        "text": [*rng.choice(["a", "b"], CHANGE).tolist(), *["c"] * rest],
    }
    rare = {name: now_and_then(rng, values, 0.1) for name, values in columns.items()}
    findings = fired(rare, DriftSettings())
    assert {alert.signal for alert in findings} == {f"feature.{name}" for name in columns}
    assert all(CHANGE < alert.fired_at_event <= CHANGE + 2_500 for alert in findings), findings


@pytest.mark.parametrize("seed", range(3))
def test_one_monstrous_value_of_a_rare_feature_is_no_new_level(seed: int) -> None:
    """The mean of three numbers is far from the reference with one of them; a level is the mean of more."""
    rng = np.random.default_rng(seed)
    numbers = now_and_then(rng, rng.normal(size=EVENTS).tolist(), 0.01)
    for row in (5_050, 8_050, 8_250):
        numbers[row] = 40.0
    assert fired({"x": numbers}, DriftSettings()) == []


@pytest.mark.parametrize("normal", [1, 3, 10, 30])
@pytest.mark.parametrize("values", [1, 3])
def test_the_chance_of_a_finding_is_at_most_what_is_said(normal: int, values: int) -> None:
    """Streams of every share of others, of which the first values happen to be the same: none of 8,000 is a finding.

    A finding has at most one chance in a million at each of the 300 places of a stream where it might be.
    """
    rng = np.random.default_rng(normal)
    findings = 0
    for share in (0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.95, 0.99):
        is_same_first = (rng.random((1_000, normal)) >= share).all(axis=1)
        for _ in range(int(is_same_first.sum())):
            detector = DepartureDetector(normal_values=normal)
            others = rng.binomial(values, share, 300) / values
            findings += any(detector.update(other, values) for other in others.tolist())
    assert findings == 0


def test_the_chance_is_that_of_drawing_without_putting_back() -> None:
    """All of k others among the last n of m + n values in any order; one without others, or values, is certain."""
    for normal in (0, 1, 7, 40, 2_000):
        for values in (1, 3, 60, 300):
            for others in {1, values // 2, values} - {0}:
                exact = math.comb(values, others) / math.comb(normal + values, others)
                assert chance_of_others(others, values, normal) == pytest.approx(exact, rel=1e-8)
    assert chance_of_others(0, 5, 10) == chance_of_others(0, 0, 10) == 1.0
    assert chance_of_others(15, 300, 2_000) < CHANCE_MAX


@pytest.mark.parametrize("few", range(1, NORMAL_VALUES_MIN))
def test_few_values_are_no_distribution(few: int) -> None:
    """Nothing is compared with a reference of so few, however many come now."""
    assert excess((few, 0), (0, 500)) == 0.0


@pytest.mark.parametrize("bins", [2, 3, 11])
def test_the_same_in_one_bin_is_the_same_however_many(bins: int) -> None:
    """Smoothing gives the empty bins of a small sample a larger share than those of a large one: that is no change."""
    for normal in (10, 60, 2_000):
        for now in (1, 3, 500):
            assert excess((normal, *[0] * (bins - 1)), (now, *[0] * (bins - 1))) == 0.0


@pytest.mark.parametrize("normal", [10, 20, 60, 200, 2_000])
def test_samples_of_few_values_differ_by_chance_and_show_no_index(normal: int) -> None:
    """Of 4,000 pairs of samples of one distribution of two or four categories, hardly any shows a large index."""
    rng = np.random.default_rng(normal)
    for shares in ((0.5, 0.5), (0.9, 0.1), (0.4, 0.3, 0.2, 0.1)):
        large = 0
        for now in rng.integers(1, 1 + normal // 4, 4_000).tolist():
            before, after = rng.multinomial(normal, shares).tolist(), rng.multinomial(now, shares).tolist()
            large += excess(before, after) >= 0.25
        assert large <= 8
