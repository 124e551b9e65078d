"""Categories within their limits: the common ones by name, the rest counted together."""

from __future__ import annotations

import msgspec

from drift.settings import DriftSettings
from schemas.block import CategoryCounts

__all__ = ["most_common", "within_category_bytes"]

ESCAPED_BYTES_MAX = 6
"""Bytes of one character in JSON, at most."""


def most_common(counts: CategoryCounts, categories_max: int) -> CategoryCounts:
    """The same counts with at most ``categories_max`` names; among equals the first by name stay."""
    if len(counts.counts) <= categories_max:
        return counts
    ranked = sorted(counts.counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(seen for _, seen in ranked[categories_max:])
    return CategoryCounts(counts=dict(ranked[:categories_max]), missing=counts.missing, other=counts.other + rest)


def within_category_bytes(found: dict[str, CategoryCounts], settings: DriftSettings) -> dict[str, CategoryCounts]:
    """All signals, in their order; once ``categories_bytes_max`` is used up, further signals keep no names.

    What cannot exceed the limit is not measured.
    """
    names = sum(len(counts.counts) for counts in found.values())
    if names * (settings.text_chars_max * ESCAPED_BYTES_MAX + 20) <= settings.categories_bytes_max:
        return found
    room = settings.categories_bytes_max
    kept: dict[str, CategoryCounts] = {}
    for signal, counts in found.items():
        room -= len(msgspec.json.encode(counts))
        kept[signal] = counts if room >= 0 else most_common(counts, 0)
    return kept
