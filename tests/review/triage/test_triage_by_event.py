"""Triage against a formulation without columns: one event after the other, as its docstrings tell it."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from review.settings import TriageSettings
from review.triage.compiled_rules import CompiledRules
from review.triage.decisions import ACCEPT, ESCALATE, REVIEW
from review.triage.rules import Rule
from review.triage.triage import Triage
from schemas.columns.prediction_columns import PredictionColumns
from schemas.hashing import uniform_draws
from schemas.wire.prediction import Consent, Prediction
from tests.support.triage_past import past_of

MILLION = 1_000_000
WORDS = {
    "catch": "probably wrong",
    "learn": "the model is unsure",
    "mix": "probably wrong, or the model is unsure",
}


class Asked(NamedTuple):
    """One event and what is given with it."""

    event: Prediction
    error: float | None
    doubt: float | None
    differs: bool | None
    decided: bool


class Answer(NamedTuple):
    """What triage says of it."""

    code: int
    probability: float
    audit: bool
    score: float
    reasons: tuple[str, ...]


class ByEvent:
    """Decides event by event."""

    def __init__(self, chosen: TriageSettings, model: str) -> None:
        self.chosen, self.salt = chosen, chosen.salt ^ zlib.crc32(model.encode())
        self.rules = CompiledRules(chosen.rules)
        self.events = self.purse = self.forgiven = self.run_forced = self.run_open = 0
        self.known = 0
        self.value, self.tie = chosen.warmup_score_min, 0.0
        self.forced_share, self.open_share = chosen.audit_rate, 1.0
        self.recent: list[float] = []

    def decide(self, asked: Asked) -> Answer:
        """One event; then the threshold moves, if it is time."""
        event, score, rate = asked.event, self.score_of(asked), self.rate_of(asked)
        draw = float(uniform_draws([event.event_id], self.salt)[0])
        matches = int(self.rules.matches(PredictionColumns.of([event]))[0])
        matching = [rule for index, rule in enumerate(self.chosen.rules) if matches >> index & 1]
        risky = event.risk is not None and event.risk >= self.chosen.escalate_risk_min
        self.purse = min(self.chosen.carry_reviews_max * MILLION, self.purse + round(self.chosen.budget * MILLION))
        texts = tuple(rule.text for rule in matching)
        if not event.consent.review:
            answer = Answer(ACCEPT, 0.0, False, score, ("the producer gave no consent to review",))
        elif risky or any(rule.decision == "escalate" for rule in matching):
            risk = (f"risk at least {self.chosen.escalate_risk_min:g}",) if risky else ()
            answer = Answer(ESCALATE, 1.0, False, score, risk + texts)
        elif asked.decided:
            words = "audit sample: drawn at random to measure live accuracy" if draw < rate else "decided before"
            answer = Answer(ACCEPT, rate, draw < rate, score, (words,))
        elif matching:
            answer = self.weighed(score, 1.0, rate, draw, texts)
            self.run_forced += answer.code == REVIEW
        else:
            chance = 1.0 if score > self.value else self.tie if score == self.value else 0.0
            words = f"{WORDS[self.chosen.strategy]} (score {score:.2f})"
            answer = self.weighed(score, chance, rate, draw, (words,))
            self.remember(score)
        self.count(answer)
        return answer

    def weighed(self, score: float, chance: float, rate: float, draw: float, texts: tuple[str, ...]) -> Answer:
        """An event that is reviewed with this chance if that is above the audit rate and the purse holds a review."""
        wants, holds, drawn_audit = chance > rate, self.purse >= MILLION, draw < rate
        probability = chance if wants and holds else rate
        if wants and holds and draw < chance and (chance == 1.0 or not drawn_audit):
            return Answer(REVIEW, probability, False, score, texts)
        if drawn_audit:
            words = "audit sample: drawn at random to measure live accuracy"
        elif wants and not holds:
            words = "worth a look, but the review budget is spent"
        else:
            words = "score below the review threshold"
        return Answer(ACCEPT, probability, drawn_audit, score, (words,))

    def score_of(self, asked: Asked) -> float:
        unsure = min(max(1.0 - float(asked.event.confidence or 0.0), 0.0), 1.0)
        error, doubt = (
            unsure if given is None or math.isnan(given) else min(max(given, 0.0), 1.0)
            for given in (asked.error, asked.doubt)
        )
        weight = {"catch": 1.0, "learn": 0.0, "mix": self.chosen.mix_catch_weight}[self.chosen.strategy]
        return weight * error + (1.0 - weight) * doubt

    def rate_of(self, asked: Asked) -> float:
        rate = self.chosen.audit_rate
        return min(self.chosen.budget, rate * self.chosen.disagreement_audit_factor) if asked.differs else rate

    def remember(self, score: float) -> None:
        self.run_open += 1
        self.recent = [*self.recent, score][-self.chosen.recent_scores_max :]
        self.known += 1

    def count(self, answer: Answer) -> None:
        """Pay for the look of a person, and end the run where it is full."""
        self.run_forced += answer.code == ESCALATE or answer.audit
        if answer.code != ACCEPT or answer.audit:
            self.purse -= MILLION
            if self.purse < -self.chosen.debt_reviews_max * MILLION:
                self.purse += MILLION
                self.forgiven += 1
        self.events += 1
        if self.events % self.chosen.threshold_events == 0:
            self.move_threshold()

    def move_threshold(self) -> None:
        run = self.chosen.threshold_events
        self.forced_share += 0.1 * (self.run_forced / run - self.forced_share)
        self.open_share += 0.1 * (self.run_open / run - self.open_share)
        self.run_forced = self.run_open = 0
        if self.known < self.chosen.warmup_events:
            return
        left = self.chosen.budget - self.forced_share + self.purse / MILLION / self.chosen.carry_spread_events
        share = left / max(self.open_share, 1e-6)
        wanted = share * len(self.recent)
        self.tie = 0.0
        if not self.recent or share <= 0.0:
            self.value = math.inf
        elif wanted >= len(self.recent):
            self.value = -math.inf
        else:
            self.value = sorted(self.recent, reverse=True)[int(wanted)]
            above = sum(score > self.value for score in self.recent)
            self.tie = min(1.0, max(0.0, (wanted - above) / self.recent.count(self.value)))

    def past(self) -> dict[str, Any]:
        """What ``past_of`` says of a Triage."""
        return {
            "events": self.events,
            "purse": self.purse,
            "forgiven": self.forgiven,
            "threshold": self.value,
            "tie_probability": self.tie,
            "recent": (self.known, self.recent),
            "forced_share": self.forced_share,
            "open_share": self.open_share,
            "run_forced": self.run_forced,
            "run_open": self.run_open,
        }


RULES = (
    Rule(name="eu", field="slice.region", equals="EU"),
    Rule(name="big", field="feature.amount", above=0.97, decision="escalate"),
    Rule(name="many", field="feature.amount", above=0.4),
    Rule(name="none", field="risk", missing=True, reason="no risk given"),
)

settings_of_triage = st.builds(
    lambda audit_rate, budget, **more: TriageSettings(audit_rate=audit_rate, budget=max(budget, audit_rate), **more),
    budget=st.sampled_from([0.02, 0.1, 0.3, 0.7, 1.0]),
    audit_rate=st.sampled_from([0.001, 0.02, 0.1, 0.3, 1.0]),
    strategy=st.sampled_from(["mix", "learn", "catch"]),
    mix_catch_weight=st.sampled_from([0.3, 0.5, 1.0]),
    disagreement_audit_factor=st.sampled_from([1.0, 3.0, 10.0]),
    escalate_risk_min=st.sampled_from([0.5, 0.9, 2.0]),
    rules=st.lists(st.sampled_from(RULES), unique=True, max_size=3).map(tuple),
    warmup_events=st.sampled_from([0, 20, 150]),
    warmup_score_min=st.sampled_from([0.0, 0.4, 1.0]),
    threshold_events=st.sampled_from([10, 37, 100]),
    recent_scores_max=st.sampled_from([100, 133]),
    carry_reviews_max=st.sampled_from([1, 5, 500]),
    carry_spread_events=st.sampled_from([10, 200]),
    debt_reviews_max=st.sampled_from([0, 3, 1_000]),
    salt=st.integers(0, 9),
)


@st.composite
def streams(draw: st.DrawFn) -> list[Asked]:
    """Events of all sorts; scores are continuous, from a few values, or all the same."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.integers(1, 400))
    levels = draw(st.sampled_from([None, 1, 3, 20]))
    pool = rng.random(size) if levels is None else np.round(rng.random(levels), 2)

    def column(is_given: bool) -> list[Any]:
        return rng.choice([*pool.tolist(), math.nan], size).tolist() if is_given else [None] * size

    def flags(is_given: bool, share: float) -> list[Any]:
        return (rng.random(size) < share).tolist() if is_given else [None] * size

    consents, risks = flags(True, draw(st.sampled_from([1.0, 0.7, 0.0]))), rng.random(size).tolist()
    has_risk = flags(True, draw(st.sampled_from([0.0, 0.3, 1.0])))
    regions, amounts = rng.choice(["EU", "US", "UK"], size).tolist(), rng.random(size).tolist()
    given_columns = (column(draw(st.booleans())), column(draw(st.booleans())), flags(draw(st.booleans()), 0.4))
    decided = flags(True, draw(st.sampled_from([0.0, 0.2])))
    events = [
        Prediction(
            event_id=f"e{number}",
            model="m",
            model_version="1",
            time=number,
            features={"amount": amounts[number]},
            slices={"region": regions[number]},
            prediction="a",
            confidence=confidence,
            risk=risks[number] if has_risk[number] else None,
            consent=Consent(review=consents[number]),
        )
        for number, confidence in enumerate(rng.choice(pool, size).tolist())
    ]
    return list(itertools.starmap(Asked, zip(events, *given_columns, decided, strict=True)))


