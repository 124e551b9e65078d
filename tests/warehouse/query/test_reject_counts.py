"""Rejects on the Loop page: one line a kind, with the words of the newest as they are."""

from __future__ import annotations

import pytest

from schemas.wire.reject import Reject
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.query.loop_figures import REASON_CHARS_SHOWN_MAX, REASONS_SHOWN_MAX, RejectCounts, reject_counts
from warehouse.store.rows import Identity

pytestmark = pytest.mark.servers

NOW_MS = 1_772_000_000_000


def refuse(warehouse: Warehouse, *reasons: str, role: str = "intake", elements: int = 1) -> None:
    rejects = [
        Reject(
            original=b"{", reason=reason, role=role, source_topic="predictions", source_partition=0, source_offset=at,
            time=NOW_MS + at, elements=elements,
        )
        for at, reason in enumerate(reasons)
    ]  # fmt: skip
    name = f"{role} {reasons[0][:20]}"
    rows = [row for at, reject in enumerate(rejects) for row in rows_of("rejects", reject, Identity(name, 0, at))]
    warehouse.insert("rejects", rows)


def test_numbers_of_an_advice_stay(warehouse: Warehouse) -> None:
    """A limit is shown in full: without its digits the advice says nothing."""
    advice = "the message has 3145728 bytes unpacked; at most 1048576 are taken (kafka.message_bytes_max)"
    refuse(warehouse, advice)
    assert reject_counts(warehouse.query).shown == {f"intake: {advice}": 1}


def test_one_kind_is_one_line_under_its_newest_reason(warehouse: Warehouse) -> None:
    """Reasons that differ in long numbers alone are counted together; those of another role are not."""
    refuse(warehouse, *(f"time {1_600_000_000 + at} looks like seconds" for at in range(5)), elements=3)
    refuse(warehouse, "time 1600000009 looks like seconds", role="learn")
    assert reject_counts(warehouse.query).shown == {
        "intake: time 1600000004 looks like seconds": 15,
        "learn: time 1600000009 looks like seconds": 1,
    }


def test_long_reasons_and_many_kinds_are_bounded(warehouse: Warehouse) -> None:
    """A reason is cut where the cut shows, and the most frequent kinds are shown, the others counted together."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert reject_counts(warehouse.query) == RejectCounts()
    refuse(warehouse, *letters, elements=2)
    refuse(warehouse, "long " * 200, role="record", elements=7)
    counts = reject_counts(warehouse.query)
    shown = counts.shown
    kinds_more = len(letters) + 1 - REASONS_SHOWN_MAX
    assert (counts.kinds_more, counts.more) == (kinds_more, 2 * kinds_more)
    assert len(shown) == REASONS_SHOWN_MAX
    first, count = next(iter(shown.items()))
    assert first == "record: " + ("long " * 200)[:REASON_CHARS_SHOWN_MAX] + " …"
    assert count == 7
