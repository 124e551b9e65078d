"""The normal range of each feature, taken from the reference."""

from __future__ import annotations

import msgspec

from schemas.wire.base import Scalar
from schemas.wire.block import CategoryCounts
from schemas.wire.reference import Reference

__all__ = ["CategoryRange", "NumericRange", "Ranges", "ranges_of"]

FEATURE_PREFIX = "feature."
CATEGORIES_SHOWN_MAX = 20


class NumericRange(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of one numeric feature in the reference."""

    p01: float
    p05: float
    p25: float
    p50: float
    p75: float
    p95: float
    p99: float


class CategoryRange(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the most frequent values of one categorical feature in the reference, in [0, 1].

    ``other_share`` is the share of all other values together.
    """

    shares: dict[str, float]
    other_share: float = 0.0


class Ranges(msgspec.Struct, frozen=True, kw_only=True):
    """The normal range of each feature, by name; ``reference_version`` is empty while there is no reference."""

    reference_version: str = ""
    numeric: dict[str, NumericRange] = {}
    categorical: dict[str, CategoryRange] = {}


def ranges_of(reference: Reference | None, features: dict[str, Scalar]) -> Ranges:
    """The ranges of these features; empty without a reference."""
    if reference is None:
        return Ranges()
    numeric = {
        name: NumericRange(**dict(zip(NumericRange.__struct_fields__, summary.quantiles, strict=True)))
        for name in features
        if (summary := reference.numeric.get(FEATURE_PREFIX + name)) is not None and summary.count > 0
    }
    categorical = {
        name: category_range_of(counts)
        for name in features
        if name not in numeric and (counts := reference.categorical.get(FEATURE_PREFIX + name)) is not None
    }
    return Ranges(reference_version=reference.version, numeric=numeric, categorical=categorical)


def category_range_of(counts: CategoryCounts) -> CategoryRange:
    """Counts as shares, the most frequent first; values beyond ``CATEGORIES_SHOWN_MAX`` are in ``other_share``.

    >>> category_range_of(CategoryCounts(counts={"a": 1, "b": 3}))
    CategoryRange(shares={'b': 0.75, 'a': 0.25}, other_share=0.0)
    """
    total = sum(counts.counts.values()) + counts.other
    if total == 0:
        return CategoryRange(shares={})
    ordered = sorted(counts.counts.items(), key=lambda item: (-item[1], item[0]))
    shares = {value: count / total for value, count in ordered[:CATEGORIES_SHOWN_MAX]}
    return CategoryRange(shares=shares, other_share=max(0.0, 1.0 - sum(shares.values())))
