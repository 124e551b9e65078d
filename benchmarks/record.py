"""How fast RECORD is, as a ratio to a bare insert of the same rows: ``python -m benchmarks.record``.

One embedded Kafka and one embedded ClickHouse, the same events, the peers in alternating order, each into a database of
its own, the median of ``--runs``. A bare insert sends the very inserts that RECORD made in a run before, encoded before
the clock runs, one after the other, and nothing else: as JSONEachRow, which is the floor, and as ArrowStream, which is
what RECORD sends. RECORD has a process of its own, and its clock runs from the assignment of partitions until the last
row is stored. CPU is that of the process, the Kafka client's threads included, and beside it ClickHouse's; memory is
the peak of what is resident of RECORD's process.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect
import msgspec
import structlog
from confluent_kafka import Producer

from agents.intake.verdicts import VERDICTS_PER_STREAM
from agents.shared.memory import settle_memory
from benchmarks.blocks import Block, arrow_blocks, json_blocks
from benchmarks.common import machine, predictions_of, table
from benchmarks.processes.child import Child
from benchmarks.processes.record import Backlog, Recording, record
from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from embedded.kafka.server import EmbeddedKafka
from embedded.kafka.settings import EmbeddedKafkaSettings
from schemas.columns.verdict_columns import batch_of_verdicts, verdict_streams
from schemas.topics import PREDICTIONS, VERDICTS, Topic
from schemas.wire.base import Wire
from schemas.wire.prediction import Prediction
from schemas.wire.verdict import Verdict
from streams.admin.authority import EVERYBODY
from streams.admin.topics import create_topics
from streams.produce.outbox import producer_config
from streams.settings import MESSAGE_BYTES_MAX_DEFAULT, KafkaSettings
from warehouse.client import INSERT_SETTINGS, Warehouse
from warehouse.settings import ClickHouseSettings
from warehouse.store.inserts import Insert

PARTITIONS = 4
VERDICTS_PER_MESSAGE = 200
PREDICTIONS_PER_MESSAGE = 2_000
"""Nearly a MiB: the largest arrays that producers are advised to send."""
SECONDS_MAX = 300.0
QUEUED_BYTES_MAX = 128 * 1024 * 1024
PASSWORDS = {"watchloop": "writer", "analyst": "reader"}

COUNTED = 0.75
"""Of the rows, at least: with the rest behind them no batch waits for more."""

_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """A topic full of rows: how many, how many a message holds, and whether messages are Arrow."""

    name: str
    topic: Topic
    rows: int
    rows_per_message: int
    is_arrow: bool = False

    def message(self, values: Sequence[Any]) -> bytes:
        """The bytes of a message of these values."""
        if self.is_arrow:
            batch = batch_of_verdicts(values)
            (data,) = verdict_streams(batch, rows_max=len(values), bytes_max=MESSAGE_BYTES_MAX_DEFAULT)
            return data
        return msgspec.json.encode(values[0] if self.rows_per_message == 1 else values)


def loads_of(rows: int) -> dict[str, Load]:
    """What is measured, by its name on the command line."""
    arrays, verdicts, streams = PREDICTIONS_PER_MESSAGE, VERDICTS_PER_MESSAGE, VERDICTS_PER_STREAM
    return {
        "predictions": Load("predictions, single JSON events", PREDICTIONS, rows, 1),
        "arrays": Load(f"predictions, arrays of {arrays:,}", PREDICTIONS, rows, arrays),
        "verdicts": Load(f"verdicts, arrays of {verdicts}", VERDICTS, rows, verdicts),
        "arrow": Load(f"verdicts, Arrow of {streams:,}", VERDICTS, rows, streams, is_arrow=True),
    }


@dataclasses.dataclass(frozen=True, slots=True)
class Servers:
    """Where the rows come from and where they go; ``folder`` is for the last words of processes."""

    kafka: KafkaSettings
    clickhouse: EmbeddedClickHouse
    folder: Path

    @property
    def clickhouse_pid(self) -> int:
        """Of the process that is asked for its CPU."""
        assert self.clickhouse.process is not None
        return self.clickhouse.process.pid


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """Rows a second; microseconds of CPU a row, here and in ClickHouse; the process's peak of resident MiB, or NaN."""

    rate: float
    cpu_us: float
    clickhouse_us: float
    peak_mib: float = math.nan


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
        data = load.message(part)
        while len(producer) * len(data) > QUEUED_BYTES_MAX:
            producer.poll(0.1)
        producer.produce(kafka.prefix + load.topic.name, data, str(number), partition=number % PARTITIONS)
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


def backlog_of(load: Load) -> Backlog:
    """The load as a new group finds it."""
    return Backlog(load.topic.name, int(load.rows * COUNTED), load.rows_per_message, f"record{next(_numbers)}")


def inserts_of(servers: Servers, load: Load) -> list[Insert]:
    """What RECORD sends for a load."""
    inserts: list[Insert] = []
    with Database(servers) as warehouse:
        write = warehouse.write

        def collect(table: str, insert: Insert) -> None:
            write(table, insert)
            inserts.append(insert)

        warehouse.write = collect  # type: ignore[method-assign]
        record(servers.kafka, warehouse, Recording(backlog_of(load), servers.clickhouse_pid))
    return inserts


