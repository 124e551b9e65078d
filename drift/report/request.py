"""What an Evidently report compares: the reference's sample beside the newest windows', as rows.

Columns that cannot be shown as they are become categories or are left out; a note of the report names each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from drift.blocks.signals import FEATURE, number_of
from drift.settings import DriftSettings
from drift.windows.window import Window
from schemas.texts.labels import composed
from schemas.wire.base import Scalar
from schemas.wire.block import SampledRow
from schemas.wire.reference import Reference

__all__ = ["ReportRequest", "Row", "as_text", "current_rows", "reference_rows", "report_request", "unshown"]

Row = dict[str, Scalar]

BINS = 10
"""Bins of evidently's histograms."""
NAME_CHARS_MAX = 100


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare: rows keyed by signal name, which columns are numbers and which categories, and the tests."""

    report_id: str
    reference: list[Row]
    current: list[Row]
    numeric: list[str]
    categorical: list[str]
    numeric_test: str
    categorical_test: str
    notes: list[str] = []
    """A line about what the report goes without."""


def reference_rows(reference: Reference, rows_max: int) -> list[Row]:
    """The first ``rows_max`` events of the reference's sample, a row of flat columns each."""
    return [_row(row) for row in reference.sample[:rows_max]]


def current_rows(windows: Sequence[Window], rows_max: int) -> list[Row]:
    """The newest windows' samples as rows: the newest window whole, then older ones as far as there is room."""
    rows: list[Row] = []
    for window in reversed(windows):
        rows += [_row(row) for row in window.sample(rows_max - len(rows))]
        if len(rows) >= rows_max:
            break
    return rows


def report_request(
    report_id: str,
    reference: Reference,
    windows: Sequence[Window],
    settings: DriftSettings,
    signals: Iterable[str] = (),
) -> ReportRequest:
    """A request on prediction, confidence, the features among ``signals`` and the first others by name.

    A feature is numeric if the reference has it as a number; values of the other type are left empty. A column that is
    empty on either side is left out, and so are those beyond ``report_columns_max``; the notes say so.
    """
    before = reference_rows(reference, settings.report_rows_max)
    now = current_rows(windows, settings.report_rows_max)
    features = sorted({signal for signal in (*reference.numeric, *reference.categorical) if signal.startswith(FEATURE)})
    asked = [signal for signal in signals if signal.startswith(FEATURE)]
    every = list(dict.fromkeys(("prediction", "confidence", *asked, *features)))
    columns = every[: settings.report_columns_max]
    numeric = [column for column in columns if column in reference.numeric]
    categorical = [column for column in columns if column not in reference.numeric]
    before, now = _typed(before, numeric, categorical), _typed(now, numeric, categorical)
    empty = {column: _empty_where(column, before, now) for column in columns}
    filled = {column for column in columns if not empty[column]}
    return ReportRequest(
        report_id=report_id,
        reference=before,
        current=now,
        numeric=[column for column in numeric if column in filled],
        categorical=[column for column in categorical if column in filled],
        numeric_test=settings.report_numeric_test,
        categorical_test=settings.report_categorical_test,
        notes=_notes(empty, every, settings.report_columns_max),
    )


def _row(row: SampledRow) -> Row:
    features = {FEATURE + name: value for name, value in row.features.items()}
    return {"prediction": row.prediction, "confidence": row.confidence, **features}


def _typed(rows: Iterable[Row], numeric: Sequence[str], categorical: Sequence[str]) -> list[Row]:
    typed: list[Row] = []
    for row in rows:
        cells: Row = {column: number_of(row.get(column)) for column in numeric}
        cells.update((column, _text(row.get(column))) for column in categorical)
        typed.append(cells)
    return typed


def _text(value: Scalar) -> str | None:
    return composed(value) if isinstance(value, str) else None


def _empty_where(column: str, before: Sequence[Row], now: Sequence[Row]) -> str:
    """On which side a column has no value; empty where it has some on both."""
    sides = [
        side for side, rows in (("the reference", before), ("the newest windows", now)) if not _filled(rows, column)
    ]
    return " and in ".join(sides)


def _notes(empty: dict[str, str], columns: Sequence[str], columns_max: int) -> list[str]:
    notes = [f"left out: {column} (no value in the rows kept of {where})" for column, where in empty.items() if where]
    if len(columns) > columns_max:
        notes.append(f"left out: {len(columns) - columns_max} more columns (report_columns_max = {columns_max})")
    return notes


def _filled(rows: Iterable[Row], column: str) -> bool:
    return any(row[column] is not None for row in rows)


def unshown(column: str, reason: str) -> str:
    """The note about a column that is left out."""
    return f"left out: {_named(column)} ({reason})"


def as_text(request: ReportRequest) -> tuple[ReportRequest, list[str]]:
    """The request with columns of numbers that fit no histogram turned into categories, and a note about each.

    Doubles cannot hold the edges of ten bins between numbers that are large and close together, such as one identifier
    of 19 digits in all rows. Such a column has only a few different numbers.
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
        reference=_as_texts(request.reference, narrow),
        current=_as_texts(request.current, narrow),
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


def _as_texts(rows: Iterable[Row], columns: Sequence[str]) -> list[Row]:
    return [{**row, **{column: _as_text(row.get(column)) for column in columns}} for row in rows]


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)
