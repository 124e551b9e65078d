"""Labels and predictions that are written otherwise: matched by a stated rule, told, or refused with both sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchloop.errors import WrongTable
from watchloop.recorded.cells.spellings import matched
from watchloop.recorded.columns import Columns
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.training import train_first

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


SPELLINGS = st.sets(st.one_of(st.text(max_size=6), st.text(st.sampled_from("01.+yYnNesEStTrRuU"), max_size=4)))


@given(SPELLINGS.filter(bool), SPELLINGS.filter(bool))
def test_no_two_labels_become_one_unless_the_other_side_has_them_as_one(truths: set[str], answers: set[str]) -> None:
    """Whatever the spellings: what is made another becomes one of the other side, and what both sides have stays."""
    try:
        found = matched(truths, answers)
    except WrongTable:
        return
    both = truths & answers
    assert not both & (found.rewritten.keys() | found.answers.keys())
    assert set(found.rewritten.values()) <= answers
    true = {found.rewritten.get(text, text) for text in truths}
    said = {found.answers.get(text, text) for text in answers}
    assert set(found.answers.values()) <= true & said
    kept = Counter(found.rewritten.get(text, text) for text in truths)
    assert {text for text, count in kept.items() if count > 1} <= said


@pytest.mark.parametrize(
    ("kept", "second", "rule"),
    [
        ({"yes", "no"}, {"Yes": "yes"}, "without regard to upper and lower case"),
        ({"yes", "no"}, {"TRUE": "yes"}, "as truth values"),
        ({"yes", "no"}, {"y": "yes", "N": "no"}, "as truth values"),
        ({"true", "false"}, {"TRUE": "true"}, "without regard to upper and lower case"),
        ({"1", "0"}, {"1.0": "1"}, "by the value of numbers"),
        ({"1", "0"}, {"True": "1", "0.00": "0"}, "as truth values"),
        ({"1", "0"}, {"true": "1", "false": "0"}, "as truth values"),
        ({"churn", "stay", "other"}, {"Churn": "churn"}, "without regard to upper and lower case"),
        ({"a", "b"}, {" a": "a"}, "without the blanks around them"),
    ],
)
def test_a_second_spelling_on_one_side_is_the_first(kept: set[str], second: dict[str, str], rule: str) -> None:
    """Both sides have a label, and one of them writes it in another way in some rows: it is no error, and told."""
    assert matched({*kept, *second}, kept)[:2] == (second, {})
    assert matched(kept, {*kept, *second})[:2] == ({}, second)
    for found in (matched({*kept, *second}, kept), matched(kept, {*kept, *second})):
        assert rule in found.note
        assert all(f"'{text}' as '{meant}'" in found.note for text, meant in second.items())
        assert "warning" not in found.note


@pytest.mark.parametrize(
    ("truths", "answers", "rewritten"),
    [
        ({"yes", "no", "Yes"}, {"yes", "no", "No"}, ({"Yes": "yes"}, {"No": "no"})),
        ({"yes", "no", "Yes", "rarely"}, {"yes", "no", "never"}, ({"Yes": "yes"}, {})),
        ({"1", "0", "True"}, {"1.0", "0.0"}, ({"1": "1.0", "0": "0.0", "True": "1.0"}, {})),
        ({"yes", "NO"}, {"yes", "no", "Yes"}, ({"NO": "no"}, {"Yes": "yes"})),
    ],
)
def test_second_spellings_beside_others(
    truths: set[str], answers: set[str], rewritten: tuple[dict[str, str], dict[str, str]]
) -> None:
    """Both sides have one, of different labels; or something else is left over; or all labels are matched too."""
    assert matched(truths, answers)[:2] == rewritten


@pytest.mark.parametrize(
    ("truths", "answers", "shown"),
    [
        ({"1", "0", "01"}, {"1", "0"}, ("'01'", "'1'")),
        ({"churn", "\u0441hurn", "stay"}, {"churn", "stay"}, ("'\\u0441hurn'", "'churn'")),
        ({"a", "A", "q"}, {"a", "A", "q", "Q"}, ("'q'", "'Q'")),
        ({"yes", "no", "maybe", "True"}, {"yes", "no", "maybe"}, ("'True'", "'yes'")),
        ({"yes", "no", "YES"}, {"yes", "no", "Yes"}, ("'YES'", "'Yes'")),
    ],
)
def test_what_may_be_a_second_spelling_is_warned_of(
    truths: set[str], answers: set[str], shown: tuple[str, str]
) -> None:
    """Leading zeros, letters that look the same, and rules that would make one of two labels: nothing is decided."""
    for one, other in ((truths, answers), (answers, truths)):
        found = matched(one, other)
        assert (found.rewritten, found.answers) == ({}, {})
        assert found.note.count("the accuracy is too low if they mean the same") == 1
        assert all(text in found.note for text in shown)


@pytest.mark.parametrize(
    ("truths", "answers"), [({"a", "b", "c"}, {"a", "b"}), ({"Yes", "yes", "no"}, {"Yes", "yes"}), ({"0", "1"}, {"1"})]
)
def test_labels_that_one_side_lacks_are_no_spellings(truths: set[str], answers: set[str]) -> None:
    """A class that is never predicted, or never true; and two classes that differ in case on both sides."""
    assert matched(truths, answers) == matched(answers, truths) == ({}, {}, "")


def test_what_may_mean_two_labels_of_both_sides_is_refused() -> None:
    """Counted as neither it would be an error."""
    with pytest.raises(WrongTable, match=r"'YES', .* means several labels of both .* case: \{'Yes', 'yes'\}"):
        matched({"Yes", "yes", "YES"}, {"Yes", "yes"})


@pytest.mark.parametrize("messy", ["truth", "said"])
def test_a_table_with_a_second_spelling_has_the_errors_of_the_clean_one(read: Read, messy: str) -> None:
    """Some rows of either column are written otherwise: what is replayed is written in one way."""
    clean = {"truth": ["yes", "no", "yes", "no", "yes"], "said": ["yes", "yes", "yes", "no", "no"]}
    found = read({**clean, messy: ["Yes", *clean[messy][1:]]})
    assert (found.truths, found.answers, found.labels) == (clean["truth"], clean["said"], ("no", "yes"))
    assert "without regard to upper and lower case: 'Yes' as 'yes'" in found.notes[-1]


def test_a_mixed_column_of_json(read: Read) -> None:
    """Truth values and numbers in one column, beside numbers alone."""
    rows = [("true", 1), ("0", 0), ("1", 1), ("false", 1)] * 2
    text = "".join(f'{{"x": 0.5, "truth": {a}, "said": {b}, "sure": 0.9}}\n' for a, b in rows)
    found = read(text, "t.jsonl")
    assert found.truths == ["1", "0", "1", "0"] * 2
    assert found.answers == ["1", "0", "1", "1"] * 2


def test_columns_of_probabilities_are_labels_of_their_own(read: Read) -> None:
    """Two columns are two classes, however they are called; predictions in a second spelling are matched with one."""
    shares = {"yes": [0.7, 0.2, 0.6], "no": [0.3, 0.8, 0.4]}
    options = {"confidence": None, "probabilities": ("yes", "no")}
    found = read({**shares, "said": ["yes", "no", "Yes"], "truth": ["yes", "no", "yes"]}, **options)
    assert (found.answers, found.labels) == (["yes", "no", "yes"], ("yes", "no"))
    assert found.confidences == [0.7, 0.8, 0.6]
    assert "predictions are matched with the columns of --probabilities: 'Yes' as 'yes'" in found.notes
    two = {"yes": [0.5, 0.2, 0.1], "Yes": [0.2, 0.1, 0.8], "no": [0.3, 0.7, 0.1], "truth": ["yes", "no", "yes"]}
    found = read(two, confidence=None, prediction=None, probabilities=("yes", "Yes", "no"))
    assert (found.answers, found.labels) == (["yes", "no", "Yes"], ("yes", "Yes", "no"))
    assert "the accuracy is too low if they mean the same" in found.notes[-1]


def test_a_trained_model_meets_a_second_spelling_later() -> None:
    """From some day on labels are written otherwise than in the rows that it was trained on."""
    labels = ["yes", "no"] * 100
    later = [label.title() if row >= 150 else label for row, label in enumerate(labels)]
    rows = pa.table({"x": [0.1 * (row % 2) + 0.001 * row for row in range(200)]})
    for truths in (labels, later):
        table = RecordedTable("t", Columns(label="truth"), ("x",), rows, truths, list(range(200)), rows.select([]))
        found = train_first(table, share=0.3, model="m", seed=0)
        assert found.truths == labels[60:]
    assert "'No' as 'no'" in found.notes[-1]


@pytest.mark.parametrize(
    ("second", "twins"), [("Yes", "{'Yes', 'yes'}"), ("yes", ""), ("y\u0435s", "{'yes', 'y\\u0435s'}")]
)
def test_a_trained_model_is_told_of_two_spellings_that_it_learns_from(second: str, twins: str) -> None:
    """Within the rows to train on each is a class, and the answers are divided between them."""
    truths = [second if row % 6 == 0 else "yes" if row % 2 == 0 else "no" for row in range(200)]
    rows = pa.table({"x": [0.1 * (row % 2) + 0.001 * row for row in range(200)]})
    table = RecordedTable("t", Columns(label="truth"), ("x",), rows, truths, list(range(200)), rows.select([]))
    notes = "".join(train_first(table, share=0.5, model="m", seed=0).notes)
    assert ("labels to learn from may mean the same" in notes) == bool(twins)
    assert twins in notes


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
