"""Texts of a batch: coded where few differ, counted by name in each run of events, and kept within limits.

Where few texts of a column differ, each stands for a byte, and counting bytes is arithmetic on arrays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, islice, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from drift.blocks.runs import Ints, Runs
from drift.settings import DriftSettings
from schemas.texts.labels import composed
from schemas.wire.block import CategoryCounts, NumericSummary

__all__ = [
    "CODES_MAX",
    "ESCAPED_BYTES_MAX",
    "Coded",
    "Tally",
    "TextColumn",
    "Texts",
    "category_counts",
    "most_common",
    "tallies",
    "within_category_bytes",
]

CODES_MAX = 64
"""Texts of a column that differ, at most, for it to be coded: with more, few texts of a run are the same."""

CODES_AT_ONCE_MAX = 1 << 16
"""Codes counted together: the intermediate arrays of more would not stay in the processor's cache."""

ESCAPED_BYTES_MAX = 6
"""Bytes of one character in JSON, at most."""

Texts = Sequence[str | None]


class Coded(NamedTuple):
    """A column of n texts: one byte each, an index into ``names``; the name None stands for no text."""

    names: Sequence[str | None]
    codes: bytes


class TextColumn(NamedTuple):
    """n texts, None where one is missing or a number; ``chars_max`` is the length of the longest.

    ``coded`` is None where more than CODES_MAX differ.
    """

    texts: Texts
    coded: Coded | None
    chars_max: int

    @classmethod
    def of(cls, texts: Texts) -> TextColumn:
        """The column of these texts, each ``composed``: one text in two encodings is one category."""
        known = _Codes()
        try:
            codes = bytes(map(known.__getitem__, texts))
        except _TooManyError:
            if not all(map(str.isascii, filter(None, texts))):
                texts = [text and composed(text) for text in texts]
            return cls(texts, None, max(map(len, filter(None, texts)), default=0))
        if any(text and composed(text) != text for text in known):
            return cls.of([text and composed(text) for text in texts])
        return cls(texts, Coded(tuple(known), codes), max(map(len, filter(None, known)), default=0))

    def cut(self, chars_max: int) -> TextColumn:
        """The column with each text at most ``chars_max`` long; the same object where none is longer."""
        if self.chars_max <= chars_max:
            return self
        return TextColumn.of([None if text is None else text[:chars_max] for text in self.texts])


class _TooManyError(Exception):
    """More than CODES_MAX texts differ."""


class _Codes(dict[str | None, int]):
    """Text to code; a text that is not known gets the next code."""

    def __missing__(self, text: str | None) -> int:
        code = len(self)
        if code == CODES_MAX:
            raise _TooManyError
        self[text] = code
        return code


class Tally(NamedTuple):
    """One column's counts in each run: name to count, by first occurrence; ``absent`` counts None."""

    counts: list[dict[str, int]]
    absent: list[int]


