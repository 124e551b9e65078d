"""The reference of a model: built from windows in their real order, and compared in time with later steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

import msgspec
import numpy as np

from drift.blocks.categories import most_common, within_category_bytes
from drift.blocks.moments import deviation, deviation_of, distance
from drift.blocks.signals import FEATURE, Floats, number_of
from drift.settings import DriftSettings
from drift.windows.constant import are_alike, rounding_of
from drift.windows.psi import category_bins, excess, presence_counts, presence_index, presence_key
from drift.windows.window import Window, merge_all
from schemas.wire.block import CategoryCounts, NumericSummary, SampledRow
from schemas.wire.reference import NumericReference, Reference

__all__ = ["build_reference", "is_past", "is_within", "next_version", "row_number"]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
EDGE_SHARE = 15 / 128
"""Share of the gap between two values that lies above the edge between them: an odd one, so that no number of a grid
lies on an edge."""

DAY_MS: Final = 86_400_000
"""An event so much later than the reference is past it, whatever its offset: the log has begun anew."""


def next_version(version: str) -> str:
    """The version after this one.

    >>> next_version(""), next_version("r1")
    ('r1', 'r2')
    """
    digits = version.removeprefix("r")
    return f"r{int(digits) + 1}" if digits.isdigit() else "r1"


def build_reference(
    steps: Sequence[Window],
    *,
    version: str,
    created_at: int,
    reason: str,
    settings: DriftSettings,
    last_offsets: Mapping[int, int] | None = None,
) -> Reference:
    """The reference of these steps (windows of about ``step_events`` events, in the order in which they were judged).

    Means and deviations are exact. Edges, quantiles and histograms come from the sampled rows, which are all rows as
    long as the blocks were made without a reference, and are scaled to the events otherwise. ``created_at`` is epoch
    milliseconds, ``time_min`` and ``time_max`` the earliest and latest ``time`` of a step, ``last_offsets`` how far
    each partition has been read. Raises ValueError without events.
    """
    whole = merge_all(chain.from_iterable(step.blocks for step in steps))
    if whole.events == 0:
        raise ValueError("a reference needs at least one block with events")
    rows = [row for block in whole.blocks for row in block.sample]
    watched = _watched(whole, settings.features_watched_max)
    numeric = {
        signal: _numeric(signal, summary, rows, steps, settings.histogram_bins)
        for signal, summary in whole.numeric.items()
        if signal in watched
    }
    named = {
        signal: most_common(counts, settings.categories_max)
        for signal, counts in whole.categorical.items()
        if signal in watched
    }
    categorical = within_category_bytes(named, settings)
    reference = Reference(
        model=whole.blocks[0].model,
        version=version,
        created_at=created_at,
        reason=reason,
        time_min=min(step.time for step in steps),
        time_max=max(step.time for step in steps),
        events=whole.events,
        numeric=numeric,
        categorical=categorical,
        psi_normal=_psi_normal(steps, numeric, categorical, whole.events, settings.window_steps),
        last_offsets=dict(sorted((last_offsets or {}).items())),
    )
    return _with_sample(reference, whole, settings)


def is_past(reference: Reference, step: Window) -> bool:
    """Whether most events of the step came after those of the reference, so that they are compared with it.

    Offsets decide, so that a reference of events whose clock ran ahead holds up nothing once the log has been read
    beyond it. Times decide where offsets cannot: between events of one message, and for a reference without
    ``last_offsets``.
    """
    is_later = step.time > reference.time_max
    if not reference.last_offsets or step.time > reference.time_max + DAY_MS:
        return is_later
    events = 0
    for block in step.blocks:
        last = reference.last_offsets.get(block.partition, -1)
        if block.last_offset > last or (is_later and block.last_offset == last):
            events += block.events
    return 2 * events > step.events


def is_within(reference: Reference, step: Window) -> bool:
    """Whether the step lies in the time of the reference; read again after a restart, it warms up the detectors."""
    return reference.time_min <= step.time <= reference.time_max


def row_number(row: SampledRow, signal: str) -> float | None:
    """The number that a sampled row has for a signal, or None."""
    if signal == "confidence":
        return row.confidence
    return number_of(row.features.get(signal.removeprefix(FEATURE)))


def _watched(whole: Window, features_max: int) -> set[str]:
    """All signals, but at most ``features_max`` features: those that most events had, then the first by name."""
    signals = {*whole.numeric, *whole.categorical}
    features = sorted(signal for signal in signals if signal.startswith(FEATURE))
    features.sort(key=lambda signal: -whole.present_share(signal))
    return signals.difference(features[features_max:])


def _numeric(
    signal: str, summary: NumericSummary, rows: Sequence[SampledRow], steps: Sequence[Window], bins: int
) -> NumericReference:
    sampled = _numbers(rows, signal)
    values = sampled if len(sampled) else np.array([summary.mean])
    edges = _edges(values, bins)
    histogram = _scaled(_counts(sampled, edges), summary.count)
    means = [distance(step.numeric[signal], summary) for step in steps if signal in step.numeric]
    low, q05, q25, q50, q75, q95, high = (float(q) for q in np.quantile(values, QUANTILES))
    return NumericReference(
        count=summary.count,
        missing=summary.missing,
        mean=summary.mean,
        sd=deviation(summary),
        block_sd=deviation_of(means),
        minimum=summary.minimum,
        maximum=summary.maximum,
        edges=edges,
        histogram=histogram,
        quantiles=(low, q05, q25, q50, q75, q95, high),
        centre=summary.centre,
        mean_offset=summary.mean_offset,
    )


def _edges(values: Floats, bins: int) -> tuple[float, ...]:
    """Edges that cut ``values`` into bins of about equal frequency, whatever their unit.

    Each edge lies a little below one of the values, by a share of the gap to the next one, so that a value is on the
    same side of it in every unit, and in 32 bits as in 64. A bin holds its lower edge; where the second of two
    different values is below the first, it holds its upper edge instead: negating a signal turns its bins around and
    moves no value into another.
    """
    low, high = float(values.min()), float(values.max())
    if are_alike(np.array([low]), np.array([high])).all():
        return low - rounding_of(low), float(np.nextafter(high + rounding_of(high), np.inf))
    others = values[values != values[0]]
    if others[0] < values[0]:
        return tuple(float(np.nextafter(-edge, np.inf)) for edge in reversed(_rising_edges(-values, bins)))
    return tuple(_rising_edges(values, bins))


def _rising_edges(values: Floats, bins: int) -> list[float]:
    """Edges that belong to the bin above; few distinct values get a bin each, and one outside on either side."""
    distinct = np.unique(values)
    distinct = distinct[np.array([True, *~are_alike(distinct[:-1], distinct[1:])])]
    gaps = np.diff(distinct)
    lowered = _lowered(distinct, np.array([gaps[0], *gaps]))
    if len(distinct) <= bins:
        top = -_lowered(-values.max(keepdims=True), gaps[-1:])
        return [*lowered.tolist(), float(np.nextafter(top[0], np.inf))]
    indices = np.sort(np.searchsorted(distinct, values, side="right")) - 1
    ranks = [math.ceil(len(indices) * edge / bins) for edge in range(1, bins)]
    return sorted(set(lowered[indices[ranks]].tolist()))


def _lowered(values: Floats, gaps: Floats) -> Floats:
    """Each value less a share of its gap, rounded up; the value itself where doubles are too coarse for that."""
    room = EDGE_SHARE * gaps
    edges = values - room
    return np.where(values - edges > room, np.nextafter(edges, np.inf), edges)


def _numbers(rows: Sequence[SampledRow], signal: str) -> Floats:
    return np.array([number for row in rows if (number := row_number(row, signal)) is not None], np.float64)


def _counts(values: Floats, edges: tuple[float, ...]) -> list[int]:
    bins = np.searchsorted(np.array(edges), values, side="right")
    counts: list[int] = np.bincount(bins, minlength=len(edges) + 1).tolist()
    return counts


def _scaled(counts: Sequence[int], total: int) -> tuple[int, ...]:
    seen = sum(counts)
    return tuple(counts) if seen in (0, total) else tuple(round(count * total / seen) for count in counts)


def _with_sample(reference: Reference, whole: Window, settings: DriftSettings) -> Reference:
    """The reference with as many rows of its sample as ``reference_bytes_max`` has room for."""
    kept: list[SampledRow] = []
    room = settings.reference_bytes_max - len(msgspec.json.encode(reference))
    for row in whole.sample(settings.reference_sample_rows_max):
        room -= len(msgspec.json.encode(row)) + 1
        if room < 0:
            break
        kept.append(row)
    return msgspec.structs.replace(reference, sample=tuple(kept))


def _psi_normal(
    steps: Sequence[Window],
    numeric: dict[str, NumericReference],
    categorical: dict[str, CategoryCounts],
    events: int,
    window_steps: int,
) -> dict[str, float]:
    """The largest index of each signal in a window of the reference; numbers are counted in its sampled rows."""
    presence = {signal: presence_counts(signal, numeric, categorical, events) for signal in (*numeric, *categorical)}
    largest = dict.fromkeys(presence, 0.0)
    for begin in range(0, len(steps) - window_steps + 1, window_steps):
        window = merge_all(chain.from_iterable(step.blocks for step in steps[begin : begin + window_steps]))
        rows = [row for block in window.blocks for row in block.sample]
        indices = [
            *(
                (signal, excess(known.histogram, _counts(_numbers(rows, signal), known.edges)))
                for signal, known in numeric.items()
            ),
            *(
                (signal, excess(*category_bins(counts, window.categorical.get(signal))))
                for signal, counts in categorical.items()
            ),
            *((presence_key(signal), presence_index(counts, signal, window)) for signal, counts in presence.items()),
        ]
        for name, index in indices:
            largest[name] = max(largest.get(name, 0.0), index)
    return {name: index for name, index in largest.items() if index or name in presence}