def run_record(servers: Servers, load: Load) -> Result:
    """The whole of RECORD, in a process of its own."""
    with Database(servers) as warehouse:
        spec = {
            "kafka": msgspec.to_builtins(servers.kafka),
            "clickhouse": msgspec.to_builtins(warehouse.settings),
            "clickhouse_pid": servers.clickhouse_pid,
            "backlog": dataclasses.asdict(backlog_of(load)),
        }
        with Child("record", spec, servers.folder) as child:
            result = child.wait_for("result", SECONDS_MAX)
    return Result(result["rate"], result["cpu_us"], result["clickhouse_us"], result["peak_bytes"] / 2**20)


def run_bare(servers: Servers, load: Load, fmt: str, blocks: Sequence[Block]) -> Result:
    """The same inserts, one after the other, and nothing else."""
    recording = Recording(backlog_of(load), servers.clickhouse_pid)
    host, _, port = servers.clickhouse.url.removeprefix("http://").partition(":")
    with Database(servers) as warehouse:
        database = warehouse.settings.database
        client = clickhouse_connect.get_client(
            host=host, port=int(port), username="watchloop", password=PASSWORDS["watchloop"], database=database
        )
        recording.mark()
        for block in blocks:
            settings = {**INSERT_SETTINGS, "insert_deduplication_token": block.token}
            client.raw_insert(f"{database}.{load.topic.name}", block.columns, block.data, settings=settings, fmt=fmt)
            recording.seen += block.rows
        recording.mark()
        client.close()
    return Result(**recording.result())


Peer = Callable[[], Result]


def peers(servers: Servers, load: Load) -> tuple[dict[str, Peer], str]:
    """Everything that is measured, by name, the floor first; and what the inserts were."""
    inserts = inserts_of(servers, load)
    rows = sum(map(len, inserts))
    as_json, as_arrow = json_blocks(inserts), arrow_blocks(inserts)
    sizes = [
        f"{statistics.mean(len(block.data) for block in blocks) * len(blocks) / rows:.0f} bytes a row as {name}"
        for name, blocks in (("JSON", as_json), ("Arrow", as_arrow))
    ]
    about = f"{len(inserts)} inserts of {rows / len(inserts):,.0f} rows, {', '.join(sizes)}"
    return {
        "bare insert, JSONEachRow": lambda: run_bare(servers, load, "JSONEachRow", as_json),
        "bare insert, ArrowStream": lambda: run_bare(servers, load, "ArrowStream", as_arrow),
        "watchloop RECORD": lambda: run_record(servers, load),
    }, about


def measure(peers_by_name: dict[str, Peer], runs: int) -> dict[str, list[Result]]:
    """Every peer ``runs`` times, in alternating order."""
    results: dict[str, list[Result]] = {name: [] for name in peers_by_name}
    for run in range(runs):
        for name in peers_by_name if run % 2 == 0 else reversed(peers_by_name):
            results[name].append(peers_by_name[name]())
    return results


def report(load: Load, results: dict[str, list[Result]]) -> str:
    """A table of medians, as ratios to each bare insert."""
    rates = {name: statistics.median(result.rate for result in runs) for name, runs in results.items()}
    floor, fastest = list(rates.values())[:2]
    rows = [
        (name, f"{rates[name]:,.0f}", f"{rates[name] / floor:.2f}", f"{rates[name] / fastest:.2f}",
         f"{statistics.median(result.cpu_us for result in runs):.2f}",
         f"{statistics.median(result.clickhouse_us for result in runs):.2f}", peak_of(runs))
        for name, runs in results.items()
    ]  # fmt: skip
    return table((load.name, "rows/s", "of JSON", "of Arrow", "CPU µs/row", "ClickHouse's", "peak MiB"), rows)


def peak_of(results: Sequence[Result]) -> str:
    """The median peak of memory, where it was measured."""
    peak = statistics.median(result.peak_mib for result in results)
    return "" if math.isnan(peak) else f"{peak:.0f}"


def main() -> None:
    """Measure what the command line asks for, and print a table of each load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=800_000, help="rows of each load, more than a few batches")
    parser.add_argument("--runs", type=int, default=5, help="runs of each peer; the median counts")
    parser.add_argument("--only", choices=loads_of(0), help="one load instead of all")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    events = predictions_of(options.rows)
    loads = {name: load for name, load in loads_of(len(events)).items() if options.only in (None, name)}
    settle_memory()
    print(f"{machine()}; {len(events):,} rows, {PARTITIONS} partitions, median of {options.runs}\n", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="watchloop-bench-") as folder,
        EmbeddedKafka(Path(folder), EmbeddedKafkaSettings(), access=EVERYBODY) as broker,
        EmbeddedClickHouse(
            Path(folder) / "clickhouse", EmbeddedClickHouseSettings(), passwords=PASSWORDS
        ) as clickhouse,
    ):
        for name, load in loads.items():
            kafka = KafkaSettings(bootstrap=broker.bootstrap, prefix=f"{name}.", partitions=PARTITIONS)
            create_topics(kafka)
            fill(kafka, load, events if load.topic is PREDICTIONS else verdicts_of(events))
            peers_by_name, about = peers(Servers(kafka, clickhouse, Path(folder)), load)
            print(report(load, measure(peers_by_name, options.runs)), f"\n{about}\n", flush=True)


if __name__ == "__main__":
    main()
