"""Verdicts of every shape that the wire allows, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from schemas.wire.base import EPOCH_MS_MAX, NAME_CHARS_MAX
from schemas.wire.verdict import Verdict

CHARACTERS = st.characters(exclude_categories=["Cs"])
ODD = st.sampled_from(["\0", "\ufeff", "😀" * NAME_CHARS_MAX, "null", "NaN", " ", "\u2028", "a\u0301"])
NAMES = st.just("") | ODD | st.text(CHARACTERS, max_size=8)
IDS = ODD | st.text(CHARACTERS, min_size=1, max_size=8)
RATIOS = st.sampled_from([0.0, 1.0, 5e-324, 1 / 3]) | st.floats(0, 1)
TIMES = st.sampled_from([0, EPOCH_MS_MAX]) | st.integers(0, EPOCH_MS_MAX)

VERDICTS = st.builds(
    Verdict,
    event_id=IDS,
    model=IDS,
    model_version=NAMES,
    time=TIMES,
    decision=st.sampled_from(["accept", "review", "escalate"]),
    reasons=st.lists(NAMES, max_size=3).map(tuple),
    uncertainty=RATIOS,
    inclusion_probability=RATIOS,
    error_probability=st.none() | RATIOS,
    audit=st.booleans(),
    policy_version=NAMES,
    learned_version=NAMES,
    learned_prediction=NAMES,
    task_id=NAMES,
    decided_at=TIMES,
    correction_id=NAMES,
    settled_label=NAMES,
)


def verdict(number: int = 0, **changes: object) -> Verdict:
    """A plain verdict, about the event with this number."""
    ids = {"event_id": f"e-{number}", "model": "churn"}
    plain = {"time": number, "decision": "accept", "decided_at": number + 1}
    ratios = {"uncertainty": 0.5, "inclusion_probability": 0.1}
    return Verdict(**{**ids, **plain, **ratios, **changes})  # type: ignore[arg-type]
