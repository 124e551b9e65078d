"""Columns of a report that cannot be shown as they are: what is shown instead, told in a line each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from drift.report.rows import ReportRequest, Row

__all__ = ["as_text", "unshown"]

BINS = 10
"""Bins of evidently's histograms."""
NAME_CHARS_MAX = 100


def unshown(column: str, reason: str) -> str:
    """The line about a column that is left out."""
    return f"left out: {_named(column)} ({reason})"


def as_text(request: ReportRequest) -> tuple[ReportRequest, list[str]]:
    """The request with numbers that no histogram can hold as categories, and a line about each such column.

    Where the numbers of a column are closer together than the tenth of their range can be told apart in a double, as
    where an identifier of 19 digits is the same in all rows, there are only a few different ones. What is not finite is
    empty.
    """
    narrow = []
    for column in request.numeric:
        sides = [_finite(rows, column) for rows in (request.reference, request.current)]
        if not all(map(_fits_bins, (*sides, [*sides[0], *sides[1]]))):
            narrow.append(column)
    if not narrow:
        return request, []
    notes = [
        f"shown as categories: {_named(column)} (for their size its numbers are too close together to be put into bins)"
        for column in narrow
    ]
    shown = msgspec.structs.replace(
        request,
        reference=_texts(request.reference, narrow),
        current=_texts(request.current, narrow),
        numeric=[column for column in request.numeric if column not in narrow],
        categorical=[*request.categorical, *narrow],
    )
    return shown, notes


def _named(column: str) -> str:
    """A column's name, in one line that is not too long."""
    text = " ".join(column.split())
    return text if len(text) <= NAME_CHARS_MAX else f"{text[:NAME_CHARS_MAX]}…"


def _finite(rows: Iterable[Row], column: str) -> list[float]:
    return [float(value) for row in rows if isinstance(value := row.get(column), int | float) and math.isfinite(value)]


def _fits_bins(values: Sequence[float]) -> bool:
    try:
        np.histogram(np.array(values, np.float64), bins=BINS)
    except (ValueError, OverflowError):
        return not values
    return True


def _texts(rows: Iterable[Row], columns: Sequence[str]) -> list[Row]:
    return [{**row, **{column: _text(row.get(column)) for column in columns}} for row in rows]


def _text(value: object) -> str | None:
    return None if value is None else str(value)