def answers_of(triage: Triage, asked: list[Asked]) -> Iterator[Answer]:
    """What Triage says of a batch, event by event."""

    def array(name: str, dtype: type) -> Any:
        values = [getattr(question, name) for question in asked]
        return None if None in values else np.array(values, dtype)

    decisions = triage.decide(
        PredictionColumns.of([question.event for question in asked]),
        error_probability=array("error", np.float64),
        learned_uncertainty=array("doubt", np.float64),
        disagreement=array("differs", np.bool_),
        decided=array("decided", np.bool_) if any(question.decided for question in asked) else None,
    )
    columns = (decisions.codes, decisions.inclusion_probability, decisions.audit, decisions.scores)
    yield from itertools.starmap(Answer, zip(*(column.tolist() for column in columns), decisions.reasons, strict=True))


@settings(max_examples=120, deadline=None)
@given(
    chosen=settings_of_triage,
    asked=streams(),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    turns=st.lists(st.sampled_from(["go on", "carry over", "undo", "undo twice"]), min_size=1, max_size=4),
)
def test_batches_decide_as_one_event_after_the_other(
    chosen: TriageSettings, asked: list[Asked], cuts: list[int], turns: list[str]
) -> None:
    """However events are batched, undone and carried over, answers and what is kept are those of the plain telling."""
    plain, triage = ByEvent(chosen, "m"), Triage(chosen, model="m")
    edges = [0, *sorted(cut % (len(asked) + 1) for cut in cuts), len(asked)]
    for (start, stop), turn in zip(itertools.pairwise(edges), itertools.cycle(turns), strict=False):
        if turn == "carry over":
            snapshot, triage = triage.snapshot(), Triage(chosen, model="m")
            triage.rewind(snapshot)
        elif turn != "go on":
            undo(triage, asked, is_twice=turn == "undo twice")
        assert list(answers_of(triage, asked[start:stop])) == [plain.decide(event) for event in asked[start:stop]]
        assert past_of(triage) == plain.past()


def undo(triage: Triage, asked: list[Asked], *, is_twice: bool) -> None:
    """Decide about events, then take that back; twice: by way of another past, which spoils nothing."""
    before, past = triage.snapshot(), past_of(triage)
    list(answers_of(triage, asked))
    if is_twice:
        later, expected = triage.snapshot(), past_of(triage)
        triage.rewind(before)
        list(answers_of(triage, asked[::-1]))
        triage.rewind(later)
        assert past_of(triage) == expected
    triage.rewind(before)
    assert past_of(triage) == past
