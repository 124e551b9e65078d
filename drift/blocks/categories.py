"""Categories within their limits: the common ones by name, the rest counted together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import itemgetter

import msgspec

from drift.blocks.columns import ESCAPED_BYTES_MAX
from drift.blocks.runs import Runs
from drift.blocks.tallies import Tally
from drift.blocks.texts import TextColumn, Texts
from drift.settings import DriftSettings
from schemas.wire.block import CategoryCounts, NumericSummary

__all__ = ["category_counts", "most_common", "within_category_bytes"]


def category_counts(
    columns: Mapping[str, TextColumn],
    coded: Mapping[str, Tally],
    runs: Runs,
    numeric: Sequence[Mapping[str, NumericSummary]],
    settings: DriftSettings,
) -> list[dict[str, CategoryCounts]]:
    """One dictionary for each run; a signal without any text in a run is absent there.

    ``coded`` has the tallies of the columns that are coded; what ``numeric`` counts as a number is not missing.
    """
    by_run: list[dict[str, CategoryCounts]] = [{} for _ in runs.starts]
    names = 0
    for signal, column in columns.items():
        tally = coded[signal] if signal in coded else _tally(column.texts, runs)
        longest = max(map(len, tally.counts))
        names += longest
        for kept, numbers, counts, absent in zip(by_run, numeric, tally.counts, tally.absent, strict=True):
            if counts:
                missing = absent - numbers[signal].count if signal in numbers else absent
                kept[signal] = CategoryCounts(counts=counts, missing=missing)
        if longest > settings.categories_max:
            for kept in by_run:
                if signal in kept:
                    kept[signal] = most_common(kept[signal], settings.categories_max)
    if _names_fit(names, settings):
        return by_run
    return [within_category_bytes(counts, settings) for counts in by_run]


def _tally(texts: Texts, runs: Runs) -> Tally:
    """Of texts most of which differ."""
    counted = [Counter(texts[begin:end]) for begin, end in pairwise([*runs.starts.tolist(), len(texts)])]
    absent = [counts.pop(None, 0) for counts in counted]
    return Tally([{name: seen for name, seen in counts.items() if name is not None} for counts in counted], absent)


def _names_fit(names: int, settings: DriftSettings) -> bool:
    """Whether so many names cannot exceed ``categories_bytes_max``."""
    return names * (settings.text_chars_max * ESCAPED_BYTES_MAX + 20) <= settings.categories_bytes_max


def most_common(counts: CategoryCounts, categories_max: int) -> CategoryCounts:
    """The same counts with at most ``categories_max`` names; among equals the first by name stay."""
    if len(counts.counts) <= categories_max:
        return counts
    ranked = sorted(sorted(counts.counts.items()), key=itemgetter(1), reverse=True)
    rest = sum(seen for _, seen in ranked[categories_max:])
    return CategoryCounts(counts=dict(ranked[:categories_max]), missing=counts.missing, other=counts.other + rest)


def within_category_bytes(categorical: dict[str, CategoryCounts], settings: DriftSettings) -> dict[str, CategoryCounts]:
    """All signals, in their order; once ``categories_bytes_max`` is used up, further signals keep no names.

    What cannot exceed the limit is not measured.
    """
    if _names_fit(sum(len(counts.counts) for counts in categorical.values()), settings):
        return categorical
    room = settings.categories_bytes_max
    kept: dict[str, CategoryCounts] = {}
    for signal, counts in categorical.items():
        room -= len(msgspec.json.encode(counts))
        kept[signal] = counts if room >= 0 else most_common(counts, 0)
    return kept
