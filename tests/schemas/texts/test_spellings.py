"""Spellings of labels: whatever text a label is, it is read as a number, as a truth value, or as itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.texts.spellings import RULES, KnownLabels

NUMBER_LIKE = st.text(st.sampled_from("0123456789eE+-._ tTrRuUfF²٣½∞"), max_size=60)
FAR = ("1e9999999", "1E+999999999", "1e-9999999", "0e9999999", "9" * 40, "1e99999999999999999999")


@given(st.one_of(NUMBER_LIKE, st.text(max_size=60)), st.sets(NUMBER_LIKE, max_size=4))
def test_any_text_is_read(text: str, said: set[str]) -> None:
    """No label stops whoever compares it with others: anybody may send one."""
    assert all(isinstance(rule(text), str) for rule, _ in RULES)
    meant = KnownLabels(said).meant_by(text)
    assert meant is None or meant != text


@pytest.mark.parametrize("text", FAR)
def test_a_number_that_is_out_of_reach_stays_a_text(text: str) -> None:
    """Its value has more digits than are looked at, so it means no other label and no other one means it."""
    assert KnownLabels({"1", "2"}).meant_by(text) is None
    assert KnownLabels({text}).meant_by("1") is None
