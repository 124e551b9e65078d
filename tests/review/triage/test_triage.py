from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.accuracy import AccuracyEstimate
from review.settings import AccuracySettings, TriageSettings
from review.triage.budget import ONE_REVIEW
from review.triage.decisions import ACCEPT, ESCALATE, REVIEW, Decisions
from review.triage.rules import Rule
from review.triage.triage import Triage
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.prediction import Consent, Prediction
from tests.support.triage_past import past_of

QUICK: dict[str, Any] = {
    "threshold_events": 50,
    "recent_scores_max": 300,
    "warmup_events": 50,
    "carry_reviews_max": 20,
    "carry_spread_events": 200,
}


def stream(prediction: Any, confidences: Any, **fields: Any) -> list[Prediction]:
    return [prediction(number, confidence=float(confidence), **fields) for number, confidence in enumerate(confidences)]


def decide(triage: Triage, events: list[Prediction], **more: Any) -> Decisions:
    return triage.decide(PredictionColumns.of(events), **more)


def in_batches(triage: Triage, events: list[Prediction], cuts: list[int]) -> list[Decisions]:
    edges = [0, *sorted(cut % (len(events) + 1) for cut in cuts), len(events)]
    return [decide(triage, events[start:stop]) for start, stop in itertools.pairwise(edges)]


def joined(parts: list[Decisions]) -> tuple[list[Any], ...]:
    columns = ("codes", "inclusion_probability", "audit")
    numbers = [np.concatenate([getattr(part, name) for part in parts]).tolist() for name in columns]
    return (*numbers, [reasons for part in parts for reasons in part.reasons])


confidence_lists = st.one_of(
    st.lists(st.floats(0, 1), min_size=1, max_size=400),
    st.tuples(st.lists(st.sampled_from([0.2, 0.5, 0.9]), min_size=1, max_size=40), st.integers(1, 25)).map(
        lambda pair: pair[0] * pair[1]
    ),
    st.tuples(st.integers(0, 2**32), st.integers(200, 1_200)).map(
        lambda pair: np.random.default_rng(pair[0]).random(pair[1]).tolist()
    ),
)


@settings(max_examples=50, deadline=None)
@given(confidences=confidence_lists, cuts=st.lists(st.integers(0, 1_200), max_size=6))
def test_any_batching_gives_the_same_decisions(prediction: Any, confidences: list[float], cuts: list[int]) -> None:
    """Decisions depend on the events and their order, not on how they came in batches."""
    events = stream(prediction, confidences)
    whole = Triage(TriageSettings(**QUICK), model="m")
    parts = Triage(TriageSettings(**QUICK), model="m")
    assert joined([decide(whole, events)]) == joined(in_batches(parts, events, cuts))
    assert past_of(whole) == past_of(parts)


@settings(max_examples=50, deadline=None)
@given(confidences=confidence_lists, budget=st.floats(0.03, 1.0), strategy=st.sampled_from(["mix", "learn", "catch"]))
def test_budget_is_never_exceeded(prediction: Any, confidences: list[float], budget: float, strategy: str) -> None:
    """At every event the people seen so far are covered by the budget, but for what the random audit overdraws."""
    triage = Triage(TriageSettings(budget=budget, strategy=strategy, **QUICK), model="m")
    decisions = decide(triage, stream(prediction, confidences))
    count = np.arange(1, len(confidences) + 1)
    asked_by_score = decisions.codes == REVIEW
    seen, past = np.cumsum(decisions.seen), triage.snapshot()
    assert np.all(seen[asked_by_score] <= (budget * count + 1e-6 * count + 1e-9)[asked_by_score])
    assert seen[-1] <= budget * len(confidences) + 1 + max(0.0, -past.purse / ONE_REVIEW) + past.forgiven


