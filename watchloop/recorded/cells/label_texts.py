"""Cells of labels, predictions and slices as text: a text stays as it is written, a number loses what says nothing."""

from __future__ import annotations

import decimal
import math
from typing import Any, Final

import pyarrow as pa
from pyarrow import types

from schemas.texts.labels import RESERVED, composed, label_problem
from schemas.wire.prediction import label_text
from watchloop.errors import WrongTable
from watchloop.recorded.cells.digits import WHOLE_DIGITS_MAX, first_coarse, first_coarse_text
from watchloop.recorded.cells.plain_columns import is_time_type, time_texts, without_dictionary
from watchloop.recorded.cells.texts import NULL_WORDS, is_text, numbers_of
from watchloop.recorded.words import listed, quoted

__all__ = ["label_of", "label_texts", "labels_read", "slice_texts"]

SHOWN_MAX: Final = 6

EVERY_DIGIT: Final = decimal.Context(prec=WHOLE_DIGITS_MAX)
"""The usual context rounds to 28 digits, which would make one label of two."""


def label_of(value: Any) -> str | None:
    """A cell as a label: 1, 1.0 and Decimal("1.00") are the label 1, letters ``composed``; None where it says nothing.

    >>> [label_of(value) for value in (1.0, True, "007", 0.5, float("nan"), " ", decimal.Decimal("1.50"))]
    ['1', 'true', '007', '0.5', None, None, '1.5']
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float | decimal.Decimal) and not math.isfinite(value):
        return None
    if isinstance(value, decimal.Decimal):
        return format(value.normalize(EVERY_DIGIT), "f")
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**63 else repr(value)
    return composed(label_text(value)) if isinstance(value, str | int | bool) else str(value)


def label_texts(column: Any, name: str, option: str) -> list[str | None]:
    """A column as labels; None where a cell is empty. Raises WrongTable for a column that holds no labels.

    Among texts that are all numbers, words such as NaN are empty; among other texts they are texts.
    """
    found = without_dictionary(column)
    kind = found.type
    if not _may_be_labels(kind):
        raise WrongTable(
            f"column {quoted(name)} ({option}) holds {str(kind)[:60]}; expected texts, numbers or truth values"
        )
    if is_time_type(kind):
        found = time_texts(found)  # Python knows no years beyond 9999
    codes = found.combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    words = [label_of(value) for value in codes.dictionary.to_pylist()]
    if is_text(kind) and any(_is_null_word(word) for word in words) and numbers_of(found) is not None:
        words = [None if _is_null_word(word) else word for word in words]
    return [None if code is None else words[code] for code in codes.indices.to_pylist()]


def labels_read(column: Any, name: str, option: str, notes: list[str]) -> list[str | None]:
    """A column of labels as the wire takes them, without blanks around; ``notes`` tells of those that had some.

    Raises WrongTable for a column that holds no labels, or a name of people's answers, or doubles that do not tell
    large whole numbers apart.
    """
    labels = _texts_of(column, name, option, notes)
    wrong = next((label for label in sorted(RESERVED) if label in labels), None)
    if wrong is not None:
        raise WrongTable(f"column {quoted(name)} ({option}): {label_problem(wrong)}")
    return labels


def slice_texts(column: Any, name: str, notes: list[str]) -> list[str | None]:
    """A column of slices, read as labels are."""
    return _texts_of(column, name, "--slices", notes)


def _texts_of(column: Any, name: str, option: str, notes: list[str]) -> list[str | None]:
    coarse = first_coarse(column)
    if coarse is not None:
        raise _coarse(f"{coarse:.0f}", name, option)
    labels = label_texts(column, name, option)
    text = first_coarse_text(label for label in dict.fromkeys(labels) if label is not None)
    if text is not None:
        raise _coarse(quoted(text), name, option)
    return _without_blanks(labels, name, option, notes)


def _coarse(value: str, name: str, option: str) -> WrongTable:
    return WrongTable(
        f"column {quoted(name)} ({option}) holds {value} as a number with a point, which has no room for all"
        " the digits of whole numbers of that size: two of them may have become one; write whole numbers, or texts"
    )


def _without_blanks(labels: list[str | None], name: str, option: str, notes: list[str]) -> list[str | None]:
    names = {label: label.strip() for label in set(labels) if label is not None}
    padded = sorted(label for label, short in names.items() if label != short)
    if not padded:
        return labels
    notes.append(
        f"column {quoted(name)} ({option}) is read without the blanks around:"
        f" {listed(map(quoted, padded), most=SHOWN_MAX)}"
    )
    return [None if label is None else names[label] for label in labels]


def _is_null_word(word: str | None) -> bool:
    return word is not None and word.strip().lower() in NULL_WORDS


def _may_be_labels(kind: Any) -> bool:
    return bool(
        is_text(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
        or is_time_type(kind)
    )
