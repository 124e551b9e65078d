"""The gate on draws where the two models disagreed: what else people are asked, and what labels come, buys nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from learning.gate import Gate
from learning.learner import Learner
from learning.settings import LearnSettings
from schemas.wire.correction import Correction

AUDIT_RATE, RAISED = 0.05, 0.15
SETTINGS = LearnSettings(inclusion_probability_min=RAISED, members=("production",), restart_corrections=50)
REPLAYS = 60
EVENTS = 1_500
ALLOWED = REPLAYS * 0.05 + 2 * math.sqrt(REPLAYS * 0.05 * 0.95)
"""Twice the standard deviation of a binomial above alpha."""


def correction(number: int, difference: int, **more: object) -> Correction:
    """What is settled of event ``number``; the challenger's answer is right, wrong or production's."""
    fields: dict[str, object] = {
        "correction_id": f"{more.get('source', 'review')}-{number}",
        "model": "m",
        "event_id": f"e{number}",
        "time": number,
        "created_at": number,
        "source": "review",
        "features": {},
        "label": "yes",
        "prediction": "no" if difference > 0 else "yes",
        "challenger_prediction": "no" if difference < 0 else "yes",
        "challenger_version": "m-1",
        "confidence": 0.7,
        "inclusion_probability": 1.0,
    }
    return Correction(**{**fields, **more})  # type: ignore[arg-type]


def hostile(generator: np.random.Generator, *, labels: bool) -> Iterator[Correction]:
    """An equal challenger: its wins are wanted by a person and answered, its losses are wanted and expire unanswered.

    The audit draws disagreements at the raised rate, and those are answered, in whatever lane they lie. With ``labels``
    the label of every event comes too, after the review where there was one.
    """
    differences = generator.choice([-1, 0, 1], size=EVENTS, p=[0.2, 0.6, 0.2])
    draws = generator.random(EVENTS)
    for number, difference in enumerate(differences.tolist()):
        rate = RAISED if difference else AUDIT_RATE
        drawn = draws[number] < rate
        if drawn:
            yield correction(number, difference, audit_probability=rate, inclusion_probability=rate)
        elif difference > 0:
            yield correction(number, difference)
        if labels and difference:
            yield correction(number, difference, source="label")


@pytest.mark.parametrize("labels", [False, True])
def test_an_equal_challenger_is_rarely_promoted(labels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reviews that are answered where it wins, and late labels beside them, change nothing about alpha."""
    # What the stack learns is not the question, and takes the time: it answers what was logged.
    monkeypatch.setattr(Learner, "_learned", lambda _self, made, _production: made.challenger_prediction)
    generator = np.random.default_rng(11)
    promoted = 0
    for _ in range(REPLAYS):
        learner = Learner("m", SETTINGS)
        promoted += any(
            event.decision == "promoted" for made in hostile(generator, labels=labels) for event in learner.learn(made)
        )
    assert promoted <= ALLOWED


def test_the_same_stream_is_a_threat() -> None:
    """A gate that took every answer by its inclusion probability would promote that challenger nearly every time."""
    generator = np.random.default_rng(11)
    promoted = 0
    for _ in range(20):
        gate = Gate(LearnSettings(inclusion_probability_min=AUDIT_RATE, restart_corrections=50))
        for made in hostile(generator, labels=False):
            production, challenger = made.prediction == "yes", made.challenger_prediction == "yes"
            gate.update(challenger, production, made.inclusion_probability)
        promoted += gate.passed
    assert promoted >= 15


def test_raised_draws_promote_a_better_challenger_sooner() -> None:
    """Ten points better: about three times as few events as with the audit rate everywhere."""

    def median(rate: float) -> float:
        generator, promoted_at = np.random.default_rng(12), []
        for _ in range(15):
            gate = Gate(LearnSettings(inclusion_probability_min=rate, restart_corrections=50))
            draws = generator.random(20_000) < rate
            differences = generator.choice([-1, 0, 1], size=20_000, p=[0.1, 0.7, 0.2])
            for number in np.flatnonzero(draws & (differences != 0)).tolist():
                gate.update(bool(differences[number] > 0), bool(differences[number] < 0), rate)
                if gate.passed:
                    break
            promoted_at.append(number)
        return float(np.median(promoted_at))

    assert median(RAISED) < 0.5 * median(AUDIT_RATE)


def test_a_draw_where_both_agree_costs_nothing() -> None:
    """Its chance is the lower one; the evidence neither moves nor is forfeited."""
    gate = Gate(SETTINGS)
    before = gate.log_evidence
    gate.update(True, True, AUDIT_RATE)
    gate.update(False, False, AUDIT_RATE)
    assert gate.log_evidence == before
    assert gate.forfeited == 0
    assert gate.floor == RAISED


@pytest.mark.parametrize("reviewed", [True, False])
def test_labels_of_all_events_promote_a_better_challenger(reviewed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody is asked labels decide alone; where an event was reviewed before, its label still counts once."""
    monkeypatch.setattr(Learner, "_learned", lambda _self, made, _production: made.challenger_prediction)
    learner, draw = Learner("m", SETTINGS), np.random.default_rng(4)
    for number, difference in enumerate(draw.choice([-1, 0, 1], size=600, p=[0.1, 0.6, 0.3]).tolist()):
        if reviewed:
            learner.learn(correction(number, difference))
        learner.learn(correction(number, difference, source="label"))
        if learner.serving is not None:
            break
    assert learner.version == "m-1"
    assert learner._gate.corrections == 0


def test_a_label_that_comes_first_does_not_take_the_draw() -> None:
    """A late label teaches; the draw of the same event is judged when it is answered, and once."""
    learner = Learner("m", SETTINGS)
    learner.learn(correction(1, 1, source="label"))
    assert learner._gate.disagreements == 0
    drawn = correction(1, 1, audit_probability=RAISED)
    learner.learn(drawn)
    learner.learn(drawn)
    assert learner._gate.disagreements == 1
    assert learner.corrections == 1


def test_the_logged_answer_counts_not_that_of_today() -> None:
    """Whatever the stack has learned since, the gate sees what triage asked; without a challenger it sees nothing."""
    learner = Learner("m", SETTINGS)
    for number in range(30):
        learner.learn(correction(number, 0, audit_probability=AUDIT_RATE, challenger_version=""))
    assert learner._gate.disagreements == 0
    learner.learn(correction(100, -1, audit_probability=RAISED))
    assert learner._gate.disagreements == 1
    assert learner._gate.log_evidence < 0.0
