"""A statement that ClickHouse refuses, as whoever wrote it reads it: what is wrong, where, and what would be right."""

from __future__ import annotations

import re
from typing import Final

from warehouse.errors import QueryRefused, one_line

__all__ = ["explained"]

HEAD: Final = re.compile(r"^Code: \d+\. DB::Exception: ")
TAIL: Final = re.compile(r"(?: \([A-Z_]+\))?(?: \(version [^)]*\([^)]*\)\))?(?: \(for url [^)]*\))?\.?$")
EXPECTED: Final = re.compile(r"\.? Expected one of: (?P<words>[^:]*?)(?=(?:: |\. \(|$))")
EXPECTED_MAX: Final = 8
"""More words than these, which could stand next, say nothing to a person."""

HINTS: Final = {
    46: "system.functions has the functions that there are",
    47: "DESCRIBE TABLE shows the columns of a table",
    60: "SHOW TABLES lists the tables and views",
    159: "ask for less at once, by WHERE or for a shorter span",
    160: "ask for less at once, by WHERE or for a shorter span",
    241: "ask for less at once, by WHERE, LIMIT or fewer groups",
    307: "ask for less at once, by WHERE, LIMIT or fewer groups",
    396: "ask for less at once, by LIMIT or for sums instead of rows",
    456: "watchloop query has no parameters: write the value in its place",
}
"""ClickHouse's codes, and what would be right where its own text does not say so."""


def explained(error: QueryRefused) -> str:
    """The refusal on one line, without what is for programs: number, name and version.

    >>> from warehouse.errors import QueryRefused
    >>> text = "Code: 60. DB::Exception: Unknown table 'nope'. (UNKNOWN_TABLE) (version 26.9 (official build))"
    >>> explained(QueryRefused(text, code=60, detail=text))
    "query: Unknown table 'nope'; SHOW TABLES lists the tables and views"
    """
    text = TAIL.sub("", HEAD.sub("", error.detail or str(error)), count=1)
    text = EXPECTED.sub(_shortened, text).strip().rstrip(".")
    hint = HINTS.get(error.code, "")
    return one_line(f"query: {text}{f'; {hint}' if hint else ''}")


def _shortened(match: re.Match[str]) -> str:
    return match.group() if match["words"].count(",") < EXPECTED_MAX else ""
