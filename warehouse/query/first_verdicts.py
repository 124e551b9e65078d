"""Sums over the first verdict of each event; further verdicts of an event that came again do not count."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from warehouse.query.lookups import Ask

__all__ = ["FIRST_OF_ANSWERED", "FirstVerdicts", "runs_of"]

Key = tuple[str, int]
"""A model and the number of a slice of time."""
Row = dict[str, Any]

HOUR_MS: Final = 3_600_000
WIDTHS_MS: Final = (HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS, 28 * 24 * HOUR_MS, 364 * 24 * HOUR_MS)
SLICES_MAX: Final = 20_000
"""Slices of time, of all models, whose sums are remembered; if there are more, slices are made wider, up to a year.
Each model has at least one."""
ALL: Final = 2**62
RUN_ROWS_MAX: Final = 500_000
"""Verdicts that are sorted at once, unless one slice has more. Events with several times are searched for in parts of
so many verdicts, by the hashes of their ids."""
RUNS_MAX: Final = 20
"""Questions of one refresh, unless ``RUN_ROWS_MAX`` needs more; unchanged slices are included to save some."""

SEARCHED_ROWS_MAX: Final = 10_000_000
"""Verdicts before those of a run, and as many after them, in the order of the producers' times, that are searched for
the same events under other times. An event that was sent again further away counts as another one."""

COLUMNS: Final = """model, time, event_id, decided_at, decision, inclusion_probability AS pi, audit AS is_audit,
        1 - ifNull(error_probability, uncertainty) AS g, task_id AS task, task_id != '' AS asked"""
ORDER: Final = "decided_at, _stored_at, _offset, _index"
"""Which verdict of an event is the first, as in the view ``review_outcomes``."""
FIRST_OF_ANSWERED: Final = f"""
    SELECT {COLUMNS} FROM verdicts WHERE (model, event_id) IN (SELECT model, event_id FROM answers)
    ORDER BY model, event_id, verdicts.{ORDER} LIMIT 1 BY model, event_id
"""  # noqa: S608 - a text of ours
"""The first verdict of each event that somebody answered."""

RUN: Final = (
    "time >= fromUnixTimestamp64Milli({begin:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({end:Int64}, 'UTC')"
)
SEARCHED: Final = RUN.replace("{begin:", "{search_begin:").replace("{end:", "{search_end:")
IN_PART: Final = f"{RUN} AND cityHash64(event_id) % {{parts:UInt32}} = {{part:UInt32}}"
TWICE: Final = f"""
    SELECT cityHash64(event_id) AS hash FROM verdicts
    WHERE {SEARCHED} AND hash IN (SELECT cityHash64(event_id) FROM verdicts WHERE {IN_PART})
    GROUP BY hash HAVING min(time) != max(time)
"""  # noqa: S608 - a text of ours
"""Hashes of the ids of events, in a part of a run, that were judged under several times. They take a fraction of the
memory and time of ids; that an event of another model may have the same hash does no harm."""
FIRST_OF_TWICE: Final = f"""
    SELECT model, event_id, time FROM verdicts WHERE {SEARCHED} AND cityHash64(event_id) IN ({TWICE})
    ORDER BY model, event_id, {ORDER} LIMIT 1 BY model, event_id
"""  # noqa: S608 - a text of ours
COUNT_TWICE: Final = f"SELECT count() AS events FROM ({TWICE})"  # noqa: S608 - a text of ours
MOVED: Final = f"""
    SELECT groupUniqArray(intDiv(toUnixTimestamp64Milli(time), {{width:Int64}})) AS slices
    FROM verdicts
    WHERE {SEARCHED} AND cityHash64(event_id) IN ({TWICE})
        AND (model, event_id) IN (SELECT model, event_id FROM ({FIRST_OF_TWICE}) WHERE {RUN})
"""  # noqa: S608 - a text of ours
"""All slices of events that were judged under several times, and first in the run: sums of these slices may still count
such an event."""

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
    FROM
    (
        SELECT {COLUMNS} FROM verdicts WHERE {IN_PART} AND IS_FIRST
        ORDER BY model, time, event_id, verdicts.{ORDER} LIMIT 1 BY model, time, event_id
    )
    GROUP BY model, slice
"""  # noqa: S608 - a text of ours
SUMS_OF_ALL: Final = SUMS.replace("IS_FIRST", "1")
SUMS_OF_FIRST: Final = SUMS.replace(
    "IS_FIRST", f"(cityHash64(event_id) NOT IN ({TWICE}) OR (model, event_id, time) IN ({FIRST_OF_TWICE}))"
)


