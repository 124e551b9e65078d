"""Columns in whatever form they came: each says the same as the list of its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns.event_ids import EventIds
from schemas.columns.feature_column import FeatureColumn, features_of_rows
from schemas.columns.probabilities import LabelMatrix, Probabilities
from schemas.columns.texts import Texts
from schemas.hashing import id_hashes

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.none() | st.sampled_from(["", "a", "b", "\u00e9"])
MIXED = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXTS
LISTS = (
    st.lists(NUMBERS, min_size=1)
    | st.lists(TEXTS, min_size=1)
    | st.lists(st.integers(-(2**62), 2**62), min_size=1)
    | st.lists(MIXED, min_size=1)
)


def forms_of(values: list[Any]) -> list[FeatureColumn]:
    """The column of these values in every form that can hold them."""
    forms = [FeatureColumn.of(values)]
    if all(value is None or isinstance(value, float) for value in values):
        forms.append(FeatureColumn.of_numbers(np.array(values, np.float64)))
    if all(value is None or isinstance(value, str) for value in values):
        forms.append(FeatureColumn.of_texts(Texts.of(values)))
    if all(type(value) is int and abs(value) < 2**63 for value in values):
        forms.append(FeatureColumn.of_numbers(np.array(values, np.int64)))
    return forms


def as_double(value: Any) -> float:
    """A number as a double; NaN for what is no number."""
    return float("nan") if value is None or isinstance(value, str) else float(value)


def same(given_values: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Whether values and their types are equal, one by one."""
    return list(map(repr, given_values)) == list(map(repr, wanted))


@given(LISTS, st.data())
def test_a_feature_says_the_same_in_every_form(values: list[Any], data: st.DataObject) -> None:
    """Values, numbers, texts, parts and choices do not depend on how the column is held."""
    indexes = np.array(data.draw(st.lists(st.integers(0, len(values) - 1))), np.int64)
    start = data.draw(st.integers(0, len(values)))
    for column in forms_of(values):
        assert same(column.values, values)
        assert set(map(type, values)) <= column.types
        assert column.present == len(values) - values.count(None)
        numbers = [np.nan] * len(values) if column.numbers is None else column.numbers
        np.testing.assert_array_equal(numbers, list(map(as_double, values)))
        texts = [None] * len(values) if column.texts is None else column.texts.tolist()
        assert texts == [value if isinstance(value, str) else None for value in values]
        chosen = [values[index] for index in indexes.tolist()]
        assert same(column.at(indexes), chosen)
        assert same(column.take(indexes).values, chosen)
        assert same(column.slice(start, len(values)).values, values[start:])


@given(st.lists(LISTS, min_size=1, max_size=4), st.data())
def test_joined_features_are_the_whole(lists: list[list[Any]], data: st.DataObject) -> None:
    """Pieces in any forms give the values one piece after the other."""
    pieces = [data.draw(st.sampled_from(forms_of(values))) for values in lists]
    joined = FeatureColumn.joined(pieces)
    whole = [value for values in lists for value in values]
    assert same(joined.values, whole)
    assert set(map(type, whole)) <= joined.types


@given(st.lists(st.lists(TEXTS), min_size=1, max_size=4))
def test_joined_texts_have_each_name_once(lists: list[list[str | None]]) -> None:
    """However the pieces number their names, the whole has one number for each text."""
    joined = Texts.joined([Texts.of(texts) for texts in lists])
    assert joined.tolist() == [text for texts in lists for text in texts]
    assert len(set(joined.names)) == len(joined.names)
    assert set(joined.used) == {text for texts in lists for text in texts}


@given(st.lists(st.text(min_size=1), min_size=1), st.data())
def test_ids_say_the_same_as_texts_and_in_arrow(ids: list[str], data: st.DataObject) -> None:
    """Both forms give the same texts, hashes, parts and choices, and join with each other."""
    indexes = np.array(data.draw(st.lists(st.integers(0, len(ids) - 1))), np.int64)
    start = data.draw(st.integers(0, len(ids)))
    forms = [EventIds(ids), EventIds(pa.array(ids, pa.string())), EventIds(pa.array(ids, pa.large_string()))]
    for form in forms:
        assert len(form) == len(ids)
        assert form.at(indexes) == form.take(indexes).arrow.to_pylist() == [ids[index] for index in indexes.tolist()]
        assert list(form.slice(start, len(ids)).texts) == ids[start:]
        assert form.hashes.tolist() == id_hashes(ids).tolist()
    for first in forms:
        for second in forms:
            assert list(EventIds.joined([first, second]).texts) == ids + ids


ROWS = st.lists(
    st.none() | st.dictionaries(st.sampled_from("abc"), st.floats(0, 1), min_size=1), min_size=1, max_size=6
)


@given(ROWS, st.data())
def test_probabilities_say_the_same_as_dictionaries_and_in_a_matrix(
    rows: list[dict[str, float] | None], data: st.DataObject
) -> None:
    """Both forms give the same rows, labels, parts and choices."""
    matrix = np.array([[(row or {}).get(label, np.nan) for label in "abc"] for row in rows])
    indexes = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1))), np.int64)
    start = data.draw(st.integers(0, len(rows)))
    for form in (Probabilities(rows), Probabilities(LabelMatrix(("a", "b", "c"), matrix))):
        assert len(form) == len(rows)
        assert form.tolist() == rows
        assert form.labels == {label for row in rows for label in row or ()}
        assert form.at(indexes) == form.take(indexes).tolist() == [rows[index] for index in indexes.tolist()]
        assert form.slice(start, len(rows)).tolist() == rows[start:]
        joined = Probabilities.joined([None, form], [2, len(rows)])
        assert joined is not None
        assert joined.tolist() == [None, None, *rows]


class Asked(dict[str, Any]):
    """A row that may be walked through, and not asked for a name: it may not have it."""

    def get(self, *_: Any) -> Any:
        raise AssertionError("a look at a row for a name")


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([1, 2.5, "x", None, True])), max_size=9))
def test_features_of_rows_take_a_look_at_values_alone(rows: list[dict[str, Any]]) -> None:
    """Rows that share no name are no more work than others: nobody stops a worker with new names in each event."""
    columns = features_of_rows([Asked(row) for row in rows])
    assert list(columns) == list(dict.fromkeys(name for row in rows for name in row))
    for name, column in columns.items():
        assert column.values == [row.get(name) for row in rows]
        assert column.types == set(map(type, column.values))
