from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.settings import TriageSettings
from review.triage.compiled_rules import CompiledRules
from review.triage.rules import Rule
from schemas.columns.prediction_columns import PredictionColumns

scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.text(max_size=3))


def matches(rule: Rule, event: Any) -> bool:
    return bool(CompiledRules([rule]).matches(PredictionColumns.of([event]))[0])


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ({"above": 3}, 4, True),
        ({"above": 3}, 3, False),
        ({"above": 3}, "4", False),
        ({"above": 0}, True, False),
        ({"below": 3.5}, 3, True),
        ({"below": 3.5}, None, False),
        ({"equals": 1}, 1.0, True),
        ({"equals": 1}, True, False),
        ({"equals": True}, True, True),
        ({"equals": "x"}, "x", True),
        ({"equals": 0}, None, False),
        ({"one_of": ("x", 2)}, 2.0, True),
        ({"one_of": ("x", 2)}, "y", False),
        ({"missing": True}, None, True),
        ({"missing": True}, 0, False),
    ],
)
def test_conditions_on_features(prediction: Any, condition: dict[str, Any], value: Any, expected: bool) -> None:
    """Each condition matches what it says, and values of another type never match."""
    rule = Rule(name="r", field="feature.x", **condition)
    assert matches(rule, prediction(features={"x": value})) is expected


def test_an_absent_feature_matches_only_missing(prediction: Any) -> None:
    """A feature that an event does not have is missing, and nothing else."""
    event = prediction(features={})
    assert matches(Rule(name="r", field="feature.x", missing=True), event)
    for condition in ({"above": 0}, {"below": 0}, {"equals": 0}, {"one_of": (0,)}):
        assert not matches(Rule(name="r", field="feature.x", **condition), event)


def test_a_prediction_matches_however_its_letters_are_put_together(prediction: Any) -> None:
    """Labels are composed (NFC); a rule that names one need not be."""
    event = prediction(prediction="caf\u00e9", confidence=0.5)
    assert matches(Rule(name="r", field="prediction", equals="cafe\u0301"), event)
    assert matches(Rule(name="r", field="prediction", one_of=("tea", "cafe\u0301")), event)


def test_other_fields(prediction: Any) -> None:
    """Rules also look at slices, risk, confidence and the predicted label (as text)."""
    event = prediction(slices={"region": "EU"}, risk=0.5, confidence=0.3, prediction=True)
    assert matches(Rule(name="r", field="slice.region", one_of=("EU", "UK")), event)
    assert matches(Rule(name="r", field="risk", above=0.4), event)
    assert matches(Rule(name="r", field="confidence", below=0.4), event)
    assert matches(Rule(name="r", field="prediction", equals="true"), event)
    assert matches(Rule(name="r", field="prediction", equals=True), event)
    assert matches(Rule(name="r", field="risk", missing=True), prediction())


@settings(max_examples=50, deadline=None)
@given(value=scalars, bound=st.floats(-5, 5), wanted=st.one_of(st.integers(-5, 5), st.text(min_size=1, max_size=3)))
def test_rules_never_crash(prediction: Any, value: Any, bound: float, wanted: Any) -> None:
    """Whatever a feature holds, every rule answers yes or no."""
    rules = [
        Rule(name="a", field="feature.x", above=bound),
        Rule(name="b", field="feature.x", below=bound),
        Rule(name="e", field="feature.x", equals=wanted),
        Rule(name="m", field="feature.x", missing=True),
    ]
    matched = int(CompiledRules(rules).matches(PredictionColumns.of([prediction(features={"x": value})]))[0])
    assert bool(matched & 8) == (value is None)
    assert bool(matched & 1) + bool(matched & 2) <= 1


CONDITIONS = st.one_of(
    st.fixed_dictionaries({"above": st.floats(-5, 5)}),
    st.fixed_dictionaries({"below": st.floats(-5, 5)}),
    st.fixed_dictionaries({"equals": scalars.filter(lambda value: value is not None)}),
    st.fixed_dictionaries({"one_of": st.lists(scalars.filter(lambda value: value is not None), min_size=1).map(tuple)}),
    st.just({"missing": True}),
)
FLOATS = st.one_of(st.none(), st.floats(-5, 5), st.sampled_from([float("nan"), float("inf"), -0.0]))
COLUMNS = st.one_of(
    st.lists(FLOATS, min_size=1, max_size=8),
    st.lists(st.one_of(st.none(), st.text(max_size=2)), min_size=1, max_size=8),
    st.lists(st.one_of(scalars, st.just(2**60 + 1)), min_size=1, max_size=8),
)