@settings(max_examples=50, deadline=None)
@given(confidences=confidence_lists, audit_rate=st.floats(0.001, 0.1), is_split=st.booleans())
def test_every_reviewable_event_has_a_known_positive_chance(
    prediction: Any, confidences: list[float], audit_rate: float, is_split: bool
) -> None:
    """The inclusion probability is never below the audit floor, and what is seen for sure has 1."""
    chosen = TriageSettings(audit_rate=audit_rate, **QUICK)
    differs = np.arange(len(confidences)) % 3 == 0
    decisions = decide(
        Triage(chosen, model="m"), stream(prediction, confidences), disagreement=differs if is_split else None
    )
    assert np.all(decisions.inclusion_probability >= audit_rate * (1 - 1e-12))
    drawn = decisions.audit_probability > 0.0
    rates = np.where(differs & is_split, chosen.disagreement_audit_rate, audit_rate)
    assert np.all(decisions.audit_probability[drawn] == rates[drawn])
    assert np.all(decisions.seen[drawn])
    assert np.all(decisions.audit <= drawn)
    assert np.all(decisions.inclusion_probability <= 1.0)
    assert np.all(decisions.seen[decisions.inclusion_probability == 1.0])


def test_events_are_seen_as_often_as_their_inclusion_probability_says(prediction: Any) -> None:
    """Over many salts the share of draws that reach a person is the logged probability, ties and audit alike."""
    rng = np.random.default_rng(3)
    events = stream(prediction, rng.choice([0.3, 0.5, 0.7, 0.9, 0.99], 3_000))
    differs = rng.random(3_000) < 0.3
    excess, variance = 0.0, 0.0
    by_lot_excess = 0.0
    for salt in range(60):
        decisions = decide(Triage(TriageSettings(salt=salt), model="m"), events, disagreement=differs)
        chance = decisions.inclusion_probability
        excess += float((decisions.seen - chance).sum())
        variance += float((chance * (1 - chance)).sum())
        by_lot_excess += float((decisions.seen[chance < 1] / chance[chance < 1] - 1).mean())
    assert abs(excess) < 4 * variance**0.5
    assert abs(by_lot_excess / 60) < 0.05


def test_equal_scores_are_reviewed_at_the_budget(prediction: Any) -> None:
    """A model that always says the same confidence still gets its budget, by lot."""
    triage = Triage(TriageSettings(budget=0.1), model="m")
    decide(triage, stream(prediction, np.full(10_000, 0.8)))
    later = decide(triage, [prediction(number, confidence=0.8) for number in range(10_000, 20_000)])
    assert 0.085 <= later.seen.mean() <= 0.105
    by_lot = later.inclusion_probability[later.codes == REVIEW]
    assert np.median(by_lot) < 0.3


def test_reviews_go_to_the_highest_scores(prediction: Any) -> None:
    """What is asked for beyond the audit sample is the most doubtful tenth, and the budget is used up."""
    confidences = np.random.default_rng(1).random(20_000)
    triage = Triage(TriageSettings(budget=0.1, strategy="catch"), model="m")
    decisions = decide(triage, stream(prediction, confidences))
    assert 0.095 <= decisions.seen.mean() <= 0.1001
    assert np.quantile(confidences[decisions.codes == REVIEW], 0.95) < 0.15


def test_unspent_budget_is_carried_over(prediction: Any) -> None:
    """After a run of certainty, a burst of doubt may use what was saved; never more than the whole allows."""
    calm, burst = np.full(2_000, 0.99), np.full(200, 0.2)
    chosen = TriageSettings(budget=0.1, rules=(Rule(name="doubt", field="confidence", below=0.5),))
    triage = Triage(chosen, model="m")
    first = decide(triage, stream(prediction, np.full(100, 0.99)))
    assert triage.snapshot().purse > 5 * ONE_REVIEW
    decisions = decide(triage, stream(prediction, np.concatenate([calm, burst])))
    assert (decisions.codes[-200:] == REVIEW).sum() > 0.1 * 200
    assert first.seen.sum() + decisions.seen.sum() <= 0.1 * 2_300 + 1


def test_escalations_are_never_dropped_and_squeeze_reviews(prediction: Any) -> None:
    """A rule that escalates a fifth of all events empties the purse: no reviews by score, all escalations kept."""
    rule = Rule(name="big", field="feature.amount", above=100, decision="escalate")
    triage = Triage(TriageSettings(budget=0.1, rules=(rule,), **QUICK), model="m")
    rng = np.random.default_rng(2)
    amounts = np.where(rng.random(4_000) < 0.2, 500.0, 5.0)
    events = [
        prediction(number, confidence=float(rng.random()), features={"amount": float(amount)})
        for number, amount in enumerate(amounts)
    ]
    decisions = decide(triage, events)
    assert np.array_equal(decisions.codes == ESCALATE, amounts > 100)
    assert np.all(decisions.inclusion_probability[amounts > 100] == 1.0)
    assert (decisions.codes[500:] == REVIEW).sum() == 0
    assert decisions.audit[500:].sum() > 0
    assert any("rule big: feature.amount above 100" in reasons for reasons in decisions.reasons)


