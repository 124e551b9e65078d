"""Labels and predictions with different spellings: matched by a rule with a note, or refused with both sets."""

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
    """True labels take the spelling of the predictions, with a note.

    Texts that one side keeps apart are never merged.
    """
    match = matched(truths, answers)
    assert match.rewritten == rewritten
    assert bool(match.note) == bool(rewritten)


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
    """The error shows both sets; a leading zero makes another label."""
    with pytest.raises(WrongTable, match="nothing in common") as caught:
        matched(truths, answers)
    for text in truths | answers:
        assert repr(text) in str(caught.value)


def test_sets_without_end_are_cut() -> None:
    """Of a thousand labels the error shows the first few."""
    with pytest.raises(WrongTable, match=r"and 994 more") as caught:
        matched({f"{n}.5" for n in range(1_000)}, {"a\x1b[31m" * 100})
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


def test_a_prediction_that_is_no_label_is_noted() -> None:
    """If some labels are common, nothing is guessed, and a warning names those that one side alone has."""
    match = matched({"a", "b", "c"}, {"a", "b", "d"})
    assert match.rewritten == {}
    assert "'d'" in match.note
    assert "'c'" in match.note
    assert "warning: predictions that are no true label" in match.note


@pytest.mark.parametrize(
    ("truths", "answers", "shown"),
    [
        ({"007", "8"}, {"7", "8"}, ("'007'", "'7'")),
        ({"Yes", "yes"}, {"YES", "yes"}, ("'Yes'", "'YES'")),
        ({"1", "+1", "x"}, {"1.0", "01", "x"}, ("'+1'", "'1.0'")),
    ],
)
def test_what_may_mean_the_same_is_warned_of(truths: set[str], answers: set[str], shown: tuple[str, str]) -> None:
    """Labels that no rule matches are named in a warning, with what it may mean for accuracy."""
    match = matched(truths, answers)
    assert match.rewritten == {}
    warning = match.note.rpartition("warning: ")[2]
    assert all(text in warning for text in shown)
    assert "the accuracy is too low" in warning


def test_a_model_that_is_always_wrong_is_noted() -> None:
    """One different label on each side may be a model that is always wrong."""
    match = matched({"0"}, {"1"})
    assert match.rewritten == {}
    assert match.note.startswith("warning: predictions that are no true label")


SPELLINGS = st.sets(st.one_of(st.text(max_size=6), st.text(st.sampled_from("01.+yYnNesEStTrRuU"), max_size=4)))


@given(SPELLINGS.filter(bool), SPELLINGS.filter(bool))
def test_no_two_labels_become_one_unless_the_other_side_has_them_as_one(truths: set[str], answers: set[str]) -> None:
    """For any spellings: a rewritten text becomes one of the other side, and common texts stay."""
    try:
        match = matched(truths, answers)
    except WrongTable:
        return
    both = truths & answers
    assert not both & (match.rewritten.keys() | match.answers.keys())
    assert set(match.rewritten.values()) <= answers
    true = {match.rewritten.get(text, text) for text in truths}
    said = {match.answers.get(text, text) for text in answers}
    assert set(match.answers.values()) <= true & said
    kept = Counter(match.rewritten.get(text, text) for text in truths)
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
    """A second spelling of a common label, in some rows of one side, is no error, with a note."""
    assert matched({*kept, *second}, kept)[:2] == (second, {})
    assert matched(kept, {*kept, *second})[:2] == ({}, second)
    for match in (matched({*kept, *second}, kept), matched(kept, {*kept, *second})):
        assert rule in match.note
        assert all(f"'{text}' as '{meant}'" in match.note for text, meant in second.items())
        assert "warning" not in match.note


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
    """Second spellings on both sides, beside other texts, or beside labels that a rule matches."""
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
    """Leading zeros, look-alike letters, and rules that would merge two labels decide nothing."""
    for labels, others in ((truths, answers), (answers, truths)):
        match = matched(labels, others)
        assert (match.rewritten, match.answers) == ({}, {})
        assert match.note.count("the accuracy is too low if they mean the same") == 1
        assert all(text in match.note for text in shown)


@pytest.mark.parametrize(
    ("truths", "answers"), [({"a", "b", "c"}, {"a", "b"}), ({"Yes", "yes", "no"}, {"Yes", "yes"}), ({"0", "1"}, {"1"})]
)
def test_labels_that_one_side_lacks_are_no_spellings(truths: set[str], answers: set[str]) -> None:
    """No warning of a class that is never predicted or never true, or of classes that differ in case on both sides."""
    assert matched(truths, answers) == matched(answers, truths) == ({}, {}, "")


def test_what_may_mean_two_labels_of_both_sides_is_refused() -> None:
    """A text that may mean two common labels is refused, as it would count as an error."""
    with pytest.raises(WrongTable, match=r"'YES', .* means several labels of both .* case: \{'Yes', 'yes'\}"):
        matched({"Yes", "yes", "YES"}, {"Yes", "yes"})


@pytest.mark.parametrize("messy", ["truth", "said"])
def test_a_table_with_a_second_spelling_has_the_errors_of_the_clean_one(read: Read, messy: str) -> None:
    """Second spellings in both columns: what is replayed has one spelling."""
    clean = {"truth": ["yes", "no", "yes", "no", "yes"], "said": ["yes", "yes", "yes", "no", "no"]}
    source = read({**clean, messy: ["Yes", *clean[messy][1:]]})
    assert (source.truths, source.answers, source.labels) == (clean["truth"], clean["said"], ("no", "yes"))
    assert "without regard to upper and lower case: 'Yes' as 'yes'" in source.notes[-1]


