"""RECORD put together: all topics that are kept in, rows of ClickHouse out."""

from __future__ import annotations

import threading

from agents.record.message_rows import ReadingRules
from agents.record.recorder import BATCH, Recorder
from agents.shared.plan import Plan
from streams.admin.access import RECORDED
from streams.message_limits import prediction_bytes_max
from streams.predictions.registry import registry_of

__all__ = ["add"]


def add(plan: Plan) -> None:
    """Add RECORD's loop to the plan; the loop connects to ClickHouse once it runs."""
    settings = plan.settings

    def write(stop: threading.Event) -> None:
        rules = ReadingRules(
            settings.kafka.prefix,
            settings.worker.future_seconds_max,
            prediction_bytes_max(settings.kafka.message_bytes_max),
            plan.message_limits,
            registry_of(settings.kafka),
        )
        recorder = Recorder(
            plan.warehouse(),
            rules,
            topic_ids=lambda: plan.topic_ids(RECORDED),
            stop=stop,
        )
        batches = plan.batches("record", recorder.handle, on_assign=recorder.assigned, batch=BATCH)
        recorder.pause = lambda seconds: batches.wait_paused(stop, seconds)
        batches.run(stop)

    plan.add_loop("record", write)
