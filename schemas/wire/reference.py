"""Reference: the window that counts as normal."""

from __future__ import annotations

from schemas.wire.base import Count, EpochMs, Id, Name, Wire
from schemas.wire.block import CategoryCounts, SampledRow

__all__ = ["NumericReference", "Reference"]


class NumericReference(Wire, frozen=True, kw_only=True):
    """The normal range of one numeric signal.

    ``edges`` cut the line into ``len(edges) + 1`` bins whose normal counts are ``histogram``. ``quantiles`` are
    those at 0.01, 0.05, 0.25, 0.5, 0.75, 0.95 and 0.99. ``block_sd`` is the standard deviation of block means in their
    real order, so that a detector knows what ordinary autocorrelation looks like. ``centre`` and ``mean_offset`` are as
    in NumericSummary.
    """

    count: Count
    missing: Count = 0
    mean: float
    sd: float
    block_sd: float
    minimum: float
    maximum: float
    edges: tuple[float, ...]
    histogram: tuple[int, ...]
    quantiles: tuple[float, float, float, float, float, float, float]
    centre: float = 0.0
    mean_offset: float = 0.0


class Reference(Wire, frozen=True, kw_only=True):
    """What normal looks like for one model, versioned; ``sample`` rows feed the Evidently report.

    ``psi_normal`` holds, for each signal, the largest population stability index between a window of the reference and
    the whole of it: what ordinary ups and downs look like; under ``presence.SIGNAL``, where there are such, that of
    having a number, a text or nothing. ``time_min``, ``time_max`` and the ``created_at`` of a
    model's first reference are times of the stream; the ``created_at`` of one that a person adopted is the clock's.
    ``told_at`` is the clock's for both: when the reference began to count.
    ``last_offsets`` is how far each partition of predictions had been read when it was made: what lies beyond is
    compared with it, whatever its time says.
    """

    model: Id
    version: Id
    created_at: EpochMs
    reason: Name = ""
    time_min: EpochMs
    time_max: EpochMs
    events: Count
    numeric: dict[str, NumericReference]
    categorical: dict[str, CategoryCounts]
    sample: tuple[SampledRow, ...] = ()
    psi_normal: dict[str, float] = {}
    last_offsets: dict[int, Count] = {}
    told_at: EpochMs = 0