def test_a_mixed_column_of_json(read: Read) -> None:
    """Labels of truth values and numbers match predictions that are numbers alone."""
    rows = [("true", 1), ("0", 0), ("1", 1), ("false", 1)] * 2
    text = "".join(f'{{"x": 0.5, "truth": {a}, "said": {b}, "sure": 0.9}}\n' for a, b in rows)
    source = read(text, "t.jsonl")
    assert source.truths == ["1", "0", "1", "0"] * 2
    assert source.answers == ["1", "0", "1", "1"] * 2


def test_columns_of_probabilities_are_labels_of_their_own(read: Read) -> None:
    """Two columns of probabilities are two classes; predictions in a second spelling are matched with one of them."""
    shares = {"yes": [0.7, 0.2, 0.6], "no": [0.3, 0.8, 0.4]}
    options = {"confidence": None, "probabilities": ("yes", "no")}
    source = read({**shares, "said": ["yes", "no", "Yes"], "truth": ["yes", "no", "yes"]}, **options)
    assert (source.answers, source.labels) == (["yes", "no", "yes"], ("yes", "no"))
    assert source.confidences == [0.7, 0.8, 0.6]
    assert "predictions are matched with the columns of --probabilities: 'Yes' as 'yes'" in source.notes
    two = {"yes": [0.5, 0.2, 0.1], "Yes": [0.2, 0.1, 0.8], "no": [0.3, 0.7, 0.1], "truth": ["yes", "no", "yes"]}
    source = read(two, confidence=None, prediction=None, probabilities=("yes", "Yes", "no"))
    assert (source.answers, source.labels) == (["yes", "no", "Yes"], ("yes", "Yes", "no"))
    assert "the accuracy is too low if they mean the same" in source.notes[-1]


def test_a_trained_model_meets_a_second_spelling_later() -> None:
    """Later labels have another spelling than the rows that the model was trained on."""
    labels = ["yes", "no"] * 100
    later = [label.title() if row >= 150 else label for row, label in enumerate(labels)]
    rows = pa.table({"x": [0.1 * (row % 2) + 0.001 * row for row in range(200)]})
    for truths in (labels, later):
        table = RecordedTable("t", Columns(label="truth"), ("x",), rows, truths, list(range(200)), rows.select([]))
        source = train_first(table, share=0.3, model="m", seed=0)
        assert source.truths == labels[60:]
    assert "'No' as 'no'" in source.notes[-1]


@pytest.mark.parametrize(
    ("second", "twins"), [("Yes", "{'Yes', 'yes'}"), ("yes", ""), ("y\u0435s", "{'yes', 'y\\u0435s'}")]
)
def test_two_spellings_to_learn_from_have_a_warning(second: str, twins: str) -> None:
    """Two spellings in the rows to train on are two classes, and a warning names them."""
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
    """The same rows with labels of seven types have one error in four."""
    source = read({"truth": truth, "said": pa.array([1, 0, 1, 1])})
    assert source.answers == ["1", "0", "1", "1"]
    assert source.truths == ["1", "0", "1", "0"]


def test_labels_and_predictions_of_nothing_in_common(refused: Refused) -> None:
    """Text labels, beside a model that predicts numbers."""
    message = refused({"truth": ["cat", "dog"], "said": ["0", "1"]})
    assert "labels and predictions have nothing in common: --label has {'cat', 'dog'}" in message


NFC, NFD = "caf\u00e9", "cafe\u0301"


def test_letters_composed_or_not_are_the_same_label(read: Read) -> None:
    """Labels in NFC and predictions in NFD, as answers and as columns of probabilities, are the same labels."""
    source = read({"truth": [NFC, "tea"] * 2, "said": [NFD, "tea"] * 2})
    assert source.answers == source.truths == [NFC, "tea"] * 2
    shares = {NFD: [0.75, 0.25], "tea": [0.25, 0.75]}
    options = {"confidence": None, "prediction": None, "probabilities": (NFD, "tea")}
    source = read({"truth": [NFC, "tea"], **shares}, **options)
    assert (source.answers, source.labels) == ([NFC, "tea"], (NFC, "tea"))


def test_blanks_around_labels_are_left_out_with_a_note(read: Read) -> None:
    """Blanks around labels are left out even if both sides have them."""
    source = read({"truth": ["a ", "b"], "said": ["a ", "\u00a0b"]})
    assert source.answers == source.truths == ["a", "b"]
    assert "column 'truth' (--label) is read without the blanks around: 'a '" in "\n".join(source.notes)
    assert "column 'said' (--prediction) is read without the blanks" in "\n".join(source.notes)


@pytest.mark.parametrize("column", ["truth", "said"])
def test_names_of_answers_are_no_labels(refused: Refused, column: str) -> None:
    """Labels that the console reserves for people's answers are refused."""
    says = refused({"truth": ["a", "b"], "said": ["a", "b"], column: ["a", "__cannot_tell__"]})
    assert f"column '{column}'" in says
    assert "'__cannot_tell__' is reserved for people who give no label; expected another name" in says


def test_letters_that_look_the_same_are_told_apart() -> None:
    """A Latin and a Cyrillic x are two labels; the warning shows which is which."""
    match = matched({"x", "y", "z"}, {"\u0445", "y", "w"})
    assert match.rewritten == {}
    assert "warning: --label has {'x'} where the predictions have {'\\u0445'}" in match.note
    with pytest.raises(WrongTable, match=r"--label has \{'x', 'z'\}, the predictions are \{'w', '\\u0445'\}"):
        matched({"x", "z"}, {"\u0445", "w"})
