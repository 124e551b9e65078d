"""Labels and predictions that are written otherwise: matched by a stated rule, told, or refused with both sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchloop.errors import WrongTable
from watchloop.recorded.spellings import matched

Read = Callable[..., Any]
Refused = Callable[..., str]


@pytest.mark.parametrize(
    ("truths", "answers", "rewritten"),
    [
        ({"1", "0"}, {"1", "0"}, {}),
        ({"1", "0"}, {"1"}, {}),
        ({"007", "07"}, {"007", "07"}, {}),
        ({"1", "0"}, {"1.0", "0.0"}, {"1": "1.0", "0": "0.0"}),
        ({"1.50", "2"}, {"1.5", "2.0"}, {"1.50": "1.5", "2": "2.0"}),
        ({"yes ", " no"}, {"yes", "no"}, {"yes ": "yes", " no": "no"}),
        ({"Yes", "No"}, {"yes", "no"}, {"Yes": "yes", "No": "no"}),
        ({"true", "false"}, {"1", "0"}, {"true": "1", "false": "0"}),
        ({"true", "false"}, {"1"}, {"true": "1"}),
        ({"true", "false"}, {"True", "False"}, {"true": "True", "false": "False"}),
        ({"1", "0"}, {"TRUE", "FALSE"}, {"1": "TRUE", "0": "FALSE"}),
        ({"1.0", "0.0"}, {"Y", "N"}, {"1.0": "Y", "0.0": "N"}),
        ({"t", "f"}, {"1", "0"}, {"t": "1", "f": "0"}),
        ({"a", "b", "C"}, {"a", "b", "c"}, {"C": "c"}),
        ({"+1", "-1"}, {"1", "-1"}, {"+1": "1"}),
        ({"a", "+1", "c"}, {"a", "1.0", "d"}, {"+1": "1.0"}),
        ({"a", "Yes", " no", "c"}, {"a", "yes", "no", "d"}, {"Yes": "yes", " no": "no"}),
        ({"a", "A"}, {" a", " A", "b "}, {"a": " a", "A": " A"}),
        ({"1", "01"}, {"1.0"}, {"1": "1.0"}),
    ],
)
def test_what_is_matched(truths: set[str], answers: set[str], rewritten: dict[str, str]) -> None:
    """True labels take the spelling of the predictions, which is what travels; a line says so.

    Nothing is merged that one side keeps apart.
    """
    found = matched(truths, answers)
    assert found.rewritten == rewritten
    assert bool(found.note) == bool(rewritten)


@pytest.mark.parametrize(
    ("truths", "answers"),
    [
        ({"1", "2"}, {"a", "b"}),
        ({"-1", "1"}, {"0", "2"}),
        ({"007", "08"}, {"7", "8"}),
        ({"yes", "no"}, {"churned", "stayed"}),
    ],
)
def test_what_has_nothing_in_common_is_refused(truths: set[str], answers: set[str]) -> None:
    """Both sets are shown, and a leading zero counts."""
    with pytest.raises(WrongTable, match="nothing in common") as caught:
        matched(truths, answers)
    for text in truths | answers:
        assert repr(text) in str(caught.value)


def test_sets_without_end_are_cut() -> None:
    """A column of a thousand numbers as the label is shown by its first few."""
    with pytest.raises(WrongTable, match=r"and 994 more") as caught:
        matched({f"{n}.5" for n in range(1_000)}, {"a\x1b[31m" * 100})
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


def test_a_prediction_that_is_no_label_is_told() -> None:
    """Where some are the same nothing is guessed, and what only one side has is said."""
    found = matched({"a", "b", "c"}, {"a", "b", "d"})
    assert found.rewritten == {}
    assert "'d'" in found.note
    assert "'c'" in found.note
    assert "warning: predictions that are no true label" in found.note


@pytest.mark.parametrize(
    ("truths", "answers", "shown"),
    [
        ({"007", "8"}, {"7", "8"}, ("'007'", "'7'")),
        ({"Yes", "yes"}, {"YES", "yes"}, ("'Yes'", "'YES'")),
        ({"1", "+1", "x"}, {"1.0", "01", "x"}, ("'+1'", "'1.0'")),
    ],
)
def test_what_may_mean_the_same_is_warned_of(truths: set[str], answers: set[str], shown: tuple[str, str]) -> None:
    """Some spellings are common, and no rule says which of the rest are: both sets are shown, and what it may cost."""
    found = matched(truths, answers)
    assert found.rewritten == {}
    warning = found.note.rpartition("warning: ")[2]
    assert all(text in warning for text in shown)
    assert "the accuracy is too low" in warning


def test_a_model_that_is_always_wrong_is_told() -> None:
    """One label on each side may be no spelling at all."""
    found = matched({"0"}, {"1"})
    assert found.rewritten == {}
    assert found.note.startswith("warning: predictions that are no true label")


@given(st.sets(st.text(max_size=6), min_size=1, max_size=6), st.sets(st.text(max_size=6), min_size=1, max_size=6))
def test_no_two_labels_become_one(truths: set[str], answers: set[str]) -> None:
    """Whatever the spellings, as many different true labels remain, and each new one is one of the answers."""
    try:
        found = matched(truths, answers)
    except WrongTable:
        assert not truths & answers
        return
    assert len({found.rewritten.get(text, text) for text in truths}) == len(truths)
    assert set(found.rewritten.values()) <= answers


@pytest.mark.parametrize(
    "truth",
    [
        pa.array([True, False, True, False]),
        pa.array([1.0, 0.0, 1.0, 0.0]),
        pa.array([1, 0, 1, 0], pa.uint8()),
        pa.array(["True", "False", "True", "False"]),
        pa.array(["1 ", "0 ", "1 ", "0 "]),
        pa.array(["yes", "no", "yes", "no"]).dictionary_encode(),
        pa.array(["1.00", "0.00"] * 2).cast(pa.decimal128(5, 2)),
    ],
    ids=lambda array: f"{array.type} {array[0]}",
)
def test_one_model_whatever_the_type_of_its_label(read: Read, truth: pa.Array) -> None:
    """The same rows with the label in seven types: one error in four."""
    found = read({"truth": truth, "said": pa.array([1, 0, 1, 1])})
    assert found.answers == ["1", "0", "1", "1"]
    assert found.truths == ["1", "0", "1", "0"]


def test_labels_and_predictions_of_nothing_in_common(refused: Refused) -> None:
    """Text labels of a model that says numbers."""
    message = refused({"truth": ["cat", "dog"], "said": ["0", "1"]})
    assert "labels and predictions have nothing in common: --label has {'cat', 'dog'}" in message


NFC, NFD = "caf\u00e9", "cafe\u0301"


def test_letters_composed_or_not_are_the_same_label(read: Read) -> None:
    """A table whose labels and predictions are of different systems, NFC and NFD, in answers and columns of shares."""
    found = read({"truth": [NFC, "tea"] * 2, "said": [NFD, "tea"] * 2})
    assert found.answers == found.truths == [NFC, "tea"] * 2
    shares = {NFD: [0.75, 0.25], "tea": [0.25, 0.75]}
    options = {"confidence": None, "prediction": None, "probabilities": (NFD, "tea")}
    found = read({"truth": [NFC, "tea"], **shares}, **options)
    assert (found.answers, found.labels) == ([NFC, "tea"], (NFC, "tea"))


def test_blanks_around_labels_are_left_out_and_told(read: Read) -> None:
    """Even where both sides have them: the wire takes none."""
    found = read({"truth": ["a ", "b"], "said": ["a ", "\u00a0b"]})
    assert found.answers == found.truths == ["a", "b"]
    assert "column 'truth' (--label) is read without the blanks around: 'a '" in "\n".join(found.notes)
    assert "column 'said' (--prediction) is read without the blanks" in "\n".join(found.notes)


@pytest.mark.parametrize("column", ["truth", "said"])
def test_names_of_answers_are_no_labels(refused: Refused, column: str) -> None:
    """A label that means "cannot tell" to the console would be lost there."""
    says = refused({"truth": ["a", "b"], "said": ["a", "b"], column: ["a", "__cannot_tell__"]})
    assert f"column '{column}'" in says
    assert "'__cannot_tell__' is what people answer who give no label; expected another name" in says


def test_letters_that_look_the_same_are_told_apart() -> None:
    """An x of Latin and one of Cyrillic are two labels; the warning shows which is which."""
    found = matched({"x", "y", "z"}, {"\u0445", "y", "w"})
    assert found.rewritten == {}
    assert "warning: --label has {'x'} where the predictions have {'\\u0445'}" in found.note
    with pytest.raises(WrongTable, match=r"--label has \{'x', 'z'\}, the predictions are \{'w', '\\u0445'\}"):
        matched({"x", "z"}, {"\u0445", "w"})
