"""A block that is too large for a message leaves something out, and no event."""

from __future__ import annotations

import msgspec
import pytest

from schemas.codec import encode
from schemas.wire.block import Block, CategoryCounts, NumericSummary, SampledRow
from streams.blocks.fitted import fitted


def large(rows: int, chars: int = 50) -> Block:
    """A block with a sample, categories and features that take room."""
    sample = tuple(
        SampledRow(
            hash=row, event_id=f"e{row}", time=row, prediction="yes", confidence=0.5,
            features={"text": f"{row:05d}" * (chars // 5)},
        )
        for row in range(rows)
    )  # fmt: skip
    return Block(
        block_id="m/0/0.0", model="m", partition=0, first_offset=0, last_offset=99, time_min=0, time_max=1, events=100,
        numeric={"confidence": NumericSummary(count=100), "feature.x": NumericSummary(count=100)}, sample=sample,
        categorical={"prediction": CategoryCounts(counts={"yes" * 60: 60, "no" * 60: 40}, missing=1, other=2)},
        features_unwatched=1, unwatched=("old",),
    )  # fmt: skip


@pytest.mark.parametrize("bytes_max", [6_000, 700, 300])
def test_what_is_left_out_first(bytes_max: int) -> None:
    """Rows of the sample, then names of categories, then the signals, which are then not watched."""
    block = large(100)
    data = fitted(block, encode, bytes_max)
    assert len(data) <= bytes_max
    small = msgspec.json.decode(data, type=Block)
    assert small.events == 100
    if bytes_max == 6_000:
        assert small.sample
        assert small.categorical == block.categorical
    elif bytes_max == 700:
        assert (small.sample, small.categorical) == (
            (),
            {"prediction": CategoryCounts(counts={}, missing=1, other=102)},
        )
    else:
        assert (small.numeric, small.categorical, small.features_unwatched) == ({}, {}, 2)
        assert small.unwatched == ("old", "x")