class FirstVerdicts:
    """Remembers the sums of each slice of time, and asks again for those whose number of rows has changed.

    So ClickHouse holds the verdicts of a few slices at once. An event that was judged under several times counts where
    it was judged first, if at most ``SEARCHED_ROWS_MAX`` verdicts lie between.
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
        search = Search(in_slice)
        self._sums = {key: sums for key, sums in self._sums.items() if key in counts}
        moved: set[int] = set()
        for first, last in runs_of(sorted(changed), in_slice):
            asked = search.of_run(first, last, width)
            moved |= self._ask_run(ask, asked, search.parts(first, last))
        for first, last in runs_of(sorted((moved - changed) & in_slice.keys()), in_slice):
            asked = search.of_run(first, last, width)
            self._keep(asked, in_parts(ask, SUMS_OF_FIRST, asked, search.parts(first, last)))
        self._rows = counts

    def _ask_run(self, ask: Ask, asked: Mapping[str, int], parts: int) -> set[int]:
        """Keep the sums of a run; return the slices (``MOVED``) that may count events which were first judged in it."""
        if not any(row["events"] for row in in_parts(ask, COUNT_TWICE, asked, parts)):
            self._keep(asked, in_parts(ask, SUMS_OF_ALL, asked, 1))
            return set()
        moved = itertools.chain.from_iterable(row["slices"] for row in in_parts(ask, MOVED, asked, parts))
        self._keep(asked, in_parts(ask, SUMS_OF_FIRST, asked, parts))
        return set(moved)

    def _keep(self, asked: Mapping[str, int], rows: Sequence[Row]) -> None:
        """Replace the sums of the slices of a run by those of its parts."""
        by_slice: dict[Key, list[Row]] = {}
        for row in rows:
            by_slice.setdefault((str(row.pop("model")), int(row.pop("slice"))), []).append(row)
        numbers = range(asked["begin"] // asked["width"], asked["end"] // asked["width"])
        self._sums = {key: sums for key, sums in self._sums.items() if key[1] not in numbers}
        self._sums.update((key, added(parts)) for key, parts in by_slice.items())

    def _counts(self, ask: Ask) -> dict[Key, int]:
        """How many verdicts each slice has; slices are made wider while there are too many."""
        while True:
            is_widest = len(self._widths) == 1
            rows = ask(COUNTS, {"width": self._widths[0], "most": ALL if is_widest else SLICES_MAX + 1})
            if len(rows) <= SLICES_MAX or is_widest:
                return {(str(row["model"]), int(row["slice"])): int(row["rows"]) for row in rows}
            self._widths.pop(0)
            self._rows, self._sums = {}, {}


class Search:
    """Which times to search for the events of a run; ``rows`` has the number of verdicts of every slice."""

    def __init__(self, rows: Mapping[int, int]) -> None:
        self._numbers = sorted(rows)
        self._before = [0, *itertools.accumulate(rows[number] for number in self._numbers)]

    def of_run(self, first: int, last: int, width: int) -> dict[str, int]:
        """The parameters of a run's questions: its times, in epoch milliseconds, and those that are searched."""
        span = {"begin": first * width, "end": (last + 1) * width}
        return {"width": width, **span, **self.around(first, last, width)}

    def around(self, first: int, last: int, width: int) -> dict[str, int]:
        """The times from which and before which to search, at most ``SEARCHED_ROWS_MAX`` verdicts on each side.

        >>> Search({1: 9_999_999, 2: 1, 3: 5, 8: 7}).around(3, 3, width=10)
        {'search_begin': 10, 'search_end': 90}
        >>> Search({1: 9_999_999, 2: 2, 3: 5, 8: 7}).around(3, 3, width=10)
        {'search_begin': 20, 'search_end': 90}
        """
        begin, end = bisect.bisect_left(self._numbers, first), bisect.bisect_right(self._numbers, last)
        begin = bisect.bisect_left(self._before, self._before[begin] - SEARCHED_ROWS_MAX, hi=begin)
        end = bisect.bisect_right(self._before, self._before[end] + SEARCHED_ROWS_MAX, lo=end) - 1
        last = self._numbers[end - 1]
        return {"search_begin": self._numbers[begin] * width, "search_end": (last + 1) * width}

    def parts(self, first: int, last: int) -> int:
        """How many parts of ``RUN_ROWS_MAX`` verdicts a run has.

        >>> Search({1: 2, 2: 500_000, 4: 1_500_001}).parts(2, 2), Search({4: 1_500_001}).parts(4, 4)
        (1, 4)
        """
        begin, end = bisect.bisect_left(self._numbers, first), bisect.bisect_right(self._numbers, last)
        return -(-(self._before[end] - self._before[begin]) // RUN_ROWS_MAX)


def in_parts(ask: Ask, sql: str, asked: Mapping[str, int], parts: int) -> list[Row]:
    """The answers of all parts of a run."""
    return [row for part in range(parts) for row in ask(sql, {**asked, "parts": parts, "part": part})]


def added(rows: Sequence[Row]) -> Row:
    """The sums of several slices, added up; of ``inclusion_min`` the least above 0."""
    least = [row["inclusion_min"] for row in rows if row["inclusion_min"] > 0]
    return {
        name: min(least, default=0.0) if name == "inclusion_min" else sum(row[name] for row in rows) for name in rows[0]
    }


def runs_of(changed: Sequence[int], rows: Mapping[int, int]) -> list[tuple[int, int]]:
    """Few runs, each from a first to a last slice, that hold the ``changed`` ones; ``rows`` has counts of every slice.

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
