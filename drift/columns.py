"""A batch of predictions turned into columns once, so that everything after it is arithmetic on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from drift.settings import DriftSettings
from schemas.prediction import Prediction, confidence_of, epoch_ms, label_text

__all__ = ["FEATURE", "NUMBER_MAX", "Columns", "columns_of", "number_of"]

FEATURE = "feature."
SIGNAL_CHARS_MAX = 200
NUMBER_MAX = 1e100
"""Numbers are clipped to this size, so that sums of squares stay finite."""

Floats = npt.NDArray[np.float64]
_NUMBERS = {float, int, bool}
_features = attrgetter("features")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of n events: ``numeric`` signals (n floats, NaN where there is no number), ``text`` signals.

    A feature that comes as number and as text is in both; None in a text column means missing or a number.
    """

    times: npt.NDArray[np.int64]
    numeric: dict[str, Floats]
    text: dict[str, list[str | None]]
    names: tuple[str, ...]


def number_of(value: object) -> float | None:
    """A feature value as a clipped number, or None where it is missing or text; booleans are 0 and 1."""
    if value is None or isinstance(value, str):
        return None
    if not isinstance(value, int | float):
        return None
    return float(max(-NUMBER_MAX, min(NUMBER_MAX, value)))


def columns_of(events: Sequence[Prediction], settings: DriftSettings) -> Columns:
    """Columns of a non-empty batch."""
    times = np.array(
        [time if isinstance(time, int) else epoch_ms(time) for time in [event.time for event in events]], np.int64
    )
    confidence = [event.confidence for event in events]
    if None in confidence:
        confidence = [confidence_of(event) for event in events]
    labels: list[Any] = [event.prediction for event in events]
    if set(map(type, labels)) != {str}:
        labels = [label_text(label) for label in labels]
    numeric: dict[str, Floats] = {"confidence": np.array(confidence, np.float64)}
    text: dict[str, list[str | None]] = {"prediction": labels}
    names, columns = _feature_columns(list(map(_features, events)), settings.features_watched_max)
    for name, values in zip(names, columns, strict=True):
        numbers, texts = _split(values, settings.text_chars_max)
        if numbers is not None:
            numeric[FEATURE + name] = numbers
        if texts is not None:
            text[FEATURE + name] = texts
    return Columns(times=times, numeric=numeric, text=text, names=names)


def _feature_columns(rows: list[dict[str, Any]], names_max: int) -> tuple[tuple[str, ...], Sequence[Sequence[Any]]]:
    """Watched feature names and, for each, its values; None where a row lacks it."""
    first = rows[0]
    names = _watched(first, names_max)
    if len(set(map(len, rows))) == 1:
        columns = _same_names(rows, names, whole=len(names) == len(first))
        if columns is not None:
            return names, columns
    names = _watched(set().union(*rows), names_max)
    return names, [[row.get(name) for row in rows] for name in names]


def _same_names(rows: list[dict[str, Any]], names: tuple[str, ...], *, whole: bool) -> Sequence[Sequence[Any]] | None:
    """The fast way, for rows that all have the same names; None where they have not.

    Rows of equal size that have every name of the first have no others, if those are all it has.
    """
    if not names or not (whole or all(map(rows[0].keys().__eq__, map(dict.keys, rows)))):
        return None
    take = itemgetter(*names)
    try:
        return list(zip(*map(take, rows), strict=True)) if len(names) > 1 else [list(map(take, rows))]
    except KeyError:
        return None


def _watched(names: Any, names_max: int) -> tuple[str, ...]:
    room = SIGNAL_CHARS_MAX - len(FEATURE)
    return tuple(sorted(name for name in names if len(name) <= room)[:names_max])


def _split(values: Sequence[Any], chars_max: int) -> tuple[Floats | None, list[str | None] | None]:
    """A feature's numbers and texts, each None where it has none."""
    kinds = set(map(type, values))
    if kinds == {float} or (kinds <= _NUMBERS and int not in kinds):
        return np.array(values, np.float64).clip(-NUMBER_MAX, NUMBER_MAX), None
    if kinds == {str}:
        return None, [value[:chars_max] for value in values]
    numbers = texts = None
    if kinds & _NUMBERS:
        numbers = np.array([np.nan if (n := number_of(value)) is None else n for value in values])
    if str in kinds:
        texts = [value[:chars_max] if isinstance(value, str) else None for value in values]
    return numbers, texts
