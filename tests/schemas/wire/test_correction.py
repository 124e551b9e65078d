"""The ids of corrections that late labels lead to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.wire.correction import id_of_label

names = st.text("ab", min_size=1, max_size=3) | st.text("ab", min_size=1, max_size=3).map(lambda text: "x" * 197 + text)


@given(names, names, names)
def test_events_have_ids_of_their_own(model: str, event_id: str, other: str) -> None:
    """An id fits into its field however long names are, and no two events of a model share one."""
    correction_id = id_of_label(model, event_id)
    assert 0 < len(correction_id) <= 200
    assert (correction_id == id_of_label(model, other)) == (event_id == other)


def test_short_names_stand_in_the_id() -> None:
    """Up to 200 characters the id says which model and event it is about."""
    assert id_of_label("churn", "call-4711") == "label/churn/call-4711"
