"""The peer: a faust worker with one agent that decodes an event and does nothing else."""

from __future__ import annotations

import os
import sys
from typing import Any

import faust

from agents.shared.memory import settle_memory
from benchmarks.processes.meter import Meter, say, spec_of
from schemas.codec import decoder_of
from schemas.topics import PREDICTIONS
from schemas.wire.prediction import Prediction

EVENTS_PER_MARK = 100


def main(spec: dict[str, Any]) -> None:
    """Read ``expected`` events of the topic from its beginning."""
    kafka = spec["kafka"]
    app = faust.App(
        f"{kafka['prefix']}faust",
        broker=f"kafka://{kafka['bootstrap']}",
        store="memory://",
        datadir=spec["data"],
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    topic = app.topic(
        kafka["prefix"] + PREDICTIONS.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=kafka["partitions"],
    )
    decode, meter = decoder_of(Prediction).decode, Meter(spec["expected"], spec["warm_up"])

    @app.agent(topic)
    async def read(events: Any) -> None:
        number = 0
        async for value in events:
            decode(value)
            number += 1
            if number % EVENTS_PER_MARK == 0:
                meter.mark(EVENTS_PER_MARK)
                if meter.complete:
                    say("result", **meter.result())
                    os._exit(0)

    worker = faust.Worker(app, loglevel="WARN", quiet=True, redirect_stdouts=False)
    worker.spinner = None
    settle_memory()
    worker.execute_from_commandline()


if __name__ == "__main__":
    main(spec_of(sys.argv))
