"""Hashing passwords and checking them."""

from __future__ import annotations

import pytest

from review.console.passwords import hash_password, verify


def test_hash_is_argon2id_salted_and_checks():
    """The same password has another hash each time; both say yes to it alone."""
    first, second = hash_password("correct horse"), hash_password("correct horse")
    assert first.startswith("$argon2id$")
    assert first != second
    assert verify(first, "correct horse")
    assert not verify(second, "correct horsE")


@pytest.mark.parametrize("password_hash", [None, "", "$argon2id$broken", "plain"])
def test_unknown_person_and_unreadable_hash_are_wrong(password_hash):
    """Neither is an error, neither lets anybody in."""
    assert not verify(password_hash, "correct horse")


@pytest.mark.parametrize("password", ["short", "x" * 201])
def test_length_is_bounded(password):
    """A password past the bounds is refused with its length and the bounds."""
    with pytest.raises(ValueError, match=f"has {len(password)} characters, expected 8 to 200"):
        hash_password(password)
    assert not verify(None, password)
