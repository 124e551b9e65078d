"""Tallies: how often each text of some columns occurs in each run, all columns at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from drift.blocks.runs import Ints, Runs
from schemas.columns.texts import Texts

__all__ = ["Tally", "tally"]

CELLS_PER_CODE_MAX = 4
"""A table with more cells than so many for each event and column is not worth its memory: cells are sorted instead."""


class Tally(NamedTuple):
    """Counts of the texts of c columns in r runs.

    An entry is a text that occurs in a run: ``texts`` is its index among the names of all columns, ``counts`` how often
    it occurs. Entries stand run after run, in a run column after column, in a column by first occurrence. ``sizes``, of
    shape (r, c), is the number of entries of each; ``absent``, (r, c), counts the events without a text.
    """

    names: Sequence[str | None]
    texts: Ints
    counts: Ints
    sizes: Ints
    absent: Ints


def tally(columns: Sequence[Texts], runs: Runs) -> Tally:
    """The counts of each column in each run."""
    width = len(columns)
    begins = np.array(list(accumulate((len(column.names) for column in columns), initial=0)))
    names = [name for column in columns for name in column.names]
    # A cell for each run and name: the names of all columns beside each other.
    cells = np.concatenate([column.codes + begin for column, begin in zip(columns, begins, strict=False)])
    events = len(runs.of_events)
    cells = (cells.reshape(width, events) + runs.of_events * len(names)).ravel()
    met, counts, first = _counted(cells, len(names) * len(runs.starts))
    of_runs, texts = np.divmod(met, len(names))
    groups = of_runs * width + (begins[1:].searchsorted(texts, side="right"))
    order = np.lexsort((first, groups))
    groups, texts, counts = groups[order], texts[order], counts[order]
    shape = (len(runs.starts), width)
    is_none = np.array([name is None for name in names])[texts]
    absent = np.bincount(groups[is_none], counts[is_none], minlength=shape[0] * width).astype(np.int64)
    is_text = ~is_none
    sizes = np.bincount(groups[is_text], minlength=shape[0] * width)
    return Tally(names, texts[is_text], counts[is_text], sizes.reshape(shape), absent.reshape(shape))


def _counted(cells: Ints, cells_max: int) -> tuple[Ints, Ints, Ints]:
    """The cells that occur, how often each does, and where first."""
    if cells_max > CELLS_PER_CODE_MAX * len(cells):
        met, first, counts = np.unique(cells, return_index=True, return_counts=True)
        return met, counts, first
    table = np.bincount(cells, minlength=cells_max)
    met = table.nonzero()[0]
    first = np.empty(cells_max, np.int64)
    first[cells[::-1]] = np.arange(len(cells) - 1, -1, -1)  # of several assignments to one cell the last one stays
    return met, table[met], first[met]
