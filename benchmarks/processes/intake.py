"""INTAKE as the program runs it, in a worker of its own, with a meter between Kafka and its handler.

It is ``watchloop worker --role intake``: its settings, its catalogue of references and models, its memory of judged
events, faust around it. It says when partitions are assigned, when so much is judged, and what it cost.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from agents.intake import role
from agents.settings import Settings, WorkerSettings
from agents.worker.worker import run_worker
from benchmarks.processes.meter import Meter, say, spec_of
from streams.consume.batches import AssignedPartition, Handler
from streams.consume.transactions import TransactionalBatches
from streams.produce.outbox import Sending
from streams.records import Record
from streams.settings import KafkaSettings

LOOK_SECONDS = 0.02
IDLE_SECONDS = 1.0


class MeteredBatches(TransactionalBatches):
    """Batches that are counted when they are in hand and when they are committed."""

    meter: Meter
    events_per_message: int
    committed_events = 0

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        handle: Handler[Sending],
        committed: Callable[[], None] = lambda: None,
        undo: Callable[[], None],
        on_assign: Callable[[list[AssignedPartition]], dict[tuple[str, int], int]] | None = None,
        **kwargs: Any,
    ) -> None:
        in_hand: deque[int] = deque()

        def handle_counted(records: Sequence[Record], outbox: Sending) -> Sequence[Record] | None:
            self.meter.mark(len(records) * self.events_per_message)
            left = handle(records, outbox) or ()
            self.meter.seen -= len(left) * self.events_per_message
            in_hand.append((len(records) - len(left)) * self.events_per_message)
            return left

        def commit_counted() -> None:
            type(self).committed_events += in_hand.popleft()
            committed()

        def undo_counted() -> None:
            self.meter.seen -= sum(in_hand)
            in_hand.clear()
            undo()

        def assign_counted(partitions: list[AssignedPartition]) -> dict[tuple[str, int], int]:
            offsets = {} if on_assign is None else on_assign(partitions)
            say("assigned", partitions=len(partitions))
            return offsets

        super().__init__(
            settings,
            handle=handle_counted,
            committed=commit_counted,
            undo=undo_counted,
            on_assign=assign_counted,
            **kwargs,
        )


def resident_bytes() -> int:
    """Of this process, as Linux counts it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def counted(name: str) -> int:
    """What one of the worker's own counters has."""
    return int(REGISTRY.get_sample_value(f"watchloop_intake_{name}_total") or 0)


def watch(steps: Sequence[int], meter: Meter) -> None:
    """Say how much memory is in use whenever so many events are committed, and at the end what was measured."""
    for step in steps:
        while MeteredBatches.committed_events < step:
            time.sleep(LOOK_SECONDS)
        time.sleep(IDLE_SECONDS)
        say("resident", events=step, bytes=resident_bytes())
    while not meter.complete or MeteredBatches.committed_events < meter.expected:
        time.sleep(LOOK_SECONDS)
    counters = {name: counted(name) for name in ("events", "rejects", "duplicates")}
    say("result", **meter.result(), judged=counters["events"], **{n: counters[n] for n in ("rejects", "duplicates")})
    # What is to be known is known; a worker's orderly end takes seconds.
    os._exit(0)


def main(spec: dict[str, Any]) -> int:
    """Run the worker until everything expected is judged and committed, or whoever started it ends it."""
    meter = MeteredBatches.meter = Meter(spec["expected"], spec["warm_up"])
    MeteredBatches.events_per_message = spec["events_per_message"]
    role.TransactionalBatches = MeteredBatches  # type: ignore[attr-defined,assignment]
    worker = WorkerSettings(data=spec["data"], **spec.get("worker", {}))
    settings = Settings(kafka=KafkaSettings(**spec["kafka"]), worker=worker)
    threading.Thread(target=watch, args=(spec["steps"], meter), daemon=True).start()
    return run_worker(settings, ("intake",), slot=spec["slot"])


if __name__ == "__main__":
    raise SystemExit(main(spec_of(sys.argv)))
