"""Corrections of made-up streams, and quick settings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from learning.settings import LearnSettings
from schemas.wire.correction import Correction

MakeCorrections = Callable[..., list[Correction]]


def correction_of(number: int, x: float, label: str, prediction: str, chance: float) -> Correction:
    return Correction(
        correction_id=f"c{number}",
        model="m",
        event_id=f"e{number}",
        time=number,
        created_at=1_000 + number,
        label=label,
        source="review",
        features={"x": x, "colour": "red" if x > 0 else "blue", "noise": (number * 37 % 11) / 11},
        prediction=prediction,
        confidence=0.8,
        inclusion_probability=chance,
        audit_probability=chance,
        learned_prediction="no" if x > 0 else "yes",
        learned_version="m-1",
        challenger_prediction="no" if x > 0 else "yes",
        challenger_version="m-1",
    )


@pytest.fixture
def corrections() -> MakeCorrections:
    """``corrections(count, seed, flip_at)``: production says yes where x > 0, which is wrong from ``flip_at`` on.

    What was logged when the prediction came is a learned model that says the opposite, as the one in charge and as the
    challenger.
    """

    def make(count: int, seed: int = 0, flip_at: int = 0, flip_back_at: int = 10**9) -> list[Correction]:
        draws = np.random.default_rng(seed).normal(size=count)
        made = []
        for number, x in enumerate(draws.tolist()):
            flipped = flip_at <= number < flip_back_at
            label = "yes" if (x > 0) != flipped else "no"
            made.append(correction_of(number, x, label, "yes" if x > 0 else "no", 1.0 if number % 2 else 0.5))
        return made

    return make


@pytest.fixture
def settings() -> LearnSettings:
    """Settings for a stream whose least inclusion probability is one half, without the slow members."""
    return LearnSettings(
        inclusion_probability_min=0.5,
        members=("production", "recalibrated", "logistic", "adaptive_tree"),
        restart_corrections=50,
        gate_step_corrections=20,
        refresh_corrections=30,
    )
