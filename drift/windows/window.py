"""Window: merged blocks."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from drift.blocks.moments import merged
from schemas.columns.block_rows import AnyBlock
from schemas.wire.block import CategoryCounts, NumericSummary, SampledRow

__all__ = ["Window", "merge_all"]


@dataclass(frozen=True)
class Window:
    """A set of distinct blocks; its figures do not depend on the order or grouping in which blocks arrive.

    ``blocks`` are sorted by ``block_id``, and every figure is computed in that order, so that equal sets give equal
    figures to the last bit. A block that comes twice counts once.
    """

    blocks: tuple[AnyBlock, ...]

    @property
    def model(self) -> str:
        """The model of the blocks; empty for no blocks."""
        return self.blocks[0].model if self.blocks else ""

    @cached_property
    def events(self) -> int:
        """How many events the blocks summarise, a block that came twice counted once."""
        return sum(block.events for block in self.blocks)

    @cached_property
    def time(self) -> int:
        """The window's time in epoch milliseconds: the lower median of the blocks' bounds; 0 for no blocks.

        One event with a wrong clock moves the least or the greatest of the bounds, but hardly this.
        """
        bounds = sorted(time for block in self.blocks for time in (block.time_min, block.time_max))
        return bounds[(len(bounds) - 1) // 2] if bounds else 0

    @cached_property
    def numeric(self) -> dict[str, NumericSummary]:
        """Moments of each numeric signal; ``missing`` counts the events with neither number nor text.

        Histograms are left out, because blocks may lie on different edges: see ``histogram``.
        """
        texts = self._texts
        return {
            signal: merged(
                [block.numeric[signal] for block in self.blocks if signal in block.numeric],
                self.events - texts.get(signal, 0),
            )
            for signal in sorted({signal for block in self.blocks for signal in block.numeric})
        }

    @cached_property
    def categorical(self) -> dict[str, CategoryCounts]:
        """Counts of each categorical signal; ``missing`` as in ``numeric``."""
        categorical = {}
        for signal in sorted({signal for block in self.blocks for signal in block.categorical}):
            parts = [block.categorical[signal] for block in self.blocks if signal in block.categorical]
            counts: Counter[str] = Counter()
            for part in parts:
                counts.update(part.counts)
            numbers = sum(block.numeric[signal].count for block in self.blocks if signal in block.numeric)
            categorical[signal] = CategoryCounts(
                counts=dict(sorted(counts.items())),
                missing=max(0, self.events - self._texts[signal] - numbers),
                other=sum(part.other for part in parts),
            )
        return categorical

    @cached_property
    def _texts(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        for block in self.blocks:
            for signal, part in block.categorical.items():
                total[signal] += part.other + sum(part.counts.values())
        return dict(total)

    def texts(self, signal: str) -> int:
        """Events that have a text for the signal."""
        return self._texts.get(signal, 0)

    def numbers(self, signal: str) -> int:
        """Events that have a number for the signal."""
        summary = self.numeric.get(signal)
        return 0 if summary is None else summary.count

    def present_share(self, signal: str) -> float:
        """The share of the events that have a value of the signal, number or text; 0 without events."""
        if self.events == 0:
            return 0.0
        return min(1.0, (self.numbers(signal) + self.texts(signal)) / self.events)

    def histogram(self, signal: str, version: str) -> tuple[int, ...]:
        """Counts on the edges of reference ``version``, from the blocks that lie on them; empty where none does."""
        rows = [
            block.numeric[signal].histogram
            for block in self.blocks
            if block.reference_version == version and signal in block.numeric and block.numeric[signal].histogram
        ]
        return tuple(map(sum, zip(*rows, strict=True)))

    def events_on(self, version: str) -> int:
        """Events of the blocks that lie on the edges of reference ``version``."""
        return sum(block.events for block in self.blocks if block.reference_version == version)

    def sample(self, rows_max: int) -> tuple[SampledRow, ...]:
        """The ``rows_max`` rows with the smallest hashes."""
        rows = (row for block in self.blocks for row in block.sample)
        return tuple(heapq.nsmallest(rows_max, rows, key=lambda row: (row.hash, row.event_id)))


def merge_all(blocks: Iterable[AnyBlock]) -> Window:
    """The window of these blocks, in any order and grouping; the same ``block_id`` counts once."""
    distinct = {block.block_id: block for block in blocks}
    return Window(tuple(distinct[block_id] for block_id in sorted(distinct)))
