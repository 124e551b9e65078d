"""Records: cut into parts by their bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from plain_record import PlainRecord

from streams.records import cuts


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 100))
def test_parts_are_bounded_and_hold_every_record(sizes: list[int], bytes_max: int) -> None:
    """No part has more bytes than the bound unless it is one record, none is empty, and nothing is lost."""
    records = [PlainRecord(b"x" * size) for size in sizes]
    ends = cuts(records, bytes_max)
    begins = [0, *ends[:-1]] if ends else []
    assert ends[-1:] == ([len(records)] if records else [])
    for begin, end in zip(begins, ends, strict=True):
        assert begin < end
        assert end - begin == 1 or sum(sizes[begin:end]) <= bytes_max
