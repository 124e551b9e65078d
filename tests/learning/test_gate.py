"""The gate keeps its promise against hostile review, and lets a better challenger through."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from learning.gate import Gate
from learning.settings import LearnSettings

SETTINGS = LearnSettings(alpha=0.05, inclusion_probability_min=0.05, restart_corrections=50)
REPLAYS = 200
EVENTS = 3_000


def promoted_at(differences: np.ndarray, chances: np.ndarray, draws: np.ndarray) -> int | None:
    """The event at which the gate passes, if it does; only reviewed events reach it."""
    gate = Gate(SETTINGS)
    for event in np.flatnonzero(draws < chances).tolist():
        difference = int(differences[event])
        gate.update(difference > 0, difference < 0, float(chances[event]))
        if gate.passed:
            return event
    return None


def test_equal_challenger_is_rarely_promoted_when_its_wins_are_always_reviewed() -> None:
    """A review that looks at every event the challenger wins, and at few that it loses, must not buy a promotion."""
    generator = np.random.default_rng(1)
    promotions = 0
    for _ in range(REPLAYS):
        differences = generator.choice([-1, 0, 1], size=EVENTS, p=[0.2, 0.6, 0.2])
        chances = np.where(differences > 0, 1.0, 0.05)
        promotions += promoted_at(differences, chances, generator.random(EVENTS)) is not None
    # Twice the standard deviation of a binomial above alpha.
    assert promotions <= REPLAYS * 0.05 + 2 * math.sqrt(REPLAYS * 0.05 * 0.95)


def test_equal_challenger_is_rarely_promoted_when_review_follows_uncertainty() -> None:
    """The same with the usual mix: a tenth always reviewed, where the challenger happens to shine."""
    generator = np.random.default_rng(2)
    promotions = 0
    for _ in range(REPLAYS):
        uncertain = generator.random(EVENTS) < 0.1
        better = generator.random(EVENTS)
        differences = np.where(uncertain, np.where(better < 0.7, 1, -1), 0)
        # What it wins where production is uncertain it loses elsewhere: 0.1 · 0.4 = 0.9 · p.
        differences = np.where(~uncertain & (better < 0.04 / 0.9), -1, differences)
        chances = np.where(uncertain, 1.0, 0.05)
        promotions += promoted_at(differences, chances, generator.random(EVENTS)) is not None
    assert promotions <= REPLAYS * 0.05 + 2 * math.sqrt(REPLAYS * 0.05 * 0.95)


def test_unweighted_evidence_would_be_fooled_by_the_same_review() -> None:
    """The hostile replay is a real threat: without the weight 1/π nearly every one of them promotes."""
    generator = np.random.default_rng(1)
    promotions = 0
    for _ in range(20):
        differences = generator.choice([-1, 0, 1], size=EVENTS, p=[0.2, 0.6, 0.2])
        reviewed = generator.random(EVENTS) < np.where(differences > 0, 1.0, 0.05)
        gate = Gate(SETTINGS)
        for difference in differences[reviewed].tolist():
            gate.update(difference > 0, difference < 0, 1.0)
        promotions += gate.passed
    assert promotions >= 18


def test_better_challenger_is_promoted() -> None:
    """A challenger ten points better passes in at least nine of ten replays."""
    generator = np.random.default_rng(3)
    passed = 0
    for _ in range(20):
        differences = generator.choice([-1, 0, 1], size=20_000, p=[0.1, 0.7, 0.2])
        chances = np.where(generator.random(20_000) < 0.08, 1.0, 0.05)
        passed += promoted_at(differences, chances, generator.random(20_000)) is not None
    assert passed >= 18


def test_change_is_noticed_after_a_long_time_of_being_worse() -> None:
    """Evidence that began before the change is lost; a later start passes all the same."""
    gate = Gate(SETTINGS)
    generator = np.random.default_rng(4)
    for _ in range(2_000):
        gate.update(False, generator.random() < 0.3, 0.5)
    assert not gate.passed
    for _ in range(3_000):
        gate.update(generator.random() < 0.3, False, 0.5)
        if gate.passed:
            break
    assert gate.passed


def test_correction_below_the_least_inclusion_probability_forfeits_the_evidence() -> None:
    """What the bets rest on is broken: capital goes, the floor falls, the next start bets less."""
    gate = Gate(SETTINGS)
    for _ in range(40):
        gate.update(True, False, 0.05)
    assert gate.passed
    gate.update(True, False, 0.01)
    assert not gate.passed
    assert gate.floor == pytest.approx(0.01)
    assert gate.forfeited == 1


def test_event_that_cannot_be_reviewed_is_left_out() -> None:
    """An inclusion probability of zero is outside the question."""
    gate = Gate(SETTINGS)
    before = gate.log_evidence
    gate.update(True, False, 0.0)
    assert gate.log_evidence == before
    assert gate.forfeited == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.001, 1.0)), max_size=200))
@effort(max_examples=50, deadline=None)
def test_evidence_stays_finite_and_survives_a_pickle(events: list[tuple[bool, bool, float]]) -> None:
    """Whatever comes, the evidence is a finite number, and a restored gate goes on with the same one."""
    gate = Gate(SETTINGS)
    restored = Gate(SETTINGS)
    for challenger, champion, chance in events:
        gate.update(challenger, champion, chance)
        restored = pickle.loads(pickle.dumps(restored))
        restored.update(challenger, champion, chance)
    assert math.isfinite(gate.log_evidence)
    assert restored.log_evidence == gate.log_evidence


@given(st.floats(0.05, 1.0), st.floats(0.05, 1.0))
@effort(max_examples=50, deadline=None)
def test_mean_factor_of_an_even_pair_is_at_most_one(first: float, second: float) -> None:
    """Over the coins of review, one win and one loss of any inclusion probabilities never gain on average."""
    total = 0.0
    for reviewed_first in (True, False):
        for reviewed_second in (True, False):
            gate = Gate(SETTINGS)
            before = gate.log_evidence
            if reviewed_first:
                gate.update(True, False, first)
            if reviewed_second:
                gate.update(False, True, second)
            chance = (first if reviewed_first else 1 - first) * (second if reviewed_second else 1 - second)
            total += chance * math.exp(gate.log_evidence - before)
    assert total <= 1.0 + 1e-9
