"""Labels, predictions and slices as text: texts stay as they are written, 1.0 and 1.00 become 1."""

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
"""The default context rounds to 28 digits, which could turn two labels into one."""


def label_of(value: Any) -> str | None:
    """A cell as a label: 1, 1.0 and Decimal("1.00") are the label 1, letters are ``composed``; None for an empty cell.

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
    """A column as labels; None where a cell is empty. Raises WrongTable for a column that cannot hold labels.

    A word such as NaN is an empty cell where all other texts are numbers, and a label elsewhere.

    >>> [label_texts(pa.chunked_array([cells]), "y", "--label") for cells in (["1", "NaN"], ["a", "NaN"], [1.0, 0.5])]
    [['1', None], ['a', 'NaN'], ['1', '0.5']]
    """
    cells = without_dictionary(column)
    column_type = cells.type
    if not _may_be_labels(column_type):
        raise WrongTable(
            f"column {quoted(name)} ({option}) holds {str(column_type)[:60]}; expected texts, numbers or truth values"
        )
    if is_time_type(column_type):
        cells = time_texts(cells)  # Python knows no years beyond 9999
    codes = cells.combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    words = [label_of(value) for value in codes.dictionary.to_pylist()]
    if is_text(column_type) and any(_is_null_word(word) for word in words) and numbers_of(cells) is not None:
        words = [None if _is_null_word(word) else word for word in words]
    return [None if code is None else words[code] for code in codes.indices.to_pylist()]


def labels_read(column: Any, name: str, option: str, notes: list[str]) -> list[str | None]:
    """A column of labels as messages may have them, without blanks at both ends; ``notes`` lists those that had some.

    Raises WrongTable for a column that cannot hold labels, that holds a name reserved for people's answers, or that
    holds floats too large to keep whole numbers apart.
    """
    labels = _texts_of(column, name, option, notes)
    wrong = next((label for label in sorted(RESERVED) if label in labels), None)
    if wrong is not None:
        raise WrongTable(f"column {quoted(name)} ({option}): {label_problem(wrong)}")
    return labels


def slice_texts(column: Any, name: str, notes: list[str]) -> list[str | None]:
    """A column of slices, read like labels, with None where a cell is empty. Raises WrongTable."""
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


def _may_be_labels(column_type: Any) -> bool:
    return bool(
        is_text(column_type)
        or types.is_boolean(column_type)
        or types.is_integer(column_type)
        or types.is_floating(column_type)
        or types.is_decimal(column_type)
        or types.is_null(column_type)
        or is_time_type(column_type)
    )
