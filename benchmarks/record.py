"""How fast RECORD is, as a ratio to a bare insert of the same rows: ``python -m benchmarks.record``.

One embedded Kafka and one embedded ClickHouse, the same events, the peers in alternating order, each into a database of
its own, the median of ``--runs``. A bare insert sends the very inserts that RECORD made in a run before, encoded before
the clock runs, one after the other, and nothing else: as JSONEachRow, which is the floor, and as ArrowStream, which is
what RECORD sends. RECORD's clock runs from the first batch in hand until the last row is stored. CPU is that of this
process, the Kafka client's threads included, and beside it ClickHouse's.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import clickhouse_connect
import msgspec
import structlog
from confluent_kafka import Producer

from agents.memory import settle_memory
from agents.record import BATCH, Recorder
from benchmarks.common import machine, predictions_of, table
from schemas.prediction import Prediction
from schemas.topics import PREDICTIONS, VERDICTS, Topic
from schemas.verdict import Verdict
from schemas.wire import Wire
from streams.admin import create_topics, topic_ids
from streams.batches import GroupBatches
from streams.embedded import EmbeddedKafka
from streams.outbox import Outbox, producer_config
from streams.records import Record
from streams.settings import EmbeddedKafkaSettings, KafkaSettings
from warehouse.client import INSERT_SETTINGS, Warehouse
from warehouse.embedded import EmbeddedClickHouse
from warehouse.inserts import ColumnInsert, Insert
from warehouse.settings import ClickHouseSettings, EmbeddedClickHouseSettings

PARTITIONS = 4
VERDICTS_PER_MESSAGE = 200
SECONDS_MAX = 300.0
PASSWORDS = {"watchloop": "writer", "analyst": "reader"}

_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """A topic full of rows: how many, and how many a message holds."""

    name: str
    topic: Topic
    rows: int
    rows_per_message: int


@dataclasses.dataclass(frozen=True, slots=True)
class Servers:
    """Where the rows come from and where they go."""

    kafka: KafkaSettings
    clickhouse: EmbeddedClickHouse

    def cpu_seconds(self) -> float:
        """What ClickHouse has used so far."""
        assert self.clickhouse.process is not None
        fields = Path(f"/proc/{self.clickhouse.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """Rows a second; microseconds of CPU a row, here and in ClickHouse."""

    rate: float
    cpu_us: float
    clickhouse_us: float


@dataclasses.dataclass(slots=True)
class Meter:
    """Marks the clocks at the begin and at the end of what is measured."""

    servers: Servers
    marks: list[tuple[float, float, float, int]] = dataclasses.field(default_factory=list)

    def mark(self, rows: int) -> None:
        """``rows`` rows are stored by now."""
        self.marks.append((time.perf_counter(), time.process_time(), self.servers.cpu_seconds(), rows))

    def result(self) -> Result:
        """Of the rows stored between the two marks."""
        first, last = self.marks
        wall, cpu, clickhouse, rows = (end - begin for begin, end in zip(first, last, strict=True))
        return Result(rows / wall, cpu / rows * 1e6, clickhouse / rows * 1e6)


class Database:
    """An empty database with the program's tables; dropped at the end, so that its merges disturb nobody."""

    def __init__(self, servers: Servers) -> None:
        settings = ClickHouseSettings(url=servers.clickhouse.url, password=PASSWORDS["watchloop"])
        self.warehouse = Warehouse(msgspec.structs.replace(settings, database=f"run{next(_numbers)}"))

    def __enter__(self) -> Warehouse:
        self.warehouse.install()
        return self.warehouse

    def __exit__(self, *_: object) -> None:
        self.warehouse.command(f"DROP DATABASE {self.warehouse.settings.database} SYNC")
        self.warehouse.close()


