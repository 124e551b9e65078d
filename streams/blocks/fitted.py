"""A block that is too large for a message leaves something out, in a way that its readers know already."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from schemas.wire.block import Block, CategoryCounts

__all__ = ["fitted"]

UNWATCHED_NAMED_MAX = 5


def fitted(block: Block, encode: Callable[[Block], bytes], bytes_max: int) -> bytes:
    """A block in at most ``bytes_max`` bytes, which are enough for one without signals.

    Rows of its sample go first, those with the largest hashes; then the names of categories, which are counted together
    in ``other``; then all signals, whose features then count as not watched.
    """
    data = encode(block)
    smaller = _smaller(block)
    while len(data) > bytes_max:
        data = encode(next(smaller))
    return data


def _smaller(block: Block) -> Iterator[Block]:
    """Blocks with less and less in them."""
    rows = len(block.sample)
    while rows:
        rows //= 2
        yield replace(block, sample=block.sample[:rows])
    without_names = {signal: _unnamed(counts) for signal, counts in block.categorical.items()}
    yield replace(block, sample=(), categorical=without_names)
    features = sorted({*block.numeric, *block.categorical} - {"confidence", "prediction"})
    names = tuple(sorted({*block.unwatched, *(signal.removeprefix("feature.") for signal in features)}))
    yield replace(
        block,
        sample=(),
        numeric={},
        categorical={},
        features_unwatched=block.features_unwatched + len(features),
        unwatched=names[:UNWATCHED_NAMED_MAX],
    )


def _unnamed(counts: CategoryCounts) -> CategoryCounts:
    return CategoryCounts(counts={}, missing=counts.missing, other=counts.other + sum(counts.counts.values()))
