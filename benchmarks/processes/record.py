"""RECORD as the program runs it, in a process of its own, from the assignment until the last row is stored.

It says what it stored, how fast, what it cost here and in ClickHouse, and its peak of resident memory.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.record.message_rows import ReadingRules
from agents.record.recorder import BATCH, Recorder
from agents.shared.memory import settle_memory
from benchmarks.processes.meter import cpu_seconds, say, spec_of
from schemas.topics import ALL_TOPICS
from streams.admin.topics import topic_ids
from streams.consume.batches import AssignedPartition, GroupBatches
from streams.produce.outbox import Outbox
from streams.records import Record
from streams.settings import KafkaSettings
from warehouse.client import Warehouse
from warehouse.settings import ClickHouseSettings

__all__ = ["Backlog", "Recording", "record"]

SECONDS_MAX = 300.0


@dataclasses.dataclass(frozen=True, slots=True)
class Backlog:
    """A topic (short name) of more than ``rows`` rows, how many a message holds, and the group that reads it."""

    topic: str
    rows: int
    rows_per_message: int
    group: str


@dataclasses.dataclass(slots=True)
class Recording:
    """Counts the rows, and reads the clocks when partitions are assigned and when the last row is stored."""

    backlog: Backlog
    clickhouse_pid: int
    seen: int = 0
    marks: list[tuple[float, float, float, int]] = dataclasses.field(default_factory=list)

    def mark(self) -> None:
        """Note the time, the CPU used here and in ClickHouse, and the rows seen so far."""
        self.marks.append((time.perf_counter(), time.process_time(), cpu_seconds(self.clickhouse_pid), self.seen))

    def result(self) -> dict[str, float]:
        """Rows a second; microseconds of CPU a row, here and in ClickHouse."""
        first, last = self.marks
        wall, cpu, clickhouse, rows = (end - begin for begin, end in zip(first, last, strict=True))
        return {"rate": rows / wall, "cpu_us": cpu / rows * 1e6, "clickhouse_us": clickhouse / rows * 1e6}


def peak_bytes() -> int:
    """The most that was resident of this program; ``ru_maxrss`` would count what its parent had when it began."""
    (line,) = (entry for entry in Path("/proc/self/status").read_text().splitlines() if entry.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def record(kafka: KafkaSettings, warehouse: Warehouse, recording: Recording) -> None:
    """The whole of RECORD, until so many rows are stored: consume, decode, check, columns, inserts, offsets."""
    backlog, stop = recording.backlog, threading.Event()
    recorder = Recorder(
        warehouse, ReadingRules(kafka.prefix), topic_ids=lambda: topic_ids(kafka, ALL_TOPICS), stop=stop
    )

    def assigned(partitions: list[AssignedPartition]) -> dict[tuple[str, int], int]:
        starts = recorder.assigned(partitions)
        recording.mark()
        return starts

    def handle(records: Sequence[Record], outbox: Outbox) -> None:
        recorder.handle(records, outbox)
        recording.seen += len(records) * backlog.rows_per_message
        if recording.seen >= backlog.rows:
            recording.mark()
            stop.set()

    (topic,) = (topic for topic in ALL_TOPICS if topic.name == backlog.topic)
    batches = GroupBatches(kafka, group=backlog.group, topics=[topic], handle=handle, on_assign=assigned, batch=BATCH)
    timer = threading.Timer(SECONDS_MAX, stop.set)
    timer.start()
    batches.run(stop)
    timer.cancel()
    stored = warehouse.query(f"SELECT count() AS n FROM {backlog.topic}")[0]["n"]
    if stored != recording.seen or stored < backlog.rows:
        raise SystemExit(f"{stored} rows are stored of {recording.seen} that were taken; {backlog.rows} were asked for")


def main(spec: dict[str, Any]) -> int:
    """Store the backlog and say what was measured."""
    recording = Recording(Backlog(**spec["backlog"]), spec["clickhouse_pid"])
    warehouse = Warehouse(ClickHouseSettings(**spec["clickhouse"]))
    settle_memory()
    begin_bytes = peak_bytes()
    record(KafkaSettings(**spec["kafka"]), warehouse, recording)
    say("result", **recording.result(), begin_bytes=begin_bytes, peak_bytes=peak_bytes())
    warehouse.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(spec_of(sys.argv)))
