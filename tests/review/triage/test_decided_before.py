"""DecidedBefore: people are asked a question once while their answer holds."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.settings import TriageSettings
from review.triage.decided_before import DecidedBefore
from review.triage.decisions import ACCEPT, ESCALATE
from review.triage.rules import Rule
from review.triage.triage import Triage
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.correction import Correction

DAY_MS = 86_400_000


def correction(number: int, features: dict[str, Any], **more: Any) -> Correction:
    given_fields = {"source": "review", "created_at": 0, **more}
    return Correction(
        correction_id=f"c-{number}",
        model="m",
        event_id=f"e-{number}",
        time=0,
        label="yes",
        features=features,
        prediction="no",
        confidence=0.6,
        inclusion_probability=1.0,
        **given_fields,
    )


def answer_ids(decided: DecidedBefore, events: list[Any], now_ms: int = 0) -> dict[int, str]:
    answers = decided.find(PredictionColumns.of(events), now_ms)
    return {index: answer.correction_id for index, answer in answers.items()}


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ({"x": 1, "kind": "a"}, True),
        ({"kind": "a", "x": 1.0}, True),
        ({"x": 1, "kind": "a", "more": None}, True),
        ({"x": True, "kind": "a"}, False),
        ({"x": "1", "kind": "a"}, False),
        ({"x": 1}, False),
        ({"x": 1, "kind": "b"}, False),
        ({"x": 1, "kind": "a", "more": 0}, False),
        ({}, False),
    ],
)
def test_a_question_is_its_features(prediction: Any, asked: dict[str, Any], same: bool) -> None:
    """The same names with equal values; null and absent are alike, true is not one."""
    decided = DecidedBefore(60, 100)
    decided.hear(correction(1, {"x": 1, "kind": "a"}))
    assert answer_ids(decided, [prediction(7, features=asked)]) == ({0: "c-1"} if same else {})


def test_one_thread_hears_while_another_finds(prediction: Any) -> None:
    """INTAKE hears corrections and judges events in two threads; an answer that is forgotten meanwhile is no error."""
    decided = DecidedBefore(60, 2)
    events = PredictionColumns.of([prediction(number, features={"x": number % 4}) for number in range(200)])
    corrections = [correction(number, {"x": number}) for number in range(4)]
    stop = threading.Event()

    def hear() -> None:
        while not stop.is_set():
            for heard in corrections:
                decided.hear(heard)

    hearing = threading.Thread(target=hear)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        hearing.start()
        for _ in range(5_000):
            decided.find(events, 0)
    finally:
        stop.set()
        hearing.join()
        sys.setswitchinterval(before)


def test_an_answer_holds_for_its_time(prediction: Any) -> None:
    """After ``keep_seconds`` from when it was settled, people are asked again."""
    decided = DecidedBefore(60, 100)
    decided.hear(correction(1, {"x": 1}, created_at=1_000))
    event = prediction(features={"x": 1})
    assert answer_ids(decided, [event], now_ms=61_000) == {0: "c-1"}
    assert answer_ids(decided, [event], now_ms=61_001) == {}


def test_late_labels_are_no_answers(prediction: Any) -> None:
    """Ground truth of another event with the same features says nothing that people settled."""
    decided = DecidedBefore(60, 100)
    decided.hear(correction(1, {"x": 1}, source="label"))
    assert answer_ids(decided, [prediction(features={"x": 1})]) == {}


def test_the_newest_answer_counts_and_the_oldest_is_forgotten(prediction: Any) -> None:
    """A later answer to the same question replaces the earlier; at the bound the oldest goes."""
    decided = DecidedBefore(60, 3)
    for number in range(3):
        decided.hear(correction(number, {"x": number}))
    decided.hear(correction(10, {"x": 0}))
    decided.hear(correction(11, {"x": 11}))
    events = [prediction(n, features={"x": x}) for n, x in enumerate((0, 1, 2, 11))]
    assert answer_ids(decided, events) == {0: "c-10", 2: "c-2", 3: "c-11"}
    assert len(decided) == 3


ROWS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, 0, 1, True, "x", 2.5]), max_size=3), max_size=12
)


@given(ROWS, ROWS)
@settings(max_examples=200, deadline=None)
def test_it_finds_what_a_plain_search_finds(prediction: Any, answered: list[Any], asked: list[Any]) -> None:
    """The short cut over the most telling feature loses and invents nothing."""
    decided = DecidedBefore(60, 5)
    for number, features in enumerate(answered):
        decided.hear(correction(number, features))
    kept: dict[Any, int] = {}
    for number, features in enumerate(answered):
        key = tuple(sorted((n, str(type(v) is bool), repr(float(v)) if not isinstance(v, str) else v)
                           for n, v in features.items() if v is not None))  # fmt: skip
        kept.pop(key, None)
        kept[key] = number
        if len(kept) > 5:
            kept.pop(next(iter(kept)))
    expected = {}
    for index, features in enumerate(asked):
        key = tuple(sorted((n, str(type(v) is bool), repr(float(v)) if not isinstance(v, str) else v)
                           for n, v in features.items() if v is not None))  # fmt: skip
        if key in kept:
            expected[index] = f"c-{kept[key]}"
    if asked:
        assert answer_ids(decided, [prediction(n, features=features) for n, features in enumerate(asked)]) == expected


def test_decided_events_are_accepted_at_the_audit_rate(prediction: Any) -> None:
    """A cached answer costs no review, keeps the audit probability, and is still drawn by the audit sample."""
    events = [prediction(n, confidence=0.5) for n in range(4_000)]
    decided = np.arange(4_000) % 2 == 0
    made = Triage(TriageSettings(), model="m").decide(PredictionColumns.of(events), decided=decided)
    assert (made.codes[decided] == ACCEPT).all()
    assert np.allclose(made.inclusion_probability[decided], 0.02)
    assert 0.01 < made.audit[decided].mean() < 0.03
    assert {made.reasons[index] for index in np.flatnonzero(decided & ~made.audit)} == {("decided before",)}
    assert made.seen[~decided].mean() > 0.1


def test_rules_that_escalate_go_ahead_of_what_was_decided(prediction: Any) -> None:
    """What must always reach a person does; a rule that only asks for review is answered by the earlier answer."""
    rules = (
        Rule(name="vip", field="feature.vip", equals=True, decision="escalate"),
        Rule(name="large", field="feature.x", above=10),
    )
    events = [prediction(1, features={"vip": True}), prediction(2, features={"x": 11})]
    made = Triage(TriageSettings(rules=rules), model="m").decide(
        PredictionColumns.of(events), decided=np.array([True, True])
    )
    assert made.codes.tolist() == [ESCALATE, ACCEPT]
