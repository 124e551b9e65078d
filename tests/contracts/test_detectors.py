"""The battery that every detector passes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from drift.detect.detectors import AdwinDetector, DepartureDetector, PsiDetector

Floats = npt.NDArray[np.float64]
Detector = AdwinDetector | DepartureDetector | PsiDetector


@dataclass(frozen=True)
class Case:
    """A detector, its values without and with a clear change, and how many values it may take to detect the change."""

    make: Callable[[], Detector]
    quiet: Callable[[np.random.Generator, int], Floats]
    changed: Callable[[np.random.Generator, int], Floats]
    values_to_see: int


CASES = {
    "adwin": Case(
        make=AdwinDetector,
        quiet=lambda rng, count: rng.normal(size=count),
        changed=lambda rng, count: rng.normal(4.0, 1.0, count),
        values_to_see=10,
    ),
    "departure": Case(
        make=DepartureDetector,
        quiet=lambda rng, count: rng.binomial(100, 0.005, count) / 100,
        changed=lambda rng, count: rng.uniform(0.2, 1.0, count),
        values_to_see=3,
    ),
    "psi": Case(
        make=PsiDetector,
        quiet=lambda rng, count: np.maximum(0, rng.normal(0.02, 0.03, count)),
        changed=lambda rng, count: rng.normal(0.8, 0.1, count),
        values_to_see=3,
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def fired(detector: Detector, values: Floats) -> list[int]:
    return [at for at, value in enumerate(values.tolist()) if detector.update(value)]


def test_no_storm_while_nothing_changes(case: Case) -> None:
    """On twenty stationary streams of 2,000 values there are at most two false detections in all."""
    firings = [fired(case.make(), case.quiet(np.random.default_rng(seed), 2000)) for seed in range(20)]
    assert sum(map(len, firings)) <= 2


def test_a_clear_change_is_found_in_time(case: Case) -> None:
    """On each of twenty streams the change is found within the bound."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        detector = case.make()
        before = fired(detector, case.quiet(rng, 300))
        after = fired(detector, case.changed(rng, case.values_to_see))
        assert not before
        assert after


def test_a_lasting_change_is_told_once(case: Case) -> None:
    """A change that lasts for 1,000 values is detected at most twice."""
    rng = np.random.default_rng(1)
    detector = case.make()
    fired(detector, case.quiet(rng, 300))
    assert len(fired(detector, case.changed(rng, 1000))) <= 2


def test_memory_is_bounded(case: Case) -> None:
    """After 100,000 values a detector's state has less than 8,000 bytes."""
    detector = case.make()
    fired(detector, case.quiet(np.random.default_rng(2), 100_000))
    assert len(pickle.dumps(detector)) < 8_000


def test_a_pickle_in_the_middle_changes_nothing(case: Case) -> None:
    """A detector that was stored and read back detects the same as one that was not."""
    rng = np.random.default_rng(3)
    first, second = case.quiet(rng, 250), np.concatenate([case.changed(rng, 50), case.quiet(rng, 300)])
    detector = case.make()
    fired(detector, first)
    again = pickle.loads(pickle.dumps(detector))
    assert fired(detector, second) == fired(again, second)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-300, 10.0])
def test_constants_are_quiet(case: Case, value: float) -> None:
    """A constant value is no detection, except that an index or share above its threshold is one."""
    threshold = {"psi": 0.25, "departure": 0.05}.get(case.make().name, np.inf)
    assert len(fired(case.make(), np.full(1000, value))) <= int(value >= threshold)
