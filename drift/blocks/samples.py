"""Samples: of each run the rows with the smallest hashes of their event ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from drift.blocks.runs import Ints, Runs
from drift.blocks.signals import INT_MAX, Signals
from drift.settings import DriftSettings
from schemas.columns.prediction_columns import PredictionColumns
from schemas.hashing import mixed
from schemas.texts.labels import composed
from schemas.wire.base import Scalar
from schemas.wire.block import SampledRow

__all__ = ["samples"]

SAMPLE_SALT = 0x626C_6F63
"""Salt of the bottom-k sample: its own, so that the sample does not depend on who was drawn for review."""

ROW_BYTES_MAX = 1_200 + 1_200 + 200
"""An event id and a prediction of 200 characters each, all escaped, and the numbers and names beside them."""

NO_HASH = np.uint64(2**64 - 1)
"""Sorts after all hashes, which have 63 bits."""

Hashes = npt.NDArray[np.uint64]


def samples(
    events: PredictionColumns, signals: Signals, runs: Runs, rows_max: int, settings: DriftSettings
) -> list[tuple[SampledRow, ...]]:
    """At most ``rows_max`` rows of each run, smallest hash first, as many as fit in ``sample_bytes_max``."""
    if rows_max == 0:
        return [()] * len(runs.starts)
    hashes = mixed(events.hashes, SAMPLE_SALT) >> np.uint64(1)
    indices = _smallest(hashes, runs, rows_max)
    rows = _rows(events, signals, indices, hashes[indices], settings.text_chars_max)
    ends = np.minimum(runs.sizes, rows_max).cumsum().tolist()
    by_run = [tuple(rows[begin:end]) for begin, end in pairwise([0, *ends])]
    if min(rows_max, runs.size_max) * (signals.row_bytes_max + ROW_BYTES_MAX) <= settings.sample_bytes_max:
        return by_run
    return [_within_bytes(run, settings.sample_bytes_max) for run in by_run]


def _smallest(hashes: Hashes, runs: Runs, rows_max: int) -> Ints:
    """Indices of the ``rows_max`` smallest hashes of each run, run after run; of equal ones the first come first."""
    within = np.arange(runs.size_max)
    room = within < runs.sizes[:, None]
    # The lowest bits of a hash are replaced by the event's index in its run, which is thus sorted along with it.
    index_bits = np.uint64((1 << runs.size_max.bit_length()) - 1)
    table = np.empty(room.shape, np.uint64)
    table.fill(NO_HASH)
    table[room] = hashes & ~index_bits
    table |= within.astype(np.uint64)
    table.sort(axis=1)
    order = (table[:, :rows_max] & index_bits).astype(np.int64)
    return (order + runs.starts[:, None])[room[:, :rows_max]]


def _rows(
    events: PredictionColumns, signals: Signals, indices: Ints, hashes: Hashes, chars_max: int
) -> list[SampledRow]:
    chosen = indices.tolist()
    features = (events.encodable_features if signals.are_plain else _cut_features(events, signals, chars_max))(chosen)
    ids, labels = events.event_ids.at(indices), events.labels.at(indices)
    return [
        SampledRow(
            hash=hashed,
            event_id=event_id,
            time=time,
            features=shown,
            prediction=label,
            confidence=confidence,
        )
        for event_id, label, hashed, time, shown, confidence in zip(
            ids,
            labels,
            hashes.tolist(),
            events.times_ms[indices].tolist(),
            features,
            events.confidence[indices].tolist(),
            strict=True,
        )
    ]


def _cut_features(
    events: PredictionColumns, signals: Signals, chars_max: int
) -> Callable[[Sequence[int]], Sequence[dict[str, Scalar]]]:
    """A function from indices of events to their watched features, cut to what a sample may hold."""

    def features_of(index: int) -> dict[str, Scalar]:
        features = events.row_features(index)
        return {name: _cut_value(features[name], chars_max) for name in signals.names if name in features}

    return lambda indices: list(map(features_of, indices))


def _cut_value(value: Scalar, chars_max: int) -> Scalar:
    if isinstance(value, str):
        return composed(value)[:chars_max]
    if isinstance(value, int) and abs(value) > INT_MAX:
        return 1e100 if value > 10**100 else -1e100 if value < -(10**100) else float(value)
    return value


def _within_bytes(rows: tuple[SampledRow, ...], bytes_max: int) -> tuple[SampledRow, ...]:
    room = bytes_max
    kept = []
    for row in rows:
        room -= len(msgspec.json.encode(row)) + 1
        if room < 0:
            break
        kept.append(row)
    return tuple(kept)
