"""Records: cut into parts by their bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.records import split_by_bytes
from tests.support.plain_record import PlainRecord


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 100))
def test_parts_are_bounded_and_hold_every_record(sizes: list[int], bytes_max: int) -> None:
    """No part has more bytes than the bound unless it is one record, none is empty, and nothing is lost."""
    records = [PlainRecord(b"x" * size) for size in sizes]
    parts = list(split_by_bytes(records, bytes_max))
    assert [record for part, _ in parts for record in part] == records
    for part, size in parts:
        assert size == sum(map(len, part))
        assert len(part) == 1 or (part and size <= bytes_max)
