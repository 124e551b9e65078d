"""Hashing passwords and checking them."""

from __future__ import annotations

import secrets

import pytest

from console.sessions.passwords import hash_password, problem_of, verify


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
    with pytest.raises(ValueError, match=f"has {len(password)} characters, expected 12 to 200"):
        hash_password(password)
    assert not verify(None, password)


@pytest.mark.parametrize(
    "password",
    [
        "password1234", "123456789012", "qwertyuiopas", "aaaaaaaaaaaa", "Password123!", "letmeinletmein",
        "1q2w3e4r5t6y", "iloveyou1234", "passwordpassword", "administrator", "abcdefghijkl", "P@ssw0rd1234",
    ],
)  # fmt: skip
def test_common_passwords_are_refused_however_they_are_decorated(password):
    """Those that are tried first, their sequences, repetitions and decorations."""
    assert problem_of(password).startswith("too easy to guess")
    with pytest.raises(ValueError, match="password: too easy to guess"):
        hash_password(password)


@pytest.mark.parametrize("password", ["ada-lovelace-1", "Ada.Lovelace.ADA", "watchloop-2026", "watchloopada1"])
def test_a_password_is_not_made_of_the_names_that_everybody_knows(password):
    """The person's id and name, and the program's."""
    assert problem_of(password, about=("ada", "Ada Lovelace"))


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "a quiet demand", "jT9-kQ2_xLmA", "über den grünen hügel", "kdmwqpzrtbvh"],
)
def test_no_kind_of_character_is_asked_for(password):
    """Length and rarity count; a sentence without capitals and digits will do, in any script."""
    assert problem_of(password) == ""


def test_generated_passwords_are_taken():
    """What the program makes up itself passes its own rule."""
    assert not any(problem_of(secrets.token_urlsafe(12), about=("admin",)) for _ in range(20))


def test_the_longest_password_is_checked_quickly():
    """The estimate looks at the beginning alone: its time grows faster than the length."""
    assert problem_of("aB3$" * 50)


@pytest.mark.parametrize(
    "costs", ["m=4294967295,t=3,p=4", "m=65536,t=4294967295,p=1", "m=8192,t=1,p=1024", "m=65536,t=3"]
)
def test_a_hash_that_costs_too_much_is_nobodys(costs):
    """A record on `people` cannot make a sign-in take all memory, or for ever."""
    assert not verify(f"$argon2id$v=19${costs}$c29tZXNhbHQxMjM$" + "a" * 43, "correct horse battery")


@pytest.mark.parametrize("text", ["\ud800" * 12, "€" * 12, "\x00" * 12])
def test_strange_characters_are_no_fault(text):
    """Lone surrogates are no text; other characters are as good as letters."""
    assert not verify(text, "correct horse battery")
    assert not verify(hash_password("correct horse battery"), text)
