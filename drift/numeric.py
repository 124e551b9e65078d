"""Numbers of a batch as summaries: counts, moments and histograms of each run of events, all signals at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.block import NumericSummary
from schemas.reference import Reference

__all__ = ["numeric_summaries"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def numeric_summaries(
    signals: Sequence[str], values: Floats, run_events: int, reference: Reference | None
) -> list[dict[str, NumericSummary]]:
    """One dictionary for each run of ``run_events`` events, the last run being what is left over.

    ``values`` has a row for each signal, NaN where there is no number; a signal without any in a run is absent there.
    Histograms are on the edges of ``reference``.
    """
    edges = [_edges(reference, signal) for signal in signals]
    whole = values.shape[1] // run_events * run_events
    parts = [values[:, :whole], values[:, whole:]]
    sizes = [run_events, values.shape[1] - whole]
    return [
        summaries
        for part, size in zip(parts, sizes, strict=True)
        if part.shape[1]
        for summaries in _summaries(signals, part.reshape(len(part), -1, size), edges)
    ]


def _edges(reference: Reference | None, signal: str) -> Floats | None:
    known = None if reference is None else reference.numeric.get(signal)
    return None if known is None else np.array(known.edges)


def _summaries(signals: Sequence[str], values: Floats, edges: list[Floats | None]) -> list[dict[str, NumericSummary]]:
    """Of ``values`` of shape (signals, runs, events)."""
    valid = ~np.isnan(values)
    whole = bool(valid.all())
    columns = _moments(values) if whole else _moments_where(values, valid)
    size = values.shape[2]
    runs: list[dict[str, NumericSummary]] = [{} for _ in range(values.shape[1])]
    for row, signal in enumerate(signals):
        histograms = _histograms(values[row], None if whole else valid[row], edges[row])
        figures = zip(*(column[row].tolist() for column in columns), histograms, strict=True)
        for run, (seen, mean, m2, low, high, histogram) in zip(runs, figures, strict=True):
            if seen:
                run[signal] = NumericSummary(
                    count=seen, missing=size - seen, mean=mean, m2=m2, minimum=low, maximum=high, histogram=histogram
                )
    return runs


def _moments(values: Floats) -> tuple[npt.NDArray[np.generic], ...]:
    """Count, mean, sum of squared deviations, least and largest of each run, where every event has a number."""
    means = values.mean(axis=2)
    deviations = values - means[:, :, None]
    return (
        np.full(means.shape, values.shape[2]),
        means,
        np.einsum("srn,srn->sr", deviations, deviations),
        values.min(axis=2),
        values.max(axis=2),
    )


def _moments_where(values: Floats, valid: Flags) -> tuple[npt.NDArray[np.generic], ...]:
    """The same of the numbers that there are."""
    counts = valid.sum(axis=2)
    means = np.where(valid, values, 0.0).sum(axis=2) / np.maximum(counts, 1)
    deviations = np.where(valid, values - means[:, :, None], 0.0)
    return (
        counts,
        means,
        np.einsum("srn,srn->sr", deviations, deviations),
        np.where(valid, values, np.inf).min(axis=2),
        np.where(valid, values, -np.inf).max(axis=2),
    )


def _histograms(values: Floats, valid: Flags | None, edges: Floats | None) -> list[tuple[int, ...]]:
    """Counts of each run, of shape (runs, events), between the edges; a value on an edge belongs to the bin above."""
    runs = len(values)
    if edges is None:
        return [()] * runs
    bins = len(edges) + 1
    cells = np.searchsorted(edges, values, side="right") + (np.arange(runs) * bins)[:, None]
    table = np.bincount(cells.ravel() if valid is None else cells[valid], minlength=runs * bins).reshape(runs, bins)
    return list(map(tuple, table.tolist()))
