"""Block: mergeable statistics of a short run of one partition."""

from __future__ import annotations

from schemas.wire.base import Count, EpochMs, Hash, Id, Name, Probability, Scalar, Wire

__all__ = ["Block", "CategoryCounts", "NumericSummary", "SampledRow"]


class NumericSummary(Wire, frozen=True, kw_only=True):
    """Counts and moments of one numeric signal; ``histogram`` has one bin more than the reference has edges.

    ``m2`` is the sum of squared deviations from the mean (Chan, Golub & LeVeque 1983), so summaries merge exactly. The
    deviations are multiplied by 2**``m2_exponent``, which is 0 unless their squares would be too small for a double.
    ``mean`` is ``centre`` + ``mean_offset``: the centre is one of the values, and the offset keeps the digits of a mean
    that is far from 0.
    Without a reference the histogram is empty. ``minimum`` and ``maximum`` are 0 where ``count`` is.
    """

    count: Count
    missing: Count = 0
    mean: float = 0.0
    m2: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    histogram: tuple[int, ...] = ()
    centre: float = 0.0
    mean_offset: float = 0.0
    m2_exponent: Count = 0


class CategoryCounts(Wire, frozen=True, kw_only=True):
    """How often each category was seen; those past the limit are counted together in ``other``."""

    counts: dict[str, int]
    missing: Count = 0
    other: Count = 0


class SampledRow(Wire, frozen=True, kw_only=True):
    """One event of the bottom-k sample: the k smallest hashes of event_id, whatever the grouping."""

    hash: Hash
    event_id: Id
    time: EpochMs
    features: dict[str, Scalar]
    prediction: Name
    confidence: Probability


class Block(Wire, frozen=True, kw_only=True):
    """Statistics of up to ``block_events_max`` consecutive events of one model on one partition.

    Keys of ``numeric`` are signal names: ``confidence`` and ``feature.NAME``; of ``categorical``: ``prediction`` and
    ``feature.NAME``. ``reference_version`` names the edges that the histograms are on. ``features_unwatched`` counts
    the features that a limit left out, or whose numbers a double does not hold apart, so that only their mean is
    watched; ``unwatched`` names the first of them.
    """

    block_id: Id
    model: Id
    reference_version: Name = ""
    partition: int
    first_offset: Count
    last_offset: Count
    time_min: EpochMs
    time_max: EpochMs
    events: Count
    numeric: dict[str, NumericSummary]
    categorical: dict[str, CategoryCounts]
    decisions: dict[str, int] = {}
    sample: tuple[SampledRow, ...] = ()
    features_unwatched: Count = 0
    unwatched: tuple[Name, ...] = ()
