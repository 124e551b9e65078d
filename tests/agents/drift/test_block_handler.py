"""DRIFT hears what people say of alerts."""

from __future__ import annotations

from typing import Any

import pytest

from agents.drift.block_handler import BlockHandler
from agents.drift.monitors import Monitors
from drift.settings import DriftSettings
from review.settings import QueueSettings
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord


class NoReports:
    """Makes no reports."""

    def poll(self) -> list[tuple[str, str, str]]:
        return []


@pytest.mark.parametrize("data", [None, b"{", b'{"task_id": 1}', b"[]"])
def test_what_cannot_be_read_is_left_out(data: bytes | None) -> None:
    """A tombstone, or bytes that are no opinion and no task, end nothing and change nothing."""
    reports: Any = NoReports()
    drift = BlockHandler(
        Monitors(lambda _model: DriftSettings(), QueueSettings(), reports), PREFIX, load=lambda: ({}, {})
    )
    outbox = CollectingOutbox()
    drift.people.hear_opinion(PlainRecord(data, name="review.opinions"))
    drift.people.hear_task(PlainRecord(data, name="review.alerts"))
    drift.handle([], outbox)
    assert not outbox.sent
