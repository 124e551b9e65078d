"""JSON laid out for people: nothing that a producer can send ends the page or grows it beyond measure."""

from __future__ import annotations

import pytest

from console.pages.forms import redirect
from console.views.content import NESTING_SHOWN_MAX, laid_out

HUGE = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * 30_000,
        "[" * 3_000 + "]" * 3_000,
        "[" * (NESTING_SHOWN_MAX + 1) + "]" * (NESTING_SHOWN_MAX + 1),
        '["' + '\\"' * HUGE,
        '{"a": NaN}',
        "{",
        "[\ud800]",
        "[\x00]",
        "plain",
        "",
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_what_cannot_be_laid_out_is_shown_as_it_is(text):
    """Text that nests too deeply, is not JSON, or cannot be written in UTF-8 stays unchanged."""
    assert laid_out(text) == text


@pytest.mark.parametrize("number", ["1e400", "1.10", "9" * 5_000, "-0.0", "9007199254740993"])
def test_numbers_keep_their_digits(number):
    """What the producer wrote is what a reviewer reads."""
    assert laid_out(f'{{"a":{number}}}') == f'{{\n  "a": {number}\n}}'


def test_escapes_are_read_where_they_can_be_seen():
    """Escaped letters become letters; escapes of invisible characters, or of those with a meaning in JSON, stay."""
    text = r'["\u00e9\ud83d\ude00", "\u0000\u202e\u0022\u005c\n", "\\u0041"]'
    assert laid_out(text).split("\n")[1:-1] == [
        '  "é😀",',
        r'  "\u0000\u202e\u0022\u005c\n",',
        r'  "\\u0041"',
    ]


def test_brackets_inside_strings_do_not_nest():
    """Brackets inside a text do not count as levels."""
    assert laid_out('["' + "[" * 1_000 + '"]').count("\n") == 2


@pytest.mark.parametrize(
    ("address", "header"), [("/€", "/%E2%82%AC"), ("/queue?lane=audit#x", "/queue?lane=audit#x"), ("/a%2Fb", "/a%2Fb")]
)
def test_an_address_is_what_a_header_can_carry(address, header):
    """Characters beyond ASCII are percent-encoded; encoded ones stay as they are."""
    assert redirect(address).headers["Location"] == header