def fill(kafka: KafkaSettings, load: Load, values: Sequence[Wire]) -> None:
    """Produce the values, partition by partition in turn."""
    producer = Producer({**producer_config(kafka), "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
    step = load.rows_per_message
    for number, start in enumerate(range(0, len(values), step)):
        part = values[start : start + step]
        data = msgspec.json.encode(part[0] if step == 1 else part)
        producer.produce(kafka.prefix + load.topic.name, data, str(number), partition=number % PARTITIONS)
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise SystemExit("not all messages were produced within a minute")


def verdicts_of(events: Sequence[Prediction]) -> list[Verdict]:
    """A verdict for each event, a tenth of them for people."""
    return [
        Verdict(
            event_id=event.event_id,
            model=event.model,
            model_version=event.model_version,
            time=event.time if isinstance(event.time, int) else 0,
            decision="review" if number % 10 == 0 else "accept",
            reasons=("uncertain",) if number % 10 == 0 else (),
            uncertainty=round(1.0 - (event.confidence or 0.0), 6),
            inclusion_probability=1.0 if number % 10 == 0 else 0.02,
            policy_version="b0.1-a0.02",
            task_id=f"task-{event.event_id}" if number % 10 == 0 else "",
            decided_at=(event.time if isinstance(event.time, int) else 0) + 20,
        )
        for number, event in enumerate(events)
    ]


def run_record(servers: Servers, load: Load, inserts: list[Insert] | None = None) -> Result:
    """The whole of RECORD: consume, decode, check, columns, inserts, offsets; ``inserts`` collects what it sends."""
    stop, meter, seen = threading.Event(), Meter(servers), 0
    with Database(servers) as warehouse:
        write = warehouse.write

        def collect(table: str, insert: Insert) -> None:
            write(table, insert)
            if inserts is not None:
                inserts.append(insert)

        warehouse.write = collect  # type: ignore[method-assign]
        recorder = Recorder(
            warehouse,
            servers.kafka.prefix,
            topic_ids=lambda: topic_ids(servers.kafka),
            future_seconds_max=86_400,
            stop=stop,
        )

        def handle(records: Sequence[Record], outbox: Outbox) -> None:
            nonlocal seen
            if records and not seen:
                meter.mark(0)
            recorder.handle(records, outbox)
            seen += len(records) * load.rows_per_message
            if seen >= load.rows:
                meter.mark(seen)
                stop.set()

        batches = GroupBatches(
            servers.kafka,
            group=f"record{next(_numbers)}",
            topics=[load.topic],
            handle=handle,
            on_assign=recorder.assigned,
            batch=BATCH,
        )
        timer = threading.Timer(SECONDS_MAX, stop.set)
        timer.start()
        batches.run(stop)
        timer.cancel()
        stored = warehouse.query(f"SELECT count() AS n FROM {load.topic.name}")[0]["n"]
        if stored != load.rows:
            raise SystemExit(f"{stored} rows are stored, not {load.rows}")
    return meter.result()


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """An insert, encoded already."""

    rows: int
    data: bytes
    columns: tuple[str, ...] | None
    token: str


def arrow_blocks(inserts: Sequence[Insert]) -> list[Block]:
    """The inserts as RECORD sends them."""
    return [Block(len(one), one.block(), one.columns, one.token) for one in inserts]


def json_blocks(inserts: Sequence[Insert]) -> list[Block]:
    """The same rows as JSONEachRow."""
    encoder = msgspec.json.Encoder()
    return [
        Block(len(one), encoder.encode_lines([json_row(row) for row in rows_of(one)]), None, one.token)
        for one in inserts
    ]


def rows_of(insert: Insert) -> list[dict[str, Any]]:
    """The rows of an insert of columns."""
    assert isinstance(insert, ColumnInsert)
    rows: list[dict[str, Any]] = insert.batch.to_pylist(maps_as_pydicts="strict")
    return rows


def json_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its times in seconds."""
    return {name: value.timestamp() if isinstance(value, datetime) else value for name, value in row.items()}


def run_bare(servers: Servers, load: Load, fmt: str, blocks: Sequence[Block]) -> Result:
    """The same inserts, one after the other, and nothing else."""
    meter, rows = Meter(servers), 0
    host, _, port = servers.clickhouse.url.removeprefix("http://").partition(":")
    with Database(servers) as warehouse:
        database = warehouse.settings.database
        client = clickhouse_connect.get_client(
            host=host, port=int(port), username="watchloop", password=PASSWORDS["watchloop"], database=database
        )
        meter.mark(0)
        for block in blocks:
            settings = {**INSERT_SETTINGS, "insert_deduplication_token": block.token}
            client.raw_insert(f"{database}.{load.topic.name}", block.columns, block.data, settings=settings, fmt=fmt)
            rows += block.rows
        meter.mark(rows)
        client.close()
    return meter.result()


Peer = Callable[[], Result]


def peers(servers: Servers, load: Load) -> tuple[dict[str, Peer], str]:
    """Everything that is measured, by name, the floor first; and what the inserts were."""
    inserts: list[Insert] = []
    run_record(servers, load, inserts)
    as_json, as_arrow = json_blocks(inserts), arrow_blocks(inserts)
    sizes = [
        f"{statistics.mean(len(block.data) for block in blocks) * len(blocks) / load.rows:.0f} bytes a row as {name}"
        for name, blocks in (("JSON", as_json), ("Arrow", as_arrow))
    ]
    about = f"{len(inserts)} inserts of {load.rows / len(inserts):,.0f} rows, {', '.join(sizes)}"
    return {
        "bare insert, JSONEachRow": lambda: run_bare(servers, load, "JSONEachRow", as_json),
        "bare insert, ArrowStream": lambda: run_bare(servers, load, "ArrowStream", as_arrow),
        "watchloop RECORD": lambda: run_record(servers, load),
    }, about


def measure(found: dict[str, Peer], runs: int) -> dict[str, list[Result]]:
    """Every peer ``runs`` times, in alternating order."""
    results: dict[str, list[Result]] = {name: [] for name in found}
    for run in range(runs):
        for name in found if run % 2 == 0 else reversed(found):
            results[name].append(found[name]())
    return results


def report(load: Load, results: dict[str, list[Result]]) -> str:
    """A table of medians, as ratios to each bare insert."""
    rates = {name: statistics.median(result.rate for result in found) for name, found in results.items()}
    floor, fastest = list(rates.values())[:2]
    rows = [
        (name, f"{rates[name]:,.0f}", f"{rates[name] / floor:.2f}", f"{rates[name] / fastest:.2f}",
         f"{statistics.median(result.cpu_us for result in found):.2f}",
         f"{statistics.median(result.clickhouse_us for result in found):.2f}")
        for name, found in results.items()
    ]  # fmt: skip
    return table((load.name, "rows/s", "of JSON", "of Arrow", "CPU µs/row", "ClickHouse's"), rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000, help="rows of each load")
    parser.add_argument("--runs", type=int, default=5, help="runs of each peer; the median counts")
    parser.add_argument("--only", choices=("predictions", "verdicts"), help="one load instead of both")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    events = predictions_of(options.rows)
    loads: dict[str, tuple[Load, Sequence[Wire]]] = {
        "predictions": (Load("predictions, single JSON events", PREDICTIONS, len(events), 1), events),
        "verdicts": (
            Load(f"verdicts, arrays of {VERDICTS_PER_MESSAGE}", VERDICTS, len(events), VERDICTS_PER_MESSAGE),
            verdicts_of(events),
        ),
    }
    settle_memory()
    print(f"{machine()}; {len(events):,} rows, {PARTITIONS} partitions, median of {options.runs}\n", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="watchloop-bench-") as folder,
        EmbeddedKafka(Path(folder), EmbeddedKafkaSettings()) as broker,
        EmbeddedClickHouse(
            Path(folder) / "clickhouse", EmbeddedClickHouseSettings(), passwords=PASSWORDS
        ) as clickhouse,
    ):
        kafka = KafkaSettings(bootstrap=broker.bootstrap, prefix="record.", partitions=PARTITIONS)
        create_topics(kafka)
        servers = Servers(kafka, clickhouse)
        for name, (load, values) in loads.items():
            if options.only not in (None, name):
                continue
            fill(kafka, load, values)
            found, about = peers(servers, load)
            print(report(load, measure(found, options.runs)), f"\n{about}\n", flush=True)


if __name__ == "__main__":
    main()
