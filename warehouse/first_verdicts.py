"""Sums over the first verdict of each event: a retry that came late has a second one, which counts for nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["FIRST", "FirstVerdicts", "runs_of"]

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]
Key = tuple[str, int]
"""A model and the number of a slice of time."""
Row = dict[str, Any]

HOUR_MS: Final = 3_600_000
WIDTHS_MS: Final = (HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS, 28 * 24 * HOUR_MS, 364 * 24 * HOUR_MS)
SLICES_MAX: Final = 20_000
"""Slices of all models whose sums are remembered; where there are more, slices are made wider, up to a year. Of each
model there is one at least."""
ALL: Final = 2**62
RUN_ROWS_MAX: Final = 500_000
"""Verdicts that are sorted at once, or those of one slice where they are more."""
RUNS_MAX: Final = 20
"""Questions of one refresh, unless ``RUN_ROWS_MAX`` makes more: slices between those that changed are asked for too."""

FIRST: Final = """
    SELECT model, time, event_id, decided_at, decision, inclusion_probability AS pi, audit AS is_audit,
        1 - ifNull(error_probability, uncertainty) AS g, task_id AS task, task_id != '' AS asked
    FROM verdicts WHERE CONDITION
    ORDER BY model, time, event_id, verdicts.decided_at, _stored_at, _offset, _index
    LIMIT 1 BY model, time, event_id
"""
"""The verdict that counts of each event, out of those that meet the condition."""

COUNTS: Final = """
    SELECT model, intDiv(toUnixTimestamp64Milli(time), {width:Int64}) AS slice, count() AS rows
    FROM verdicts GROUP BY model, slice LIMIT {most:UInt64}
"""
SUMS: Final = f"""
    SELECT model, intDiv(toUnixTimestamp64Milli(time), {{width:Int64}}) AS slice,
        count() AS events, countIf(pi > 0) AS reviewable,
        countIf(decision = 'accept') AS accepted, countIf(decision = 'review') AS reviewed,
        countIf(decision = 'escalate') AS escalated, countIf(is_audit) AS audited,
        minIf(pi, pi > 0) AS inclusion_min,
        sumIf(g, pi > 0) AS total,
        sumIf(g / pi, asked AND pi > 0) AS drawn_right,
        sumIf((1 - g) / pi, asked AND pi > 0) AS drawn_wrong,
        sumIf((1 - pi) * pow(greatest(g, 1 - g) / pi, 2), asked AND pi > 0) AS drawn_variance
    FROM ({FIRST}) GROUP BY model, slice
""".replace(  # noqa: S608 - a text of ours
    "CONDITION",
    "time >= fromUnixTimestamp64Milli({begin:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({end:Int64}, 'UTC')",
)


class FirstVerdicts:
    """Remembers the sums of each slice of time, and asks again for those whose number of rows has changed.

    Verdicts are told apart by model, time and id, so that only those of some slices have to be held at once.
    """

    def __init__(self) -> None:
        self._widths = list(WIDTHS_MS)
        self._rows: dict[Key, int] = {}
        self._sums: dict[Key, Row] = {}

    def of_models(self, ask: Ask) -> list[Row]:
        """The sums of each model that has verdicts, by name."""
        self._refresh(ask)
        by_model: dict[str, list[Row]] = {}
        for (model, _), sums in self._sums.items():
            by_model.setdefault(model, []).append(sums)
        return [{"model": model, **added(by_model[model])} for model in sorted(by_model)]

    def _refresh(self, ask: Ask) -> None:
        counts = self._counts(ask)
        width = self._widths[0]
        changed = {number for (model, number), rows in counts.items() if self._rows.get((model, number)) != rows}
        in_slice: dict[int, int] = {}
        for (_, number), rows in counts.items():
            in_slice[number] = in_slice.get(number, 0) + rows
        self._sums = {key: sums for key, sums in self._sums.items() if key in counts}
        for first, last in runs_of(sorted(changed), in_slice):
            asked = {"width": width, "begin": first * width, "end": (last + 1) * width}
            for row in ask(SUMS, asked):
                key = (str(row.pop("model")), int(row.pop("slice")))
                self._sums[key] = row
        self._rows = counts

    def _counts(self, ask: Ask) -> dict[Key, int]:
        """How many verdicts each slice has; slices are made wider while there are too many."""
        while True:
            is_widest = len(self._widths) == 1
            rows = ask(COUNTS, {"width": self._widths[0], "most": ALL if is_widest else SLICES_MAX + 1})
            if len(rows) <= SLICES_MAX or is_widest:
                return {(str(row["model"]), int(row["slice"])): int(row["rows"]) for row in rows}
            self._widths.pop(0)
            self._rows, self._sums = {}, {}


def added(rows: Sequence[Row]) -> Row:
    """The sums of several slices together."""
    least = [row["inclusion_min"] for row in rows if row["inclusion_min"] > 0]
    return {
        name: min(least, default=0.0) if name == "inclusion_min" else sum(row[name] for row in rows) for name in rows[0]
    }


def runs_of(changed: Sequence[int], rows: Mapping[int, int]) -> list[tuple[int, int]]:
    """The slices to ask for, as few runs from a first to a last one; ``changed`` in order, ``rows`` of every slice.

    >>> runs_of([3, 4, 9_000], {3: 1, 4: 1, 9_000: 1}), runs_of([1, 2, 3], {1: 300_000, 2: 300_000, 3: 1})
    ([(3, 4), (9000, 9000)], [(1, 1), (2, 3)])
    """
    gap = 1
    while True:
        runs = list(_cut(changed, rows, gap))
        if len(runs) <= max(RUNS_MAX, 2 * sum(map(rows.__getitem__, changed)) // RUN_ROWS_MAX):
            return runs
        gap *= 4


def _cut(changed: Sequence[int], rows: Mapping[int, int], gap: int) -> Iterator[tuple[int, int]]:
    """Runs of slices ``gap`` apart at most, with ``RUN_ROWS_MAX`` rows at most in those that changed."""
    if not changed:
        return
    first, held = changed[0], rows[changed[0]]
    for before, number in itertools.pairwise(changed):
        if number - before > gap or held + rows[number] > RUN_ROWS_MAX:
            yield first, before
            first, held = number, 0
        held += rows[number]
    yield first, changed[-1]
