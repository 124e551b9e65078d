"""Names of people: those by which somebody can sign in, and that others read as they are."""

from __future__ import annotations

import pytest

from schemas.texts.person_names import person_problem
from watchloop.people import person_of

PASSWORD = "four rainy words together"
ODD = [
    "",
    "x" * 201,
    " ada ",
    "ada\t",
    "a\nb\x1b[31m",
    "\udcff\udcfe",
    "a\u202eb",
    "a\u200bb",
    "\u3164",
    "a\x00",
    "\u00a0ada",
]


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_names_nobody_can_type_or_see_are_refused(text: str) -> None:
    """In one line that any terminal takes, before an account is made of them; a name may be empty, an id may not."""
    for person_id, name in ((text, ""), ("ada", text)):
        problem = person_problem(person_id, name)
        if not text and person_id:
            assert problem is None
            continue
        assert problem is not None
        assert problem.isascii()
        assert problem.isprintable()
        with pytest.raises(ValueError, match="expected"):
            person_of(person_id, PASSWORD, ("reviewer",), name=name)


@pytest.mark.parametrize("text", ["ada", "x" * 200, "Ада Лавлейс", "o'neil@example.com", "simulated-1", "名前"])
def test_names_of_people_are_taken(text: str) -> None:
    """Letters of every script, and what stands within a name."""
    assert person_problem(text, text) is None
