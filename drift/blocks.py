"""Blocks: a batch of one model on one partition, summarised in runs of consecutive events."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from drift.categories import most_common, within_category_bytes
from drift.columns import INT_MAX, Columns, columns_of
from drift.numeric import numeric_summaries
from drift.settings import DriftSettings
from schemas.block import Block, CategoryCounts, SampledRow
from schemas.hashing import mixed
from schemas.prediction_columns import PredictionColumns
from schemas.reference import Reference
from schemas.wire import Scalar

__all__ = ["SAMPLE_SALT", "block_id_of", "build_blocks"]

SAMPLE_SALT = 0x626C_6F63
"""Salt of the bottom-k sample: its own, so that the sample does not depend on who was drawn for review."""

ID_CHARS_MAX = 200
VALUE_BYTES_MAX = 6 * (200 + 200)
"""A name and a text of 200 characters each, all escaped."""

Ints = npt.NDArray[np.int64]


def build_blocks(
    events: PredictionColumns,
    *,
    partition: int,
    offsets: npt.ArrayLike,
    decisions: Sequence[str],
    reference: Reference | None,
    settings: DriftSettings,
) -> list[Block]:
    """Blocks of at most ``block_events_max`` events each, in offset order.

    ``events`` are of one partition, in offset order; ``offsets`` may repeat where one message holds many
    events; ``decisions`` are the verdicts', one an event. Histograms are on the edges of ``reference``. A signal that
    no event of a run carries is absent from its block, and counts as missing where windows are made. Raises ValueError
    where the three do not have the same length.
    """
    count = len(events)
    place = np.asarray(offsets, np.int64)
    if not len(place) == len(decisions) == count:
        raise ValueError(f"{count} events with {len(place)} offsets and {len(decisions)} decisions: one each is needed")
    if count == 0:
        return []
    columns = columns_of(events, settings)
    starts = np.arange(0, count, settings.block_events_max)
    bounds = [*starts.tolist(), count]
    numeric = numeric_summaries(columns.numeric, columns.numbers, settings.block_events_max, reference)
    samples = _samples(events, columns, bounds, reference, settings)
    times_min = np.minimum.reduceat(events.times_ms, starts).tolist()
    times_max = np.maximum.reduceat(events.times_ms, starts).tolist()
    firsts, lasts = place[starts].tolist(), place[np.array(bounds[1:]) - 1].tolist()
    withins = (starts - np.searchsorted(place, place[starts])).tolist()
    version = "" if reference is None else reference.version
    blocks = []
    for run, (begin, end) in enumerate(pairwise(bounds)):
        blocks.append(
            Block(
                block_id=block_id_of(events.model, partition, firsts[run], withins[run]),
                model=events.model,
                reference_version=version,
                partition=partition,
                first_offset=firsts[run],
                last_offset=lasts[run],
                time_min=times_min[run],
                time_max=times_max[run],
                events=end - begin,
                numeric=numeric[run],
                categorical=_category_counts(columns, begin, end, settings),
                decisions=dict(Counter(decisions[begin:end])),
                sample=samples[run],
            )
        )
    return blocks


def block_id_of(model: str, partition: int, offset: int, within: int) -> str:
    """The same for the same place in the log; ``within`` counts the model's events in the message at ``offset``."""
    place = f"/{partition}/{offset}.{within}"
    if len(model) + len(place) > ID_CHARS_MAX:
        model = f"{model[:100]}~{hashlib.sha256(model.encode()).hexdigest()[:16]}"
    return model + place


def _category_counts(columns: Columns, begin: int, end: int, settings: DriftSettings) -> dict[str, CategoryCounts]:
    found: dict[str, CategoryCounts] = {}
    for signal, column in columns.text.items():
        counts = Counter(column[begin:end])
        absent = counts.pop(None, 0)
        if not counts:
            continue
        if absent and signal in columns.numeric:
            numbers = columns.numbers[columns.numeric.index(signal), begin:end]
            absent = int(np.isnan(numbers).sum()) - (end - begin - absent)
        named = {category: seen for category, seen in counts.items() if category is not None}
        found[signal] = most_common(CategoryCounts(counts=named, missing=absent), settings.categories_max)
    return within_category_bytes(found, settings)


def _samples(
    events: PredictionColumns,
    columns: Columns,
    bounds: list[int],
    reference: Reference | None,
    settings: DriftSettings,
) -> list[tuple[SampledRow, ...]]:
    """The rows with the smallest hashes of each run; all rows while there is no reference to make them scarce."""
    rows_max = settings.block_events_max if reference is None else settings.sample_rows_per_block
    if rows_max == 0:
        return [()] * (len(bounds) - 1)
    hashes = mixed(events.hashes, SAMPLE_SALT) >> np.uint64(1)
    chosen = _smallest(hashes, bounds, rows_max)
    places = np.concatenate(chosen)
    rows = [
        SampledRow(
            hash=hashed,
            event_id=events.event_ids[place],
            time=time,
            features=_features(events.row_features(place), columns, settings.text_chars_max),
            prediction=events.labels[place],
            confidence=confidence,
        )
        for place, hashed, time, confidence in zip(
            places.tolist(),
            hashes[places].tolist(),
            events.times_ms[places].tolist(),
            events.confidence[places].tolist(),
            strict=True,
        )
    ]
    ends = np.cumsum([len(run) for run in chosen]).tolist()
    return [_within_bytes(tuple(rows[begin:end]), len(columns.names), settings) for begin, end in pairwise([0, *ends])]


def _smallest(hashes: npt.NDArray[np.uint64], bounds: list[int], rows_max: int) -> list[Ints]:
    """Places of the ``rows_max`` smallest hashes of each run; runs of one length are sorted at once."""
    size = bounds[1] - bounds[0]
    whole = bounds[-1] // size
    rows = np.argsort(hashes[: whole * size].reshape(whole, size), axis=1, kind="stable")[:, :rows_max]
    chosen = list(rows + np.arange(0, whole * size, size)[:, None])
    if whole * size < bounds[-1]:
        chosen.append(whole * size + np.argsort(hashes[whole * size :], kind="stable")[:rows_max])
    return chosen


def _features(features: dict[str, Scalar], columns: Columns, chars_max: int) -> dict[str, Scalar]:
    """What of an event's features goes into a sample."""
    if columns.are_plain:
        return features
    return {name: _wieldy(features[name], chars_max) for name in columns.names if name in features}


def _wieldy(value: Scalar, chars_max: int) -> Scalar:
    if isinstance(value, str):
        return value[:chars_max]
    if isinstance(value, int) and abs(value) > INT_MAX:
        return 1e100 if value > 10**100 else -1e100 if value < -(10**100) else float(value)
    return value


def _within_bytes(rows: tuple[SampledRow, ...], features: int, settings: DriftSettings) -> tuple[SampledRow, ...]:
    """Rows as long as they fit in ``sample_bytes_max``; narrow rows cannot exceed it and are not measured."""
    if len(rows) * (features + 3) * VALUE_BYTES_MAX <= settings.sample_bytes_max:
        return rows
    room = settings.sample_bytes_max
    kept = []
    for row in rows:
        room -= len(msgspec.json.encode(row)) + 1
        if room < 0:
            break
        kept.append(row)
    return tuple(kept)
