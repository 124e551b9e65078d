"""Samples: of each run the events with the smallest hashes of their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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

__all__ = ["Sampled", "cut_value", "sampled_rows", "samples"]

SAMPLE_SALT = 0x626C_6F63
"""Salt of the bottom-k sample: its own, so that the sample does not depend on who was drawn for review."""

ROW_BYTES_MAX = 1_200 + 1_200 + 200
"""An event id and a prediction of 200 characters each, all escaped, and the numbers and names beside them."""

NO_HASH = np.uint64(2**64 - 1)
"""Sorts after all hashes, which have 63 bits."""

Hashes = npt.NDArray[np.uint64]


class Sampled(NamedTuple):
    """The sampled events of all runs, run after run: their indexes and hashes; ``sizes`` is how many each run has."""

    indexes: Ints
    hashes: Hashes
    sizes: Ints


def samples(
    events: PredictionColumns, signals: Signals, runs: Runs, rows_max: Sequence[int], settings: DriftSettings
) -> Sampled:
    """At most ``rows_max`` rows of each run of a model, smallest hash first, as many as fit in ``sample_bytes_max``."""
    most = np.array(rows_max)[runs.models]
    hashes = mixed(events.hashes, SAMPLE_SALT) >> np.uint64(1)
    indexes = _smallest(hashes, runs, most)
    sizes = np.minimum(runs.sizes, most)
    sampled = Sampled(indexes, hashes[indexes], sizes)
    may_be_large = sizes * (signals.row_bytes_max + ROW_BYTES_MAX) > settings.sample_bytes_max
    return _within_bytes(events, signals, sampled, may_be_large, settings) if may_be_large.any() else sampled


def _smallest(hashes: Hashes, runs: Runs, most: Ints) -> Ints:
    """Indices of the smallest hashes of each run, run after run; of equal ones the first come first."""
    within = np.arange(runs.size_max)
    room = within < runs.sizes[:, None]
    # The lowest bits of a hash are replaced by the event's index in its run, which is thus sorted along with it.
    index_bits = np.uint64((1 << runs.size_max.bit_length()) - 1)
    table = np.empty(room.shape, np.uint64)
    table.fill(NO_HASH)
    table[room] = hashes & ~index_bits
    table |= within.astype(np.uint64)
    table.sort(axis=1)
    order = (table & index_bits).astype(np.int64)
    room &= within < most[:, None]
    return (order + runs.starts[:, None])[room]


def sampled_rows(events: PredictionColumns, signals: Signals, sampled: Sampled, chars_max: int) -> list[SampledRow]:
    """The sampled events as Structs, run after run; their texts have at most ``chars_max`` characters."""
    chosen = sampled.indexes.tolist()
    features = (events.encodable_features if signals.are_plain else _cut_features(events, signals, chars_max))(chosen)
    return [
        SampledRow(
            hash=hashed,
            event_id=event_id,
            time=time,
            features=shown,
            prediction=label or "",
            confidence=confidence,
        )
        for event_id, label, hashed, time, shown, confidence in zip(
            events.event_ids.at(sampled.indexes),
            events.labels.at(sampled.indexes),
            sampled.hashes.tolist(),
            events.times_ms[sampled.indexes].tolist(),
            features,
            events.confidence[sampled.indexes].tolist(),
            strict=True,
        )
    ]


def _cut_features(
    events: PredictionColumns, signals: Signals, chars_max: int
) -> Callable[[Sequence[int]], Sequence[dict[str, Scalar]]]:
    """A function from indices of events to their watched features, cut to what a sample may hold."""

    def features_of(index: int) -> dict[str, Scalar]:
        features = events.row_features(index)
        return {name: cut_value(features[name], chars_max) for name in signals.names if name in features}

    return lambda indices: list(map(features_of, indices))


def cut_value(value: Scalar, chars_max: int) -> Scalar:
    """A feature's value as a sample may hold it."""
    if isinstance(value, str):
        return composed(value)[:chars_max]
    if isinstance(value, int) and abs(value) > INT_MAX:
        return 1e100 if value > 10**100 else -1e100 if value < -(10**100) else float(value)
    return value


def _within_bytes(
    events: PredictionColumns,
    signals: Signals,
    sampled: Sampled,
    may_be_large: npt.NDArray[np.bool_],
    settings: DriftSettings,
) -> Sampled:
    """The sample without the rows that are too many as JSON: in each run those with the largest hashes."""
    is_measured = may_be_large.repeat(sampled.sizes)
    some = Sampled(sampled.indexes[is_measured], sampled.hashes[is_measured], sampled.sizes[may_be_large])
    rows = sampled_rows(events, signals, some, settings.text_chars_max)
    lengths = np.fromiter((len(msgspec.json.encode(row)) + 1 for row in rows), np.int64, len(rows))
    sizes = sampled.sizes.copy()
    cuts = np.split(lengths, some.sizes.cumsum()[:-1])
    sizes[may_be_large] = [own.cumsum().searchsorted(settings.sample_bytes_max, side="right") for own in cuts]
    within = np.arange(len(sampled.indexes)) - (sampled.sizes.cumsum() - sampled.sizes).repeat(sampled.sizes)
    is_kept = within < sizes.repeat(sampled.sizes)
    return Sampled(sampled.indexes[is_kept], sampled.hashes[is_kept], sizes)
