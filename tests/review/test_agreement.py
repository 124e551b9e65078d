from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.agreement import OpinionsResult, TrackRecord, correction_id_of, correction_of, settle, standing_opinions
from review.settings import AgreementSettings
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN

ANSWERS = ["a", "b", "c", CANNOT_TELL, WITHDRAWN]


def outcome(opinion: Any, answers: list[str], needed: int = 1, rounds: int = 2) -> OpinionsResult:
    said = [opinion("t-1", f"p{number}", answer, time=number) for number, answer in enumerate(answers)]
    return settle(said, opinions_needed=needed, adjudication_rounds_max=rounds)


def decided(answer: str, person: str) -> OpinionsResult:
    return OpinionsResult(answer=answer, source="adjudication", adjudication=True, decided_by=person)


@pytest.mark.parametrize(
    ("answers", "needed", "expected"),
    [
        ([], 1, OpinionsResult(more=1)),
        (["a"], 1, OpinionsResult(answer="a")),
        (["a"], 2, OpinionsResult(more=1)),
        (["a", "a"], 2, OpinionsResult(answer="a")),
        (["a", CANNOT_TELL], 2, OpinionsResult(answer="a")),
        (["a", "b"], 2, OpinionsResult(more=1, adjudication=True)),
        ([CANNOT_TELL], 1, OpinionsResult(more=1, adjudication=True)),
        (["a", "b", "b"], 2, decided("b", "p2")),
        (["a", "b", "c"], 2, decided("c", "p2")),
        (["a", "b", CANNOT_TELL], 2, OpinionsResult(more=1, adjudication=True)),
        (["a", "b", CANNOT_TELL, "a"], 2, decided("a", "p3")),
        ([CANNOT_TELL] * 3, 1, OpinionsResult(answer=CANNOT_TELL, source="adjudication", adjudication=True)),
    ],
)
def test_what_opinions_amount_to(opinion: Any, answers: list[str], needed: int, expected: OpinionsResult) -> None:
    """Unanimous votes settle; no vote or a dispute goes to adjudicators, a bounded number of times."""
    assert outcome(opinion, answers, needed) == expected


@settings(max_examples=50, deadline=None)
@given(
    said=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(ANSWERS), st.integers(0, 20)), max_size=5),
    needed=st.integers(1, 3),
)
def test_order_does_not_matter(opinion: Any, said: list[tuple[int, str, int]], needed: int) -> None:
    """The same opinions settle the same, in whatever order they are heard."""
    heard = [opinion("t-1", f"p{who}", answer, time) for who, answer, time in said]
    unique = list({opinion.opinion_id: opinion for opinion in heard}.values())
    outcomes = {
        repr(settle(order, opinions_needed=needed, adjudication_rounds_max=2))
        for order in itertools.permutations(unique)
    }
    assert len(outcomes) == 1


def test_an_opinion_taken_back_does_not_count(opinion: Any) -> None:
    """Only the newest word of a person stands; a withdrawal removes it, a later answer brings it back."""
    first, back = opinion("t-1", "ann", "a", 1), opinion("t-1", "ann", WITHDRAWN, 2)
    again = opinion("t-1", "ann", "b", 3)
    assert standing_opinions([first, back]) == []
    assert standing_opinions([again, first, back]) == [again]


def test_reliability_starts_at_the_prior_and_follows_the_record() -> None:
    """Beta smoothing: ten answers' worth of 0.9, then what was seen."""
    track = TrackRecord(AgreementSettings())
    assert track.reliability("ann") == pytest.approx(0.9)
    for _ in range(10):
        track.compare("ann", agreed=False)
    assert track.reliability("ann") == pytest.approx(0.45)


