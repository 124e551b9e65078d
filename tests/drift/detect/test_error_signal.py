"""The error signal: drift of the model, not of the reviewers' attention."""

from __future__ import annotations

import numpy as np
import pytest

from drift.alerts.alert_life import Detection
from drift.detect.error_signal import ErrorSignal, keep_chance
from drift.settings import DriftSettings
from schemas.wire.correction import Correction

SETTINGS = DriftSettings()


def correction(index: int, wrong: bool, chance: float = 1.0, source: str = "label") -> Correction:
    return Correction(
        correction_id=f"c{index}", model="m", event_id=f"e{index}", time=index, created_at=index,
        label="b" if wrong else "a", source=source, features={}, prediction="a", confidence=0.9,
        inclusion_probability=chance,
    )  # type: ignore[arg-type] # fmt: skip


def feed(signal: ErrorSignal, rates: list[float], seed: int = 0) -> list[tuple[int, Detection]]:
    wrong = np.random.default_rng(seed).random(len(rates)) < np.array(rates)
    findings = [(index, signal.observe(correction(index, bool(bad)))) for index, bad in enumerate(wrong)]
    return [(index, detection) for index, detection in findings if detection is not None]


@pytest.mark.parametrize(
    ("chance", "source", "kept"),
    [
        (0.02, "review", 1.0),
        (0.2, "review", 0.1),
        (1.0, "adjudication", 0.02),
        (1.0, "label", 1.0),
        (0.0, "review", 0.0),
    ],
)
def test_reviews_are_thinned_to_the_audit_floor(chance: float, source: str, kept: float) -> None:
    """A review counts with audit floor / inclusion probability; labels all count."""
    assert keep_chance(correction(0, True, chance, source), 0.02) == pytest.approx(kept)


def test_asking_about_doubtful_events_does_not_look_like_drift() -> None:
    """When reviews turn to doubtful events, which are wrong more often, the thinned rate of errors stays."""
    rng = np.random.default_rng(0)
    signal = ErrorSignal(SETTINGS)
    kept_wrong: list[list[float]] = [[], []]
    for index in range(60_000):
        doubtful = rng.random() < 0.3
        wrong = bool(rng.random() < (0.5 if doubtful else 0.1))
        chance = 0.5 if doubtful and index >= 30_000 else 0.02
        if rng.random() >= chance:
            continue
        before = signal.kept
        assert signal.observe(correction(index, wrong, chance, "review")) is None
        if signal.kept > before:
            kept_wrong[index >= 30_000].append(float(wrong))
    first, second = (sum(part) / len(part) for part in kept_wrong)
    assert abs(first - second) < 0.08
    assert 400 < signal.kept < 1600


def test_a_rise_is_found_and_a_fall_is_not() -> None:
    """From 15 % to 45 % is an alert within 150 corrections; the way back is none, and it becomes quiet."""
    signal = ErrorSignal(SETTINGS)
    findings = feed(signal, [0.15] * 1000 + [0.45] * 1000 + [0.15] * 1000)
    assert [detection.signal for _, detection in findings] == ["error"]
    index, detection = findings[0]
    assert 1000 <= index < 1150
    assert detection.evidence["rise"] > 0.15
    assert signal.quiet


def test_a_steady_rate_is_quiet() -> None:
    """Twenty steady streams of 2,000 corrections give at most one alert in all."""
    assert sum(len(feed(ErrorSignal(SETTINGS), [0.3] * 2000, seed)) for seed in range(20)) <= 1


def test_an_event_counts_once_and_memory_is_bounded() -> None:
    """A review and a late label of one event are one observation, as long as it is remembered."""
    signal = ErrorSignal(DriftSettings(error_events_remembered_max=2))
    for index in (1, 1, 2, 3, 1):
        signal.observe(correction(index, False))
    assert signal.kept == 4
