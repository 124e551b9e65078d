"""The peer: quixstreams, which deserialises JSON, filters, and forwards a few events; less than INTAKE does.

It runs in an environment of its own (benchmarks/peers.txt): only it and the standard library are imported.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

from quixstreams import Application

from benchmarks.processes.meter import Meter, say, spec_of

EVENTS_PER_MARK = 1_000


def main(spec: dict[str, Any]) -> None:
    """Read ``expected`` events of the topic from its beginning."""
    kafka = spec["kafka"]
    app = Application(
        broker_address=kafka["bootstrap"],
        consumer_group=f"{kafka['prefix']}quix",
        auto_offset_reset="earliest",
        auto_create_topics=False,
        use_changelog_topics=False,
        loglevel="WARNING",
        consumer_extra_config={"fetch.queue.backoff.ms": 5, "fetch.wait.max.ms": 10},
        producer_extra_config={"linger.ms": 15, "compression.type": "lz4"},
    )
    source = app.topic(kafka["prefix"] + spec["source"], value_deserializer="json")
    target = app.topic(kafka["prefix"] + spec["target"], value_serializer="json")
    meter, below = Meter(spec["expected"], spec["warm_up"]), spec["confidence_below"]
    number = 0

    def is_wanted(event: dict[str, Any]) -> bool:
        nonlocal number
        number += 1
        if number % EVENTS_PER_MARK == 0:
            meter.mark(EVENTS_PER_MARK)
            if meter.complete:
                say("result", **meter.result())
                os._exit(0)
        return bool(event["confidence"] < below)

    events = app.dataframe(source)
    events = events.filter(is_wanted)
    events.to_topic(target)
    # What agents.shared.memory does for INTAKE.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    app.run()


if __name__ == "__main__":
    main(spec_of(sys.argv))