def test_agreeing_with_oneself_teaches_nothing(opinion: Any) -> None:
    """A lone vote is not compared; two votes are, each with the settled answer."""
    track = TrackRecord(AgreementSettings())
    track.learn_settled([opinion("t-1", "ann", "a"), opinion("t-1", "bob", CANNOT_TELL)], OpinionsResult(answer="a"))
    assert not track._records
    both = [opinion("t-1", "ann", "a", 1), opinion("t-1", "bob", "a", 2)]
    track.learn_settled(both, settle(both, opinions_needed=2, adjudication_rounds_max=1))
    assert track.reliability("ann") == track.reliability("bob") > 0.9


def test_who_decides_a_dispute_is_not_compared_with_the_decision(opinion: Any) -> None:
    """The reviewers learn from it; an adjudicator who is often wrong does not become the most reliable of all."""
    track = TrackRecord(AgreementSettings())
    for number in range(50):
        ann, bob, eve = (
            opinion(f"t-{number}", person, answer, time)
            for time, (person, answer) in enumerate((("ann", "a"), ("bob", "b"), ("eve", "a")))
        )
        outcome = settle([ann, bob, eve], opinions_needed=2, adjudication_rounds_max=1)
        assert (outcome.source, outcome.decided_by) == ("adjudication", "eve")
        track.learn_settled([ann, bob, eve], outcome)
    assert track.reliability("bob") < 0.9 < track.reliability("ann")
    assert track.reliability("eve") == pytest.approx(0.9)


def test_the_track_record_is_bounded() -> None:
    """At the limit newcomers keep the prior, and those known are still followed."""
    track = TrackRecord(AgreementSettings(people_max=1))
    track.compare("ann", agreed=True)
    track.compare("bob", agreed=False)
    track.compare("ann", agreed=True)
    assert list(track._records) == ["ann"]
    assert track._records["ann"].compared == 2
    assert track.reliability("bob") == pytest.approx(0.9)


def test_reliability_of_an_answer(opinion: Any) -> None:
    """One vote is as reliable as its person; agreement raises it, dispute lowers it, silence leaves nothing."""
    track = TrackRecord(AgreementSettings())
    ann, bob, no = opinion("t", "ann", "a"), opinion("t", "bob", "a"), opinion("t", "eve", "b")
    assert track.reliability_of([ann], "a", 2) == pytest.approx(0.9)
    assert track.reliability_of([ann], "a", 5) == pytest.approx(0.9)
    assert track.reliability_of([ann, bob], "a", 2) == pytest.approx(0.81 / 0.82)
    assert track.reliability_of([ann, no], "a", 2) == pytest.approx(0.5)
    assert track.reliability_of([opinion("t", "ann", CANNOT_TELL)], CANNOT_TELL, 2) == 0.0


@settings(max_examples=50, deadline=None)
@given(answers=st.lists(st.sampled_from("abcd"), min_size=1, max_size=8), labels=st.integers(2, 6))
def test_reliabilities_are_probabilities(opinion: Any, answers: list[str], labels: int) -> None:
    """Over the answers that were given they sum to at most one."""
    track = TrackRecord(AgreementSettings())
    said = [opinion("t", f"p{number}", answer) for number, answer in enumerate(answers)]
    total = sum(track.reliability_of(said, answer, labels) for answer in set(answers))
    assert 0.0 < total <= 1.0 + 1e-9


def test_a_correction_carries_what_learning_needs(task: Any) -> None:
    """Deterministic id, the logged inclusion probability, the evidence; no correction where nobody could tell."""
    asked = task(3, lane="audit")
    made = correction_of(asked, "b", source="adjudication", reliability=0.8, created_at=9)
    assert made is not None
    assert made.correction_id == correction_id_of("t-3") == "c-3"
    assert (made.label, made.source, made.audit, made.inclusion_probability) == ("b", "adjudication", True, 0.25)
    assert (made.event_id, made.features, made.slices) == ("e3", {"x": 1.0}, {"r": "EU"})
    assert correction_of(asked, CANNOT_TELL, source="review", reliability=0.0, created_at=9) is None
    assert correction_of(task(evidence=None), "confirmed", source="review", reliability=0.9, created_at=9) is None
