"""Texts that look the same: shown so that they can be told apart, and all others as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.texts.labels import are_valid_labels, composed, label_problem
from schemas.texts.look_alikes import LATIN, shape_of, told_apart

TEXTS = st.text(st.sampled_from("xo \u0445\u043e\u03bfe\u0301\u00e9\u00a0\u200d\uff58-\u2013"), max_size=4)


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["yes", "no"], ["yes", "no"]),
        (["\u0434\u0430", "\u043d\u0435\u0442"], ["\u0434\u0430", "\u043d\u0435\u0442"]),
        (["x", "\u0445", "y"], ["x", "\\u0445", "y"]),
        (["a b", "a\u00a0b", "a  b"], ["a b", "a\\xa0b", "a \\x20b"]),
        (["ok", "o\u200dk"], ["ok", "o\\u200dk"]),
        (["caf\u00e9", "\u0441af\u00e9"], ["caf\u00e9", "\\u0441af\u00e9"]),
        (["a-b", "a\u2013b"], ["a-b", "a\\u2013b"]),
    ],
)
def test_what_looks_the_same_is_told_apart(texts: list[str], shown: list[str]) -> None:
    """By the code points of what looks otherwise than it is; what has no look-alike stays readable."""
    assert list(told_apart(texts).values()) == shown


@given(st.lists(TEXTS.map(composed), unique=True, max_size=5))
def test_no_two_are_shown_alike(texts: list[str]) -> None:
    """Of composed texts without blanks around, whatever they are made of."""
    labels = [text for text in texts if are_valid_labels([text]) and text]
    shown = told_apart(labels)
    assert len({shape_of(name) for name in shown.values()}) == len(labels)


def test_every_shape_is_plain() -> None:
    """What stands for a letter is in ASCII, so that no chain of look-alikes is needed."""
    assert all(chr(letter).isascii() for letter in LATIN.values())


@given(st.text(max_size=300))
def test_a_settled_label_stays_itself(text: str) -> None:
    """Composing it again changes nothing, and it has no problem."""
    once = composed(text)
    assert are_valid_labels([once]) == (label_problem(once) is None)
    assert composed(once) == once
