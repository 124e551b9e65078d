"""RECORD put together: all topics that are kept in, rows of ClickHouse out."""

from __future__ import annotations

import threading

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
        recorder = Recorder(
            plan.warehouse(),
            settings.kafka.prefix,
            topic_ids=lambda: plan.topic_ids(RECORDED),
            future_seconds_max=settings.worker.future_seconds_max,
            stop=stop,
            prediction_bytes_max=prediction_bytes_max(settings.kafka.message_bytes_max),
            limits=plan.message_limits,
            schemas=registry_of(settings.kafka),
        )
        batches = plan.batches("record", recorder.handle, on_assign=recorder.assigned, batch=BATCH)
        recorder.pause = lambda seconds: batches.wait_paused(stop, seconds)
        batches.run(stop)

    plan.add_loop("record", write)
