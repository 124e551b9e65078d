from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from review.accuracy import AccuracyEstimate, AccuracySums, SliceAccuracy
from review.settings import AccuracySettings, TriageSettings
from review.triage.triage import Triage
from schemas.columns.prediction_columns import PredictionColumns

LEAST = 0.02


def drifting(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A model that is right nine times in ten, then, from one third on, every other time; its confidence lags."""
    rng = np.random.default_rng(seed)
    chance = np.where(np.arange(size) < size // 3, 0.9, 0.5)
    return np.clip(0.8 + rng.normal(0, 0.12, size), 0, 1), rng.random(size) < chance


def test_intervals_cover_the_realised_accuracy_at_every_look(prediction: Any) -> None:
    """Over 40 redraws of the audit on a drifting stream, the running accuracy stays inside at all looks."""
    confidence, right = drifting(9_000, 7)
    truth = np.cumsum(right) / np.arange(1, len(right) + 1)
    events = [prediction(number, confidence=float(value)) for number, value in enumerate(confidence)]
    covered, width = 0, 0.0
    for salt in range(40):
        decisions = Triage(TriageSettings(salt=salt), model="m").decide(PredictionColumns.of(events))
        estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=LEAST)
        columns = (
            confidence.tolist(),
            decisions.inclusion_probability.tolist(),
            decisions.seen.tolist(),
            right.tolist(),
        )
        is_inside = True
        for index, (guess, chance, seen, is_right) in enumerate(zip(*columns, strict=True)):
            estimate.update(guess, chance, reviewed=seen, correct=is_right if seen else None)
            if index % 300 == 299:
                given = estimate.interval()
                if given is not None:
                    is_inside &= bool(given[1] <= truth[index] <= given[2])
                    width = given[2] - given[1]
        covered += is_inside
    assert covered >= 35
    assert 0.0 < width < 0.5


def test_the_estimate_is_unbiased_where_reviews_chase_errors(prediction: Any) -> None:
    """Reviewed events alone look far worse than the model is; the estimate does not."""
    confidence, right = drifting(9_000, 8)
    events = [prediction(number, confidence=float(value)) for number, value in enumerate(confidence)]
    error_probability = np.where(right, 0.2, 0.7)
    estimates, naive = [], []
    for salt in range(30):
        decisions = Triage(TriageSettings(salt=salt, strategy="catch"), model="m").decide(
            PredictionColumns.of(events), error_probability=error_probability
        )
        estimate = AccuracyEstimate(AccuracySettings(audit_hits_min=1), inclusion_probability_min=LEAST)
        for index, guess in enumerate(confidence.tolist()):
            seen = bool(decisions.seen[index])
            estimate.update(
                guess,
                decisions.inclusion_probability[index],
                reviewed=seen,
                correct=bool(right[index]) if seen else None,
            )
        given = estimate.interval()
        assert given is not None
        estimates.append(given[0])
        naive.append(right[decisions.seen].mean())
    assert abs(np.mean(estimates) - right.mean()) < 3 * np.std(estimates) / 30**0.5 + 1e-3
    assert abs(np.mean(naive) - right.mean()) > 0.2


def test_no_interval_before_enough_audit_hits() -> None:
    """Reviews that were certain do not count as random draws; the fiftieth draw brings the interval."""
    estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=LEAST)
    for _ in range(100):
        estimate.update(0.5, 1.0, reviewed=True, correct=True)
    for _ in range(49):
        estimate.update(0.5, LEAST, reviewed=True, correct=True)
        estimate.update(0.5, LEAST, reviewed=False)
    assert estimate.interval() is None
    estimate.update(0.5, LEAST, reviewed=True, correct=True)
    given = estimate.interval()
    assert given is not None
    assert 0.0 <= given[1] <= given[0] <= given[2] <= 1.0


@pytest.mark.parametrize("chance", [1.0, 0.9])
def test_where_all_was_answered_the_accuracy_is_known(chance: float) -> None:
    """It is the share of right answers, with no room around it, from the first event on, however they were drawn."""
    estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=LEAST)
    assert estimate.interval() is None
    right = 0
    for index in range(200):
        right += index % 4 != 0
        estimate.update(0.1, chance, reviewed=True, correct=index % 4 != 0)
        assert estimate.interval() == pytest.approx((right / (index + 1),) * 3)


def test_where_nearly_all_was_answered_the_interval_has_room_for_the_rest() -> None:
    """What was not answered, drawn or not, may turn out either way; beyond a tenth draws are needed."""
    estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=LEAST)
    for index in range(96):
        estimate.update(0.9, 1.0, reviewed=True, correct=index % 4 != 0)
    estimate.update(0.9, 1.0, reviewed=True)
    for _ in range(3):
        estimate.update(0.9, LEAST, reviewed=False)
    given = estimate.interval()
    assert given is not None
    assert given == pytest.approx((0.72 + 4 * 0.009, 0.72, 0.76))
    for _ in range(7):
        estimate.update(0.9, LEAST, reviewed=False)
    assert estimate.interval() is None


def test_reviewing_everything_leaves_no_doubt_about_the_estimate() -> None:
    """Where every event is reviewed for sure, the estimate is the share of right answers, whatever the guess."""
    estimate = AccuracyEstimate(AccuracySettings(audit_hits_min=1), inclusion_probability_min=0.5)
    for index in range(400):
        estimate.update(0.1, 1.0, reviewed=True, correct=index % 4 != 0)
    estimate.update(1.0, 0.5, reviewed=True, correct=True)
    given = estimate.interval()
    assert given is not None
    assert given[0] == pytest.approx(301 / 401)


def test_late_answers_end_where_prompt_ones_do() -> None:
    """An answer that comes later gives the same sums, and what is missing is counted until then."""
    prompt = AccuracyEstimate(AccuracySettings(audit_hits_min=1), inclusion_probability_min=LEAST)
    late = AccuracyEstimate(AccuracySettings(audit_hits_min=1), inclusion_probability_min=LEAST)
    for index in range(60):
        prompt.update(0.7, 0.5, reviewed=True, correct=index % 2 == 0)
        late.update(0.7, 0.5, reviewed=True)
    assert late.unanswered == 60
    for index in range(60):
        late.answer(0.7, 0.5, correct=index % 2 == 0)
    assert late.interval() == pytest.approx(prompt.interval())
    assert late.unanswered == 0
    with pytest.raises(ValueError, match="no drawn event waits"):
        late.answer(0.7, 0.5, correct=True)


def test_events_without_consent_leave_the_estimand() -> None:
    """They change nothing."""
    estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=LEAST)
    estimate.update(0.9, 0.0, reviewed=False)
    assert estimate.events == 0
    assert estimate.interval() is None


def test_wrong_numbers_are_refused() -> None:
    """A guess or a chance that cannot be is named with what would be right."""
    estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=LEAST)
    with pytest.raises(ValueError, match=r"guess is 1.5; expected a probability"):
        estimate.update(1.5, 0.5, reviewed=False)
    with pytest.raises(ValueError, match=r"inclusion_probability is 0.01; expected 0.02 to 1"):
        estimate.update(0.5, 0.01, reviewed=False)
    with pytest.raises(ValueError, match="expected a number above 0"):
        AccuracyEstimate(AccuracySettings(), inclusion_probability_min=0.0)


def test_sums_of_events_counted_elsewhere_give_their_interval() -> None:
    """Added up as ClickHouse does it, event by event, they say what an estimate says that was told of each."""
    rng = np.random.default_rng(2)
    estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=0.5)
    rows = []
    for index in range(400):
        drawn, answered, right = bool(rng.random() < 0.5), index % 7 != 0, index % 3 > 0
        estimate.update(0.6, 0.5, reviewed=drawn, correct=right if drawn and answered else None)
        rows.append((drawn, answered, right))
    known = [right for drawn, answered, right in rows if drawn and answered]
    waiting = sum(drawn and not answered for drawn, answered, _ in rows)
    sums = AccuracySums(
        events=len(rows),
        audit_hits=len(known),
        answered=len(known),
        right=sum(known),
        total=0.6 * len(rows) + sum((right - 0.6) / 0.5 for right in known),
        variance=sum(0.5 * ((right - 0.6) / 0.5) ** 2 for right in known),
        lost=waiting * 0.6 / 0.5,
        gained=waiting * 0.4 / 0.5,
        unanswered_variance=waiting * 0.5 * (0.6 / 0.5) ** 2,
    )
    given = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=0.5, sums=sums).interval()
    assert given is not None
    assert given == pytest.approx(estimate.interval())


def test_slices_have_their_own_estimates_up_to_a_limit() -> None:
    """Each slice is estimated alone; past the limit slices have no estimate."""
    slices = SliceAccuracy(AccuracySettings(slices_max=2, audit_hits_min=1), inclusion_probability_min=LEAST)
    for index in range(100):
        region = "EU" if index % 2 else "US"
        slices.update({"region": region}, 0.5, 0.5, reviewed=True, correct=region == "EU")
    slices.update({"region": "JP"}, 0.5, 0.5, reviewed=True)
    slices.answer({"region": "JP"}, 0.5, 0.5, correct=True)
    interval_of = {name: estimate.interval() for name, estimate in slices}
    assert list(interval_of) == ["region=EU", "region=US"]
    assert interval_of["region=EU"][0] > interval_of["region=US"][0]  # type: ignore[index]


def test_the_interval_holds_while_answers_are_outstanding() -> None:
    """Answers lag far behind an accuracy that has fallen: the estimate is the guesses' then, the interval is not."""
    rng = np.random.default_rng(7)
    missed = 0
    for _ in range(40):
        estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=0.1)
        right = np.concatenate([rng.random(2_000) < 0.9, rng.random(3_000) < 0.45])
        drawn = rng.random(len(right)) < 0.1
        outside = False
        for number, is_drawn in enumerate(drawn.tolist()):
            estimate.update(0.85, 0.1, reviewed=is_drawn)
            answered = number - 2_500
            if answered >= 0 and drawn[answered]:
                estimate.answer(0.85, 0.1, correct=bool(right[answered]))
            if number % 250 == 249 and (interval := estimate.interval()) is not None:
                truth = right[: number + 1].mean()
                outside |= not interval[1] <= truth <= interval[2]
        missed += outside
    assert missed <= 4


def test_answers_that_came_late_leave_what_answers_at_once_would_have_left() -> None:
    """Nothing of the waiting stays in the sums."""
    rng = np.random.default_rng(8)
    guesses, right = rng.random(500).tolist(), (rng.random(500) < 0.7).tolist()
    late = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=0.2)
    at_once = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=0.2)
    for guess, is_right in zip(guesses, right, strict=True):
        late.update(guess, 0.2, reviewed=True)
        at_once.update(guess, 0.2, reviewed=True, correct=is_right)
    for guess, is_right in zip(guesses, right, strict=True):
        late.answer(guess, 0.2, correct=is_right)
    assert late._lost == late._gained == late._open_variance == 0.0
    np.testing.assert_allclose(late.interval(), at_once.interval(), rtol=1e-9)
