"""Every figure of the hot path beside its floor: ``python -m benchmarks.hotpath [PART …] [--quick]``.

One embedded Kafka, the same events, every measured process a process of its own, INTAKE as the program assembles it,
peers in alternating order, medians. A rate counts from a batch in hand to a batch in hand, after a sixth of the load;
CPU is that of the whole process, the Kafka client's threads included.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from agents.shared.memory import settle_memory
from benchmarks.common import bytes_of, machine
from benchmarks.figures import Figure, summary
from benchmarks.loads import Load, stock_of
from benchmarks.parts import growth, latency, learned, memory, peers, signed_in, throughput, workers
from benchmarks.processes.child import ROOT, FailedError
from benchmarks.stage import Sizes, Stage
from embedded.kafka.server import EmbeddedKafka
from embedded.kafka.settings import EmbeddedKafkaSettings

PARTS: dict[str, Callable[[Stage, list[Figure]], Iterator[str]]] = {
    "throughput": throughput.run,
    "peers": peers.run,
    "workers": workers.run,
    "signed_in": signed_in.run,
    "latency": latency.run,
    "memory": memory.run,
    "growth": growth.run,
    "learned": learned.run,
}
USUAL = tuple(name for name in PARTS if name != "learned")
QUICK = Sizes(
    events=48_000,
    runs=1,
    warm_up_events=60_000,
    faust_events=4_000,
    growth_events=24_000,
    growth_runs=1,
    latency_warm_up_seconds=1.0,
    latency_seconds=3.0,
    latency_runs=1,
    memory_events=(100_000, 300_000),
)
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
EVENTS_STEP = 2_000
"""Loads are whole messages, the same on each partition."""


def main() -> None:
    """Measure the parts that the command line names, and print a table of each and of the figures to reach."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (without any: all but `learned`)")
    parser.add_argument("--quick", action="store_true", help="all of it small: to see that it works")
    parser.add_argument("--events", type=int, help="single events of a load")
    parser.add_argument("--runs", type=int, help="runs of each peer; the median counts")
    parser.add_argument(
        "--quixstreams", type=Path, metavar="PYTHON", help="the Python of an environment with benchmarks/peers.txt"
    )
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    sizes = QUICK if options.quick else Sizes()
    if options.events:
        events = -(-options.events // EVENTS_STEP) * EVENTS_STEP
        sizes = dataclasses.replace(sizes, events=events, growth_events=events // 2)
    if options.runs:
        sizes = dataclasses.replace(sizes, runs=options.runs, growth_runs=options.runs, latency_runs=options.runs)
    quix = options.quixstreams or (PEERS_PYTHON if PEERS_PYTHON.exists() else None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        run([name for name in PARTS if name in (options.parts or USUAL)], sizes, quix)
    except FailedError as error:
        raise SystemExit(str(error)) from None


def run(parts: list[str], sizes: Sizes, quix: Path | None) -> None:
    """Start a broker, run the parts, print what they find."""
    begin = time.monotonic()
    print(f"{machine()}; {sizes.events:,} events of {bytes_of(stock_of().events[0])} bytes, ", end="")
    print(f"{Load(1).partitions} partitions, median of {sizes.runs}\n", flush=True)
    settle_memory()
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="watchloop-bench-") as folder,
        EmbeddedKafka(Path(folder) / "kafka", EmbeddedKafkaSettings(), access=signed_in.ACCESS) as running,
    ):
        pids = [process.pid for process in running.processes.values()]
        sign_in = functools.partial(signed_in.as_intake, bootstrap=running.users_bootstrap)
        stage = Stage(running.bootstrap, Path(folder), sizes, quix, pids, sign_in)
        stage.data.mkdir()
        warm_up(stage)
        for name in parts:
            for text in PARTS[name](stage, figures):
                if text:
                    print(text, "\n", flush=True)
    if figures:
        print(summary(figures), "\n")
    print(f"{time.monotonic() - begin:.0f} s")


def warm_up(stage: Stage) -> None:
    """A round that is not counted."""
    load = Load(stage.sizes.warm_up_events)
    with stage.filled(load) as kafka:
        stage.plain(kafka, load)
        stage.judged(kafka, load)


if __name__ == "__main__":
    main()
