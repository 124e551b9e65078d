"""What is not seen as itself is written out, whatever the text; everything else stays as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.texts.visible import is_visible, visible

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY_TEXT)
def test_nothing_hidden_is_left(text: str) -> None:
    """No control, format, surrogate, unassigned or separator character but spaces survives; nothing is lost."""
    shown = visible(text)
    assert all(
        unicodedata.category(char)[0] != "C" and unicodedata.category(char) not in ("Zl", "Zp") for char in shown
    )
    assert all(map(is_visible, shown))
    assert visible(shown) == shown
    shown.encode()  # every output can write it


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\u115f\u1160\u3164\uffa0")))
def test_what_is_seen_stays(text: str) -> None:
    """Letters of every script, digits, signs and spaces are handed on untouched."""
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]8;;http://evil\x07x", "\\x1b]8;;http://evil\\x07x"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\x00\x7f", "a\\r\\nb\\x00\\x7f"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("a\u200bb\ufeff\u2066", "a\\u200bb\\ufeff\\u2066"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("a\u3164b\u2028", "a\\u3164b\\u2028"),
        ("größer 東京\u3000 [/x] [link=y]", "größer 東京\u3000 [/x] [link=y]"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    """Colours, links, the clipboard, carriage returns, directions, things of no width: each is written out."""
    assert visible(text) == shown


def test_what_a_caller_keeps() -> None:
    """Line ends stay where the text is known to have lines."""
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\x1b"