def test_only_scores_that_compete_set_the_threshold(prediction: Any) -> None:
    """Events without consent do not push the threshold out of reach of those that may be reviewed."""
    rng = np.random.default_rng(6)
    events = [
        prediction(
            number, confidence=0.0 if number % 2 else float(rng.random()), consent=Consent(review=number % 2 == 0)
        )
        for number in range(4_000)
    ]
    triage = Triage(TriageSettings(strategy="catch", **QUICK), model="m")
    decisions = decide(triage, events)
    assert 0.09 <= decisions.seen.mean() <= 0.1005
    assert 0.75 < triage.snapshot().threshold < 0.95


def test_debt_is_bounded_and_what_is_forgiven_is_counted(prediction: Any) -> None:
    """A rule that escalates everything overdraws the purse by the limit only; the rest is counted as forgiven."""
    rule = Rule(name="all", field="prediction", equals="a", decision="escalate")
    triage = Triage(TriageSettings(budget=0.1, rules=(rule,), debt_reviews_max=10), model="m")
    decisions, past = decide(triage, stream(prediction, np.full(1_000, 0.9))), triage.snapshot()
    assert past.purse >= -10 * ONE_REVIEW
    assert (decisions.codes == ESCALATE).sum() == decisions.seen.sum() == 1_000
    assert decisions.seen.sum() <= 0.1 * 1_000 + 10 + past.forgiven + 1e-6


def test_rules_that_ask_for_review_go_ahead_of_scores_within_the_budget(prediction: Any) -> None:
    """A declared review matches half of all events: it takes the budget, and no more."""
    triage = Triage(TriageSettings(rules=(Rule(name="eu", field="slice.region", equals="EU"),), **QUICK), model="m")
    events = [prediction(n, confidence=0.1, slices={"region": "EU" if n % 2 else "US"}) for n in range(4_000)]
    decisions = decide(triage, events)
    assert decisions.seen.mean() <= 0.1005
    reviewed = np.flatnonzero(decisions.codes == REVIEW)
    assert (reviewed[reviewed > 2_000] % 2 == 1).mean() > 0.95
    assert ("worth a look, but the review budget is spent",) in decisions.reasons


def test_risk_escalates_and_can_be_switched_off(prediction: Any) -> None:
    """Events at or above the risk limit are escalated with that reason."""
    decisions = decide(Triage(TriageSettings(), model="m"), [prediction(1, risk=0.9), prediction(2, risk=0.89)])
    assert decisions.codes.tolist() == [ESCALATE, ACCEPT]
    assert decisions.reasons[0] == ("risk at least 0.9",)
    assert decisions.lanes(np.flatnonzero(decisions.seen)) == (
        ["escalate", "audit"] if decisions.audit[1] else ["escalate"]
    )
    off = decide(Triage(TriageSettings(escalate_risk_min=2), model="m"), [prediction(1, risk=1.0)])
    assert off.codes.tolist() == [ACCEPT]


def test_without_consent_nobody_looks(prediction: Any) -> None:
    """No consent: accepted with that reason and probability 0, even where a rule or risk would escalate."""
    rule = Rule(name="all", field="prediction", equals="a", decision="escalate")
    triage = Triage(TriageSettings(rules=(rule,), audit_rate=0.1), model="m")
    decisions = decide(triage, [prediction(n, risk=1.0, consent=Consent(review=False)) for n in range(200)])
    assert not decisions.seen.any()
    assert not decisions.inclusion_probability.any()
    assert set(decisions.reasons) == {("the producer gave no consent to review",)}


def test_audit_follows_disagreement_but_never_passes_the_budget(prediction: Any) -> None:
    """Three times the audit rate where the models disagree, the audit rate elsewhere, at most the budget."""
    events = stream(prediction, np.full(4, 0.99))
    differs = np.array([True, False, True, False])
    decisions = decide(Triage(TriageSettings(), model="m"), events, disagreement=differs)
    assert decisions.inclusion_probability.tolist() == pytest.approx([0.06, 0.02, 0.06, 0.02])
    capped = decide(Triage(TriageSettings(budget=0.03), model="m"), events, disagreement=differs)
    assert capped.inclusion_probability[0] == pytest.approx(0.03)


