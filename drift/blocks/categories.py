"""Texts of a batch: columns of codes, and the counts of each run within their limits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from operator import itemgetter

import msgspec
import numpy as np

from drift.blocks.runs import Ints
from drift.blocks.tallies import Tally
from drift.settings import DriftSettings
from schemas.columns.texts import Texts
from schemas.texts.labels import composed
from schemas.wire.block import CategoryCounts

__all__ = [
    "ESCAPED_BYTES_MAX",
    "limited",
    "may_exceed",
    "most_common",
    "tidied",
    "within_category_bytes",
]

ESCAPED_BYTES_MAX = 6
"""Bytes of one character in JSON, at most."""


def tidied(texts: Texts, chars_max: int | None = None) -> Texts:
    """The texts, each ``composed`` (one text in two encodings is one category) and cut to ``chars_max`` characters.

    The same object where nothing changes.
    """
    names = [text and composed(text)[:chars_max] for text in texts.names]
    return texts if names == list(texts.names) else texts.renamed(names)


def may_exceed(tally: Tally, settings: DriftSettings) -> bool:
    """Whether a limit may leave some of the texts of a run without a name."""
    longest = np.maximum.reduce(tally.sizes, axis=0)
    return bool((longest > settings.categories_max).any()) or not _names_fit(int(longest.sum()), settings)


def limited(
    signals: Sequence[str], tally: Tally, missing: Ints, settings: DriftSettings
) -> list[dict[str, CategoryCounts]]:
    """For each run the counts of the signals with texts, with the names that the limits leave.

    ``tally`` has a column for each signal, ``missing``, of shape (r, c), the events with neither text nor number.
    """
    entries = zip((tally.names[text] or "" for text in tally.texts.tolist()), tally.counts.tolist(), strict=True)
    by_run = []
    for sizes, absent in zip(tally.sizes.tolist(), missing.tolist(), strict=True):
        counts = {
            signal: most_common(
                CategoryCounts(counts=dict(islice(entries, size)), missing=none), settings.categories_max
            )
            for signal, size, none in zip(signals, sizes, absent, strict=True)
            if size
        }
        by_run.append(within_category_bytes(counts, settings))
    return by_run


def _names_fit(names: int, settings: DriftSettings) -> bool:
    """Whether so many names cannot exceed ``categories_bytes_max``."""
    return names * (settings.text_chars_max * ESCAPED_BYTES_MAX + 20) <= settings.categories_bytes_max


def most_common(counts: CategoryCounts, categories_max: int) -> CategoryCounts:
    """The same counts with at most ``categories_max`` names; of equal counts the first by name stay.

    >>> most_common(CategoryCounts(counts={"a": 1, "b": 5, "c": 1}), 2)
    CategoryCounts(counts={'b': 5, 'a': 1}, missing=0, other=1)
    """
    if len(counts.counts) <= categories_max:
        return counts
    ranked = sorted(sorted(counts.counts.items()), key=itemgetter(1), reverse=True)
    rest = sum(seen for _, seen in ranked[categories_max:])
    return CategoryCounts(counts=dict(ranked[:categories_max]), missing=counts.missing, other=counts.other + rest)


def within_category_bytes(categorical: dict[str, CategoryCounts], settings: DriftSettings) -> dict[str, CategoryCounts]:
    """All signals, in their order; once ``categories_bytes_max`` is used up, further signals keep no names.

    Counts that are too few to exceed the limit are not encoded.
    """
    if _names_fit(sum(len(counts.counts) for counts in categorical.values()), settings):
        return categorical
    room = settings.categories_bytes_max
    kept: dict[str, CategoryCounts] = {}
    for signal, counts in categorical.items():
        room -= len(msgspec.json.encode(counts))
        kept[signal] = counts if room >= 0 else most_common(counts, 0)
    return kept