def tallies(columns: Sequence[Coded], runs: Runs) -> list[Tally]:
    """The tally of each column, in their order."""
    at_once = max(1, CODES_AT_ONCE_MAX // len(runs.of_events))
    return [
        tally for start in range(0, len(columns), at_once) for tally in _tallies(columns[start : start + at_once], runs)
    ]


def _tallies(columns: Sequence[Coded], runs: Runs) -> Iterator[Tally]:
    """Counts in a table with a cell for each column, run and name; each event of each column is in one cell."""
    width = max(len(column.names) for column in columns)
    column_cells = len(runs.starts) * width
    codes = np.frombuffer(b"".join(column.codes for column in columns), np.uint8).reshape(len(columns), -1)
    cells = runs.of_events * width + codes
    cells += np.arange(0, len(columns) * column_cells, column_cells)[:, None]
    cells = cells.ravel()
    table = np.bincount(cells, minlength=len(columns) * column_cells).reshape(len(columns), -1, width)
    absent = _taken_out(table, [column.names.index(None) if None in column.names else -1 for column in columns])
    is_met = table > 0
    met = _first_met(cells, is_met.ravel())
    names = _names_at(columns, met // column_cells, met % width)
    pairs: Iterator[tuple[Any, int]] = zip(names, table.ravel()[met].tolist(), strict=True)
    for missing, lengths in zip(absent.tolist(), np.add.reduce(is_met, axis=2, dtype=np.int64).tolist(), strict=True):
        yield Tally([dict(islice(pairs, length)) for length in lengths], missing)


def _names_at(columns: Sequence[Coded], numbers: Ints, codes: Ints) -> Iterator[str | None]:
    """The name of each code, in the column with the index of the same position in ``numbers``."""
    sizes = [len(column.names) for column in columns]
    begins = np.array([0, *accumulate(sizes[:-1])])
    names = [name for column in columns for name in column.names]
    return map(names.__getitem__, (begins[numbers] + codes).tolist())


def _taken_out(table: Ints, none_codes: list[int]) -> Ints:
    """How often each column and run has None; these counts are set to 0 in ``table``."""
    absent = np.zeros(table.shape[:2], np.int64)
    having = [column for column, code in enumerate(none_codes) if code >= 0]
    if having:
        codes = [none_codes[column] for column in having]
        absent[having] = table[having, :, codes]
        table[having, :, codes] = 0
    return absent


def _first_met(cells: Ints, is_met: npt.NDArray[np.bool_]) -> Ints:
    """The cells that hold an event, in the order of their first events."""
    first = np.empty(len(is_met), np.int64)
    first[cells[::-1]] = np.arange(len(cells) - 1, -1, -1)  # of several assignments to one cell the last one stays
    is_first = np.zeros(len(cells), np.bool_)
    is_first[first[is_met]] = True
    return cells[is_first]


def category_counts(
    columns: Mapping[str, TextColumn],
    coded: Mapping[str, Tally],
    runs: Runs,
    numeric: Sequence[Mapping[str, NumericSummary]],
    settings: DriftSettings,
) -> list[dict[str, CategoryCounts]]:
    """One dictionary for each run; a signal without any text in a run is absent there.

    ``coded`` has the tallies of the coded columns; events that ``numeric`` counts as numbers are not missing.
    """
    by_run: list[dict[str, CategoryCounts]] = [{} for _ in runs.starts]
    names = 0
    for signal, column in columns.items():
        tally = coded[signal] if signal in coded else _tally(column.texts, runs)
        longest = max(map(len, tally.counts))
        names += longest
        for kept, numbers, counts, absent in zip(by_run, numeric, tally.counts, tally.absent, strict=True):
            if counts:
                missing = absent - numbers[signal].count if signal in numbers else absent
                kept[signal] = CategoryCounts(counts=counts, missing=missing)
        if longest > settings.categories_max:
            for kept in by_run:
                if signal in kept:
                    kept[signal] = most_common(kept[signal], settings.categories_max)
    if _names_fit(names, settings):
        return by_run
    return [within_category_bytes(counts, settings) for counts in by_run]


def _tally(texts: Texts, runs: Runs) -> Tally:
    """The tally of a column that is not coded."""
    counted = [Counter(texts[begin:end]) for begin, end in pairwise([*runs.starts.tolist(), len(texts)])]
    absent = [counts.pop(None, 0) for counts in counted]
    return Tally([{name: seen for name, seen in counts.items() if name is not None} for counts in counted], absent)


def _names_fit(names: int, settings: DriftSettings) -> bool:
    """Whether so many names cannot exceed ``categories_bytes_max``."""
    return names * (settings.text_chars_max * ESCAPED_BYTES_MAX + 20) <= settings.categories_bytes_max


def most_common(counts: CategoryCounts, categories_max: int) -> CategoryCounts:
    """The same counts with at most ``categories_max`` names; of equal counts the first by name stay.

    >>> most_common(CategoryCounts(counts={"a": 1, "b": 5, "c": 1}), 2)
    CategoryCounts(counts={'b': 5, 'a': 1}, missing=0, other=1)
    """
    if len(counts.counts) <= categories_max:
        return counts
    ranked = sorted(sorted(counts.counts.items()), key=itemgetter(1), reverse=True)
    rest = sum(seen for _, seen in ranked[categories_max:])
    return CategoryCounts(counts=dict(ranked[:categories_max]), missing=counts.missing, other=counts.other + rest)


def within_category_bytes(categorical: dict[str, CategoryCounts], settings: DriftSettings) -> dict[str, CategoryCounts]:
    """All signals, in their order; once ``categories_bytes_max`` is used up, further signals keep no names.

    Counts that are too few to exceed the limit are not encoded.
    """
    if _names_fit(sum(len(counts.counts) for counts in categorical.values()), settings):
        return categorical
    room = settings.categories_bytes_max
    kept: dict[str, CategoryCounts] = {}
    for signal, counts in categorical.items():
        room -= len(msgspec.json.encode(counts))
        kept[signal] = counts if room >= 0 else most_common(counts, 0)
    return kept
