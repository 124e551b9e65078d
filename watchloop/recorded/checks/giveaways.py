"""Features that give the true label away: a rule of one feature predicts it almost without errors."""

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
"""At most so many rows of each half are read, evenly spread."""

HALF_ROWS_MIN: Final = 50
OTHERS_MIN: Final = 10
"""Rows of each half whose label is not the most frequent one: fewer can be predicted by chance."""

INTERVAL_ROWS: Final = 5
REDUCTION_MIN: Final = 0.95
"""A feature gives the label away if it avoids this share of the errors of guessing the most frequent label."""

REDUCTION_RARE_MIN: Final = 0.7
ACCURACY_RARE_MIN: Final = 0.99
"""It also does if it avoids the smaller share and has this accuracy: guessing makes few errors on a rare label, so that
a few errors in a copy of it are a large share of them."""

SHOWN_MAX: Final = 5

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Giveaway(NamedTuple):
    """A feature that gives the label away; accuracies of its best rule and of guessing, in the later half of rows."""

    name: str
    accuracy: float
    guessing: float


class _Halves(NamedTuple):
    """The labels of the earlier and the later half, as numbers, and the numbers of their rows."""

    early: Ints
    late: Ints
    rows: Ints

    def accuracy(self, answers: Ints) -> float:
        return float((answers == self.late).mean())


def giveaways(
    features: Any, truths: Sequence[str], *, answers: Sequence[str] | None = None, times_ms: Sequence[int] | None = None
) -> list[Giveaway]:
    """The plain features (``plain_features``) that give the true labels away, the most accurate one first.

    Rows are in order of time. A rule of one feature (a label for each of its values, or for each interval of five rows)
    is learned from the earlier half of the rows and judged in the later half, so that an id predicts nothing. A feature
    that predicts the model's own ``answers`` better than the truth comes from the model and is left out. With the
    rows' ``times_ms`` a feature that is a date is also judged by its distance from them.

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
    leaks = []
    for name in spread.column_names:
        cells = list(_cells_of(spread.column(name), times))
        accuracy = _best(cells, halves, guessing)
        if _is_giveaway(accuracy, guessing) and not (own is not None and _best(cells, own, 0.0) > accuracy):
            leaks.append(Giveaway(name, round(accuracy, 4), round(guessing, 4)))
    return sorted(leaks, key=lambda leak: -leak.accuracy)


def warnings_of(leaks: Sequence[Giveaway]) -> list[str]:
    """A line for each of the first few, and one that counts the others.

    >>> warnings_of([Giveaway("code", 1.0, 0.525)])[0].partition(";")[0]
    "warning: feature 'code' gives the true label away: alone it predicts 100.0 % of the later half (guessing: 52.5 %)"
    """
    lines = [
        f"warning: feature {quoted(leak.name)} gives the true label away: alone it predicts"
        f" {100 * leak.accuracy:.1f} % of the later half (guessing: {100 * leak.guessing:.1f} %);"
        " if it is known only after the event, leave it out with --drop"
        for leak in leaks[:SHOWN_MAX]
    ]
    more = len(leaks) - SHOWN_MAX
    if more > 0:
        lines.append(f"warning: {more} more feature{'s give' if more > 1 else ' gives'} the true label away")
    return lines


def _is_giveaway(accuracy: float, guessing: float) -> bool:
    reduction = 1.0 - (1.0 - accuracy) / (1.0 - guessing)
    return reduction >= REDUCTION_MIN or (reduction >= REDUCTION_RARE_MIN and accuracy >= ACCURACY_RARE_MIN)


def _halves_of(labels: Sequence[str], *, rows: Ints | None = None) -> _Halves | None:
    """Both halves, or None where one has too few different labels; given ``rows`` are taken without that check."""
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
    """Each way to read a feature as numbers (NaN where it is missing), and whether these are codes of its values."""
    if types.is_null(column.type):
        return
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    yield np.nan_to_num(codes.indices.to_numpy(zero_copy_only=False).astype(np.float64), nan=-1.0), True
    numbers, meaning = numbers_of_feature(column)
    if meaning == "many codes":  # each text is rare: only whether there is one can predict
        yield np.isnan(numbers).astype(np.float64), True
    elif meaning != "few codes":
        yield numbers, False
    if meaning == "time" and times_ms is not None:
        yield numbers / 1000.0 - times_ms, False


def _best(cells: Sequence[tuple[Floats, bool]], halves: _Halves, least: float) -> float:
    """The accuracy of the best rule in the later half, at least ``least``."""
    size = len(halves.early)
    best = least
    for numbers, is_code in cells:
        early, late = numbers[:size], numbers[size:]
        answers = _by_table(early, late, halves.early) if is_code else _by_intervals(early, late, halves.early)
        best = max(best, halves.accuracy(answers))
    return best


def _by_table(early: Floats, late: Floats, labels: Ints) -> Ints:
    """The most frequent label of each value; for a new value, the most frequent label of all."""
    values, codes = np.unique(early, return_inverse=True)
    classes = int(labels.max()) + 1
    pairs, counts = np.unique(codes * classes + labels, return_counts=True)
    order = np.lexsort((counts, pairs // classes))
    last = np.flatnonzero(np.diff(pairs[order] // classes, append=len(values)))
    most = pairs[order][last] % classes
    at = np.clip(np.searchsorted(values, late), 0, len(values) - 1)
    answers: Ints = np.where(values[at] == late, most[at], np.bincount(labels).argmax())
    return answers


def _by_intervals(early: Floats, late: Floats, labels: Ints) -> Ints:
    """The most frequent label of each interval; every interval holds about as many of the early rows."""
    known = early[~np.isnan(early)]
    if not len(known):
        return np.full(len(late), np.bincount(labels).argmax())
    edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, max(2, len(known) // INTERVAL_ROWS) + 1)))
    inner = edges[1:]  # an interval includes its end: a value that many rows share ends one
    return _by_table(_interval_of(early, inner), _interval_of(late, inner), labels)


def _interval_of(numbers: Floats, edges: Floats) -> Floats:
    """The index of each number's interval; -1 where the number is missing."""
    return np.where(np.isnan(numbers), -1.0, np.searchsorted(edges[:-1], numbers))
