"""Tallies: how often each code occurs in each run, many columns at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drift.blocks.runs import Ints, Runs

__all__ = ["Coded", "Tally", "tallies"]

CODES_AT_ONCE_MAX = 1 << 16
"""Codes looked at together: what is computed of more would not stay in the processor's cache."""


class Coded(NamedTuple):
    """A column of n texts: a byte for each, its place in ``names``; None where there is no text."""

    names: Sequence[str | None]
    codes: bytes


class Tally(NamedTuple):
    """A column's counts in each run, by name in the order in which the run has them, and how often it has None."""

    counts: list[dict[str, int]]
    absent: list[int]


def tallies(columns: Sequence[Coded], runs: Runs) -> list[Tally]:
    """A tally of each column."""
    at_once = max(1, CODES_AT_ONCE_MAX // len(runs.of_events))
    return [
        tally for start in range(0, len(columns), at_once) for tally in _tallies(columns[start : start + at_once], runs)
    ]


def _tallies(columns: Sequence[Coded], runs: Runs) -> Iterator[Tally]:
    """A cell of the table belongs to a column, a run and a name; each event of each column is in one cell."""
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


def _names_at(columns: Sequence[Coded], places: Ints, codes: Ints) -> Iterator[str | None]:
    """The name of each code, in the column at each place."""
    sizes = [len(column.names) for column in columns]
    begins = np.array([0, *accumulate(sizes[:-1])])
    names = [name for column in columns for name in column.names]
    return map(names.__getitem__, (begins[places] + codes).tolist())


def _taken_out(table: Ints, none_codes: list[int]) -> Ints:
    """How often each column and run has None; the table then no longer counts it."""
    absent = np.zeros(table.shape[:2], np.int64)
    having = [column for column, code in enumerate(none_codes) if code >= 0]
    if having:
        codes = [none_codes[column] for column in having]
        absent[having] = table[having, :, codes]
        table[having, :, codes] = 0
    return absent


def _first_met(cells: Ints, is_met: npt.NDArray[np.bool_]) -> Ints:
    """The cells that are met, in the order in which the events come to them."""
    first = np.empty(len(is_met), np.int64)
    first[cells[::-1]] = np.arange(len(cells) - 1, -1, -1)  # of several assignments to one cell the last one stays
    is_first = np.zeros(len(cells), np.bool_)
    is_first[first[is_met]] = True
    return cells[is_first]
