"""Features that give the true label away: what alone tells it in the later half, learned from the earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import types

from schemas.wire.prediction import LABELS_MAX
from watchloop.recorded.training import numbers_of_feature
from watchloop.recorded.words import quoted

__all__ = ["Giveaway", "giveaways", "warnings_of"]

HALF_ROWS_MAX: Final = 20_000
"""Rows of each half that are looked at, evenly spread."""

HALF_ROWS_MIN: Final = 50
OTHERS_MIN: Final = 10
"""Rows of each half whose label is not its most frequent one: with fewer, a chance is enough to tell them all."""

INTERVAL_ROWS: Final = 5
REDUCTION_MIN: Final = 0.95
"""A feature gives the answer away if, of the errors of guessing the most frequent label, it leaves out such a share,"""

REDUCTION_RARE_MIN: Final = 0.7
ACCURACY_RARE_MIN: Final = 0.99
"""or this share of them with such an accuracy: of a rare label, a copy with a few errors keeps more of its errors."""

SHOWN_MAX: Final = 5

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Giveaway(NamedTuple):
    """A feature that tells the true label: how often its best rule is right in the later half, and guessing is."""

    name: str
    accuracy: float
    guessing: float


class _Halves(NamedTuple):
    """The labels of the earlier and of the later half, as numbers, and the rows that are in them."""

    early: Ints
    late: Ints
    rows: Ints

    def accuracy(self, answers: Ints) -> float:
        return float((answers == self.late).mean())


def giveaways(
    features: Any, truths: Sequence[str], *, answers: Sequence[str] | None = None, times_ms: Sequence[int] | None = None
) -> list[Giveaway]:
    """The plain features (``plain_features``) each of which alone tells the true labels of rows in order of time.

    A rule of one feature (its values as a table, or intervals of five rows) is learned from the earlier half of the
    rows and judged in the later one, so that an id tells nothing. What tells the model's own ``answers`` better than
    the truth is the model's twin. ``times_ms`` are those of the rows: a date is also looked at by how long after them
    it is.

    >>> import random
    >>> draw = random.Random(1)
    >>> truths = [draw.choice("ab") for _ in range(400)]
    >>> rows = pa.table({"id": list(range(400)), "code": [ord(truth) for truth in truths]})
    >>> giveaways(rows, truths)
    [Giveaway(name='code', accuracy=1.0, guessing=0.525)]
    """
    halves = _halves_of(truths)
    if halves is None:
        return []
    own = None if answers is None else _halves_of(answers, rows=halves.rows)
    rows = pa.array(halves.rows)
    spread = features.take(rows)
    times = None if times_ms is None else np.asarray(times_ms, np.float64)[halves.rows]
    guessing = float(np.bincount(halves.late).max() / len(halves.late))
    found = []
    for name in spread.column_names:
        cells = list(_cells_of(spread.column(name), times))
        accuracy = _best(cells, halves, guessing)
        if _is_giveaway(accuracy, guessing) and not (own is not None and _best(cells, own, 0.0) > accuracy):
            found.append(Giveaway(name, round(accuracy, 4), round(guessing, 4)))
    return sorted(found, key=lambda one: -one.accuracy)


def warnings_of(found: Sequence[Giveaway]) -> list[str]:
    """A line for each of the first few."""
    lines = [
        f"warning: feature {quoted(one.name)} gives the true label away: alone it tells {100 * one.accuracy:.1f} % of"
        f" the later half (guessing: {100 * one.guessing:.1f} %); if it is known only after the event, leave it out"
        " with --drop"
        for one in found[:SHOWN_MAX]
    ]
    more = len(found) - SHOWN_MAX
    if more > 0:
        lines.append(f"warning: {more} more feature{'s give' if more > 1 else ' gives'} the true label away")
    return lines


def _is_giveaway(accuracy: float, guessing: float) -> bool:
    reduction = 1.0 - (1.0 - accuracy) / (1.0 - guessing)
    return reduction >= REDUCTION_MIN or (reduction >= REDUCTION_RARE_MIN and accuracy >= ACCURACY_RARE_MIN)


def _halves_of(labels: Sequence[str], *, rows: Ints | None = None) -> _Halves | None:
    """Both halves, or None where one has too little to tell; ``rows`` says which are taken, whatever they hold."""
    size = len(labels)
    known, codes = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    if len(known) > LABELS_MAX:
        return None
    if rows is not None:
        taken = codes[rows]
        return _Halves(taken[: len(rows) // 2], taken[len(rows) // 2 :], rows)
    half = min(size // 2, HALF_ROWS_MAX)
    if half < HALF_ROWS_MIN:
        return None
    early = np.linspace(0, size // 2 - 1, half).astype(np.int64)
    late = np.linspace(size // 2, size - 1, half).astype(np.int64)
    for part in (codes[early], codes[late]):
        if len(part) - np.bincount(part).max() < OTHERS_MIN:
            return None
    return _Halves(codes[early], codes[late], np.concatenate([early, late]))


def _cells_of(column: Any, times_ms: Floats | None) -> Iterator[tuple[Floats, bool]]:
    """A feature as numbers, NaN where it is missing, and whether they are codes of values: one way after the other."""
    if types.is_null(column.type):
        return
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    yield np.nan_to_num(codes.indices.to_numpy(zero_copy_only=False).astype(np.float64), nan=-1.0), True
    numbers, meaning = numbers_of_feature(column)
    if meaning == "many codes":  # too many texts to come again: what may tell is whether there is one
        yield np.isnan(numbers).astype(np.float64), True
    elif meaning != "few codes":
        yield numbers, False
    if meaning == "time" and times_ms is not None:
        yield numbers / 1000.0 - times_ms, False


def _best(cells: Sequence[tuple[Floats, bool]], halves: _Halves, least: float) -> float:
    """The accuracy of the best rule in the later half."""
    size = len(halves.early)
    best = least
    for numbers, is_code in cells:
        early, late = numbers[:size], numbers[size:]
        answers = _by_table(early, late, halves.early) if is_code else _by_intervals(early, late, halves.early)
        best = max(best, halves.accuracy(answers))
    return best


def _by_table(early: Floats, late: Floats, labels: Ints) -> Ints:
    """Each value's most frequent label; that of all for a value that is new."""
    values, places = np.unique(early, return_inverse=True)
    classes = int(labels.max()) + 1
    pairs, counts = np.unique(places * classes + labels, return_counts=True)
    order = np.lexsort((counts, pairs // classes))
    last = np.flatnonzero(np.diff(pairs[order] // classes, append=len(values)))
    most = pairs[order][last] % classes
    at = np.clip(np.searchsorted(values, late), 0, len(values) - 1)
    found: Ints = np.where(values[at] == late, most[at], np.bincount(labels).argmax())
    return found


def _by_intervals(early: Floats, late: Floats, labels: Ints) -> Ints:
    """The most frequent label of each of many intervals that hold equally many of the early rows."""
    known = early[~np.isnan(early)]
    if not len(known):
        return np.full(len(late), np.bincount(labels).argmax())
    edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, max(2, len(known) // INTERVAL_ROWS) + 1)))
    inner = edges[1:]  # an interval begins behind the end of the one before: what many rows share ends one
    return _by_table(_interval_of(early, inner), _interval_of(late, inner), labels)


def _interval_of(numbers: Floats, edges: Floats) -> Floats:
    """The number of each one's interval, the last for all beyond; -1 where it is missing."""
    return np.where(np.isnan(numbers), -1.0, np.searchsorted(edges[:-1], numbers))
