"""Triage of many models in one pass decides what each model's triage decides by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from review.settings import TriageSettings
from review.triage.batch import Hints
from review.triage.decisions import Decisions
from review.triage.rules import Rule
from review.triage.triage import Triage, decide_all
from schemas.columns.event_batch import EventBatch
from schemas.columns.prediction_columns import PredictionColumns
from schemas.wire.prediction import Consent, Prediction

POLICIES = [
    TriageSettings(budget=0.3, audit_rate=0.1, threshold_events=5, warmup_events=5),
    TriageSettings(budget=0.3, audit_rate=0.1, threshold_events=5, warmup_events=5, salt=3),
    TriageSettings(
        budget=0.5,
        audit_rate=0.2,
        strategy="catch",
        threshold_events=7,
        warmup_events=7,
        rules=(
            Rule(name="big", field="feature.x", above=2.0, decision="escalate"),
            Rule(name="odd", field="feature.kind", equals="b", decision="review"),
        ),
    ),
]

EVENTS = st.lists(
    st.builds(
        Prediction,
        event_id=st.uuids().map(str),
        model=st.just("m"),
        time=st.integers(0, 10**12),
        features=st.fixed_dictionaries({}, optional={"x": st.floats(0, 3), "kind": st.sampled_from("ab")}),
        prediction=st.sampled_from(["stay", "go"]),
        confidence=st.floats(0, 1),
        risk=st.none() | st.floats(0, 1),
        consent=st.builds(Consent, review=st.booleans()),
    ),
    min_size=1,
    max_size=25,
)
RATIOS = st.just(float("nan")) | st.floats(0, 1)


def rows_of(decisions: Decisions) -> list[tuple[Any, ...]]:
    """The decisions, event by event."""
    columns = (
        decisions.codes,
        decisions.inclusion_probability,
        decisions.uncertainty,
        decisions.scores,
        decisions.audit,
        decisions.audit_probability,
    )
    return list(zip(*(column.tolist() for column in columns), decisions.reasons, strict=True))


@given(st.lists(st.tuples(EVENTS, st.sampled_from(POLICIES)), min_size=1, max_size=5), st.booleans(), st.data())
@settings(deadline=None)
def test_models_together_are_decided_as_each_alone(
    models: list[tuple[list[Prediction], TriageSettings]], hinted: bool, data: st.DataObject
) -> None:
    """Whatever settings the models have, in two batches, so that what the first leaves behind counts as well."""
    together = [Triage(policy, model=f"m{number}") for number, (_, policy) in enumerate(models)]
    alone = [Triage(policy, model=f"m{number}") for number, (_, policy) in enumerate(models)]
    for _ in range(2):
        batch = EventBatch([PredictionColumns.of(events) for events, _ in models])
        hints = Hints()
        if hinted:
            size = len(batch)
            errors, doubts = (np.array(data.draw(st.lists(RATIOS, min_size=size, max_size=size))) for _ in range(2))
            differs, decided = (
                np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size))) for _ in range(2)
            )
            hints = Hints(errors, doubts, differs, decided)
        expected: list[tuple[Any, ...]] = []
        for number, triage in enumerate(alone):
            own = hints.take(np.arange(*batch.bounds[number : number + 2]))
            expected += rows_of(triage.decide(batch.of_model(number), **own._asdict()))
        assert rows_of(decide_all(together, batch, hints)) == expected
