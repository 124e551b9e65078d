"""The signals of a batch: its numbers and texts as columns, within their limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drift.blocks.categories import ESCAPED_BYTES_MAX, tidied
from drift.settings import DriftSettings
from schemas.columns.feature_column import FeatureColumn
from schemas.columns.prediction_columns import PredictionColumns
from schemas.columns.texts import Texts
from schemas.wire.base import Scalar
from schemas.wire.reference import Reference

__all__ = [
    "FEATURE",
    "INT_MAX",
    "NUMBER_MAX",
    "Signals",
    "Floats",
    "blurred_in",
    "signals_of",
    "number_of",
]

FEATURE = "feature."
SIGNAL_CHARS_MAX = 200
"""Characters of a signal's name, ``feature.`` included; a feature with a longer name is not watched."""

NUMBER_MAX = 1e100
"""Numbers are clipped to this size, so that sums of squares stay finite."""

EXACT_MAX = 2.0**53
"""Doubles below this hold every whole number; this double itself may also be the next one, rounded."""

INT_MAX = 2**63 - 1
"""Larger integers are floats in a sample: readers of its JSON may have no more than 64 bits."""

NUMBER_BYTES_MAX = 32

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals of n events, as columns.

    ``numbers`` has a row of n doubles for each signal of ``numeric``, with NaN where an event has no number. ``text``
    has a column for each signal with texts, with None where an event has none. A feature that comes as number and as
    text is in both. ``names`` are the watched features, ``unwatched`` the others; ``are_plain`` says that there are no
    others and that no value needs cutting. ``largest`` is the size of the largest number of each numeric signal before
    it was clipped; ``row_bytes_max`` bounds the JSON of one event's watched features. ``remainders`` has, for signals
    with whole numbers that doubles do not hold, number less double of each event; ``inexact`` names these signals and
    those with clipped numbers.
    """

    numeric: tuple[str, ...]
    numbers: Floats
    text: dict[str, Texts]
    names: tuple[str, ...]
    unwatched: tuple[str, ...]
    are_plain: bool
    largest: Floats
    row_bytes_max: int
    remainders: dict[str, Floats]
    inexact: tuple[str, ...]


def number_of(value: object) -> float | None:
    """A feature value as a clipped number, or None where it is missing or text; booleans are 0 and 1.

    >>> number_of(True), number_of(10**400), number_of("7")
    (1.0, 1e+100, None)
    """
    if value is None or isinstance(value, str):
        return None
    if not isinstance(value, int | float):
        return None
    return float(max(-NUMBER_MAX, min(NUMBER_MAX, value)))


def signals_of(events: PredictionColumns, settings: DriftSettings, reference: Reference | None = None) -> Signals:
    """The signals of a batch; features beyond ``features_watched_max``, and with very long names, are not watched.

    Where there are too many, the features of the reference come first, then those that most events have, and of equally
    frequent ones the first by name. So neither their order nor a name that few events bring changes the choice.
    """
    numeric: dict[str, Floats] = {"confidence": events.confidence}
    text = {"prediction": tidied(events.labels)}
    names = _watched(events.features, settings.features_watched_max, reference)
    unwatched = tuple(sorted(set(events.features).difference(names))) if len(names) < len(events.features) else ()
    are_plain = not unwatched
    row_bytes_max = 0
    for name in names:
        feature = events.features[name]
        row_bytes_max += ESCAPED_BYTES_MAX * len(name) + NUMBER_BYTES_MAX
        if feature.numbers is not None:
            numeric[FEATURE + name] = feature.numbers
        if feature.texts is not None:
            text[FEATURE + name] = texts = tidied(feature.texts, settings.text_chars_max)
            are_plain = are_plain and texts is feature.texts
            row_bytes_max += ESCAPED_BYTES_MAX * max(map(len, filter(None, texts.names)), default=0)
    matrix, largest = _matrix(numeric.values(), len(events))
    rests = _remainders_of(numeric, matrix, events) if (largest >= EXACT_MAX).any() else {}
    return Signals(
        numeric=tuple(numeric),
        numbers=matrix,
        text=text,
        names=names,
        unwatched=unwatched,
        are_plain=are_plain and bool((largest < INT_MAX).all()),
        largest=largest,
        row_bytes_max=row_bytes_max,
        remainders={signal: rest for signal, rest in rests.items() if rest is not None},
        inexact=tuple(rests),
    )


def blurred_in(signals: Signals, events: PredictionColumns, start: int, stop: int) -> tuple[str, ...]:
    """Features of which numbers, from event ``start`` to before ``stop``, are equal as doubles or too large."""
    blurred = []
    for signal in signals.inexact:
        doubles = signals.numbers[signals.numeric.index(signal), start:stop]
        doubles = doubles[~np.isnan(doubles)]
        values = {
            value for value in events.features[signal.removeprefix(FEATURE)].values[start:stop] if _is_number(value)
        }
        if len(values) > len(np.unique(doubles)) or (np.abs(doubles) >= NUMBER_MAX).any():
            blurred.append(signal.removeprefix(FEATURE))
    return tuple(blurred)


def _is_number(value: Scalar) -> bool:
    return value is not None and not isinstance(value, str)


def _remainders_of(numeric: Collection[str], matrix: Floats, events: PredictionColumns) -> dict[str, Floats | None]:
    """Inexact features to number less double of each event; to None where numbers were only clipped."""
    remainders: dict[str, Floats | None] = {}
    for signal, row in zip(numeric, matrix, strict=True):
        size = float(np.fmax.reduce(np.abs(row), initial=0.0))
        if size < EXACT_MAX:
            continue
        feature = events.features[signal.removeprefix(FEATURE)]
        rest = _remainders(feature.values, row) if int in feature.types else None
        is_exact = rest is None or not rest.any()
        if not is_exact or size >= NUMBER_MAX:
            remainders[signal] = None if is_exact else rest
    return remainders


def _remainders(values: Sequence[Any], doubles: Floats) -> Floats:
    """Each whole number less its double; 0 for other values and for clipped numbers."""
    return np.array(
        [
            float(value - int(double)) if type(value) is int and abs(double) < NUMBER_MAX else 0.0
            for value, double in zip(values, doubles.tolist(), strict=True)
        ]
    )


def _matrix(columns: Collection[Floats], events: int) -> tuple[Floats, Floats]:
    """A matrix with a row of clipped numbers for each column, and the largest size in each row before clipping."""
    matrix = np.empty((len(columns), events))
    for row, numbers in zip(matrix, columns, strict=True):
        row[:] = numbers
    largest: Floats = np.maximum(
        np.fmax.reduce(matrix, axis=1, initial=0.0), -np.fmin.reduce(matrix, axis=1, initial=0.0)
    )
    if (largest > NUMBER_MAX).any():
        np.clip(matrix, -NUMBER_MAX, NUMBER_MAX, out=matrix)
    return matrix, largest


def _watched(features: Mapping[str, FeatureColumn], names_max: int, reference: Reference | None) -> tuple[str, ...]:
    chars_max = SIGNAL_CHARS_MAX - len(FEATURE)
    short = sorted(name for name in features if len(name) <= chars_max)
    if len(short) <= names_max:
        return tuple(short)
    signals = {*reference.numeric, *reference.categorical} if reference is not None else set[str]()
    known = [name for name in short if FEATURE + name in signals]
    room = max(0, names_max - sum(signal.startswith(FEATURE) for signal in signals))
    others = [name for name in short if FEATURE + name not in signals]
    others.sort(key=lambda name: -features[name].present)
    return tuple(sorted((*known[:names_max], *others[:room])))
