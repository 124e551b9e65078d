"""Columns of an Arrow table from outside, checked for what a Struct of the wire demands of its fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from pyarrow import types

from schemas.json_text.errors import MalformedError
from schemas.wire.base import NAME_CHARS_MAX

__all__ = ["CheckedColumns", "Lists", "check_columns"]

T = TypeVar("T")
Numbers = npt.NDArray[Any]

COUNT_MAX: Final = 2**63 - 1
TOO_LONG: Final = f"a text of more than {NAME_CHARS_MAX} characters"
TYPE_CHARS_MAX: Final = 200
"""Characters of a type that a reason quotes."""


def check_columns(given: Any, expected: Any) -> None:
    """Raises MalformedError if the pyarrow.Schema ``given`` lacks a column of ``expected``, or has another type for it.

    Other columns, and other fields of structs, are those of a newer writer, and may be there.
    """
    if not given.equals(expected):
        _check_fields(list(given), list(expected), "$")


def _check_fields(given: Sequence[Any], expected: Sequence[Any], path: str) -> None:
    for field in expected:
        own_path = f"{path}.{field.name}"
        same = [other.type for other in given if other.name == field.name]
        if len(same) != 1:
            raise MalformedError(f"{len(same)} columns `{field.name}`; expected one - at `{own_path}`")
        _check_type(same[0], field.type, own_path)


def _check_type(given: Any, expected: Any, path: str) -> None:
    if types.is_struct(expected) and types.is_struct(given):
        _check_fields(list(given), list(expected), path)
    elif types.is_list(expected) and types.is_list(given):
        _check_type(given.value_type, expected.value_type, f"{path}[...]")
    elif types.is_map(expected) and types.is_map(given):
        _check_type(given.key_type, expected.key_type, f"{path}[...]")
        _check_type(given.item_type, expected.item_type, f"{path}[...]")
    elif given != expected:
        raise MalformedError(f"a column of {str(given)[:TYPE_CHARS_MAX]}; expected {expected} - at `{path}`")


class Lists(NamedTuple):
    """A column of lists: ``ends`` says where the entries of each of n rows begin and end, shape (n + 1,)."""

    ends: list[int]
    entries: CheckedColumns

    def tuples(self, values: Sequence[T]) -> list[tuple[T, ...]]:
        """Values, one for each entry, as a tuple for each row."""
        return [tuple(values[begin:end]) for begin, end in pairwise(self.ends)]

    def dicts(self, keys: Sequence[str], values: Sequence[T]) -> list[dict[str, T]]:
        """Keys and values, one of each for each entry, as a dictionary for each row; of equal keys the last counts."""
        first = self.ends[0]
        pairs = zip(keys[first:], values[first:], strict=True)
        return [dict(islice(pairs, end - begin)) for begin, end in pairwise(self.ends)]


class CheckedColumns:
    """Columns of n rows by name; ``path`` is where they are in JSON. Each method raises MalformedError.

    The arrays are valid (``validate(full=True)``), have no offset, and their types were checked (``check_columns``). A
    wrong value condemns all n rows: whoever wants to know which row it is in reads them one by one.
    """

    def __init__(self, arrays: dict[str, Any], path: str = "$") -> None:
        self._arrays = arrays
        self._path = path

    @classmethod
    def of(cls, batch: Any) -> CheckedColumns:
        """The columns of a pyarrow.RecordBatch."""
        return cls(dict(zip(batch.schema.names, batch.columns, strict=True)))

    def expect(self, is_right: bool | np.bool_, name: str, problem: str) -> None:
        """Raises MalformedError with what is wrong with a column, unless it is right."""
        if not is_right:
            raise MalformedError(f"{problem} - at `{self._path}.{name}`")

    def array(self, name: str) -> Any:
        """A column without null."""
        array = self._arrays[name]
        self.expect(array.null_count == 0, name, "null")
        return array

    def numbers(self, name: str) -> Numbers:
        """A column of whole numbers, or of doubles none of which is NaN or infinite: JSON has neither."""
        numbers: Numbers = self.array(name).to_numpy()
        if numbers.dtype == np.float64:
            self.expect(bool(np.isfinite(numbers).all()), name, "NaN or an infinity")
        return numbers

    def values(self, name: str) -> list[Any]:
        """A column of numbers as Python objects."""
        values: list[Any] = self.numbers(name).tolist()
        return values

    def counts(self, name: str, largest: int = COUNT_MAX) -> list[int]:
        """A column of whole numbers from 0 to ``largest``."""
        numbers = self.array(name).to_numpy()
        if len(numbers):
            self.expect(numbers.min() >= 0, name, "a number below 0")
            self.expect(numbers.max() <= largest, name, f"a number above {largest}")
        counts: list[int] = numbers.tolist()
        return counts

    def probabilities(self, name: str) -> list[float]:
        """A column of doubles in [0, 1]."""
        numbers = self.numbers(name)
        self.expect(bool(((numbers >= 0.0) & (numbers <= 1.0)).all()), name, "a number outside [0, 1]")
        probabilities: list[float] = numbers.tolist()
        return probabilities

    def texts(self, name: str, chars_min: int = 0) -> list[str]:
        """A column of texts of at most ``NAME_CHARS_MAX`` characters."""
        array = self.array(name)
        self._check_chars(array, name, chars_min)
        texts: list[str] = array.to_pylist()
        return texts

    def coded(self, name: str, *, is_short: bool = False) -> list[str]:
        """A column of dictionary-encoded texts, of at most ``NAME_CHARS_MAX`` characters where they must be short."""
        array = self.array(name)
        codes = array.indices.to_numpy()
        texts = self.dictionary(name, codes)
        if is_short and max(map(len, texts), default=0) > NAME_CHARS_MAX:
            longest = max(len(texts[code]) for code in np.unique(codes).tolist())
            self.expect(longest <= NAME_CHARS_MAX, name, TOO_LONG)
        return list(map(texts.__getitem__, codes.tolist()))

    def dictionary(self, name: str, codes: Numbers) -> list[str]:
        """The texts that the codes of a column stand for, of which ``codes`` must not stand for null.

        Texts that no code stands for, which may be any, belong to rows that are read apart from these.
        """
        texts: list[str | None] = self.array(name).dictionary.to_pylist()
        if None in texts:
            self.expect(all(texts[code] is not None for code in np.unique(codes).tolist()), name, "null")
            return [text or "" for text in texts]
        return texts  # type: ignore[return-value]  # there is no None

    def lists(self, name: str) -> Lists:
        """A column of lists of structs."""
        array = self.array(name)
        entries = array.values
        self.expect(entries.null_count == 0, f"{name}[...]", "null")
        fields = {field.name: entries.field(number) for number, field in enumerate(entries.type)}
        return Lists(_ends(array), CheckedColumns(fields, f"{self._path}.{name}[...]"))

    def tuples(self, name: str, values_of: Callable[[CheckedColumns, str], Sequence[T]]) -> list[tuple[T, ...]]:
        """A column of lists of plain values, which ``values_of`` reads as a column of the name that it is given."""
        array = self.array(name)
        column = f"{name}[...]"
        inner = Lists(_ends(array), CheckedColumns({column: array.values}, self._path))
        return inner.tuples(values_of(inner.entries, column))

    def maps(self, name: str) -> list[dict[str, int]]:
        """A column of maps from text to whole numbers."""
        array = self.array(name)
        inner = Lists(_ends(array), CheckedColumns({"keys": array.keys, "items": array.items}, f"{self._path}.{name}"))
        is_coded = types.is_dictionary(array.type.key_type)
        keys = inner.entries.coded("keys") if is_coded else inner.entries.array("keys").to_pylist()
        return inner.dicts(keys, inner.entries.values("items"))

    def _check_chars(self, array: Any, name: str, chars_min: int) -> None:
        if len(array):
            chars = pc.utf8_length(array).to_numpy()
            self.expect(chars.min() >= chars_min, name, "an empty text")
            self.expect(chars.max() <= NAME_CHARS_MAX, name, TOO_LONG)


def _ends(array: Any) -> list[int]:
    """Where the entries of each row begin, and where the last one's end; a column without rows may have no offsets."""
    return list(array.offsets.to_numpy().tolist()) if len(array) else [0]