def is_met(rule: Rule, value: Any) -> bool:
    """The condition as its documentation tells it."""
    value_type = float if type(value) is int else type(value)
    if rule.missing:
        return value is None
    if rule.above is not None:
        return value_type is float and value > rule.above
    if rule.below is not None:
        return value_type is float and value < rule.below
    wanted = (rule.equals,) if rule.equals is not None else rule.one_of
    return any(value_type is (float if type(other) is int else type(other)) and value == other for other in wanted)


@settings(max_examples=200, deadline=None)
@given(condition=CONDITIONS, values=COLUMNS)
def test_a_column_is_tested_as_its_values_are(prediction: Any, condition: dict[str, Any], values: list[Any]) -> None:
    """Whatever kinds of values a column holds, each event matches as it would alone."""
    rule = Rule(name="r", field="feature.x", **condition)
    events = [prediction(number, features={"x": value}) for number, value in enumerate(values)]
    matched = CompiledRules([rule]).matches(PredictionColumns.of(events))
    assert matched.astype(bool).tolist() == [is_met(rule, value) for value in values]


def test_escalation_wins_and_all_reasons_are_told(prediction: Any) -> None:
    """Where several rules match, one that escalates decides, and each gives its reason in declared order."""
    rules = CompiledRules(
        [
            Rule(name="one", field="confidence", below=0.5, reason="unsure"),
            Rule(name="two", field="feature.x", equals=1, decision="escalate"),
            Rule(name="three", field="feature.x", equals=2, decision="escalate"),
        ]
    )
    matched = rules.matches(
        PredictionColumns.of([prediction(confidence=0.1, features={"x": 1}), prediction(confidence=0.1)])
    )
    assert rules.escalating(matched).tolist() == [True, False]
    assert rules.texts(int(matched[0])) == ("rule one: unsure", "rule two: feature.x equals 1")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"field": "amount", "above": 1}, "expected feature.NAME, slice.NAME, risk, confidence or prediction"),
        ({"field": "feature.", "above": 1}, "expected feature.NAME"),
        ({"field": "feature.x"}, "expected exactly one of above, below, equals, one_of, missing; none is given"),
        ({"field": "feature.x", "above": 1, "below": 2}, "above and below are given"),
        ({"field": "risk", "equals": 1}, "equals does not fit risk; expected above, below or missing"),
        ({"field": "confidence", "above": 70}, "expected a number from 0 to 1"),
        ({"field": "prediction", "above": 1}, "expected equals or one_of"),
        ({"field": "prediction", "missing": True}, "every event has a prediction"),
        ({"field": "slice.region", "below": 1}, "which is a text"),
    ],
)
def test_wrong_rules_say_what_would_be_right(fields: dict[str, Any], message: str) -> None:
    """A wrong rule in the settings is refused with its name, its place and what it may be."""
    document = {"rules": [{"name": "big", **fields}]}
    with pytest.raises(msgspec.ValidationError, match=r"\$\.rules\[0\]") as refused:
        msgspec.convert(document, TriageSettings)
    assert "rule 'big'" in str(refused.value)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_contradictory_settings_are_refused() -> None:
    """An audit above the budget, and two rules of one name, are named."""
    with pytest.raises(ValueError, match="audit_rate must be at most budget"):
        TriageSettings(budget=0.01, audit_rate=0.02)
    rule = Rule(name="r", field="risk", above=0.5)
    with pytest.raises(ValueError, match="two rules are named 'r'"):
        TriageSettings(rules=(rule, rule))
    with pytest.raises(msgspec.ValidationError, match="length <= 64"):
        msgspec.convert({"rules": [{"name": str(n), "field": "risk", "above": 0.5} for n in range(65)]}, TriageSettings)