@pytest.mark.parametrize(("strategy", "expected"), [("catch", 0.8), ("learn", 0.4), ("mix", 0.6)])
def test_strategy_says_what_the_score_is(prediction: Any, strategy: Any, expected: float) -> None:
    """Catch looks at the error probability, learn at the learned doubt, mix at both; NaN falls back to confidence."""
    triage = Triage(TriageSettings(strategy=strategy), model="m")
    events = stream(prediction, [0.7, 0.7])
    nan = float("nan")
    decisions = decide(triage, events, error_probability=np.array([0.8, nan]), learned_uncertainty=np.array([0.4, nan]))
    assert decisions.scores.tolist() == pytest.approx([expected, 0.3])
    assert decisions.uncertainty.tolist() == pytest.approx([0.3, 0.3])


def test_a_batch_can_be_undone(prediction: Any) -> None:
    """Going back to before a batch gives the same decisions again, as a retried transaction needs."""
    events = stream(prediction, np.random.default_rng(5).random(900))
    triage = Triage(TriageSettings(**QUICK), model="m")
    decide(triage, events[:300])
    before = triage.snapshot()
    first = joined([decide(triage, events[300:])])
    triage.rewind(before)
    assert joined([decide(triage, events[300:])]) == first


def test_wrong_shapes_are_named(prediction: Any) -> None:
    """An array that does not fit the batch is refused with its name and the right shape."""
    with pytest.raises(ValueError, match=r"error_probability has shape \(2,\); expected \(1,\)"):
        decide(Triage(TriageSettings(), model="m"), [prediction()], error_probability=np.zeros(2))


def test_an_empty_batch_decides_nothing() -> None:
    """No events, no decisions, no change of state."""
    triage = Triage(TriageSettings(), model="m")
    before = past_of(triage)
    assert len(decide(triage, []).codes) == 0
    assert past_of(triage) == before


def test_models_draw_independently(prediction: Any) -> None:
    """Two models that see the same event ids do not audit the same events."""
    events = stream(prediction, np.full(5_000, 0.99))
    first, second = (decide(Triage(TriageSettings(audit_rate=0.1), model=name), events).audit for name in "mn")
    assert 0 < (first & second).sum() < first.sum() / 2


def test_the_policy_version_names_the_settings() -> None:
    """Equal settings have one version; any change has another."""
    assert Triage(TriageSettings(), model="m").policy_version == Triage(TriageSettings(), model="n").policy_version
    assert (
        Triage(TriageSettings(salt=1), model="m").policy_version != Triage(TriageSettings(), model="m").policy_version
    )


def test_live_accuracy_is_unbiased_where_disagreements_are_drawn_more(prediction: Any) -> None:
    """Production is wrong more often where the models disagree; over many salts the estimate is right on average."""
    rng = np.random.default_rng(8)
    size, salts = 2_000, 40
    differs = rng.random(size) < 0.25
    right = np.where(differs, rng.random(size) < 0.4, rng.random(size) < 0.9)
    events = stream(prediction, rng.uniform(0.5, 1.0, size))
    errors, covered = [], 0
    for salt in range(salts):
        chosen = TriageSettings(audit_rate=0.05, budget=0.3, salt=salt)
        decisions = decide(Triage(chosen, model="m"), events, disagreement=differs)
        estimate = AccuracyEstimate(AccuracySettings(), inclusion_probability_min=chosen.audit_rate)
        chances, seen = decisions.inclusion_probability.tolist(), decisions.seen.tolist()
        for index in range(size):
            estimate.update(0.75, chances[index], reviewed=seen[index])
            if seen[index]:
                estimate.answer(0.75, chances[index], correct=bool(right[index]))
        interval = estimate.interval()
        assert interval is not None
        errors.append(interval[0] - right.mean())
        covered += interval[1] <= right.mean() <= interval[2]
    assert abs(np.mean(errors)) < 3 * np.std(errors) / salts**0.5
    assert covered >= 0.9 * salts
