"""From an event's production until its verdict can be read, beside a loop that only forwards in transactions."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from agents.intake.role import GATHER_SECONDS, WAIT_SECONDS
from agents.settings import WorkerSettings
from benchmarks.common import MODEL, table
from benchmarks.figures import Figure
from benchmarks.loads import Load
from benchmarks.processes.child import Child
from benchmarks.stage import START_SECONDS_MAX, Stage
from streams.settings import KafkaSettings

P50_MAX, P99_MAX = 1.3, 2.0
SIMPLE, SHORT, OVERLAPPED = "bare loop", "bare loop, waiting as short as INTAKE", "bare loop, taking while it commits"
FLOORS, INTAKE = (SIMPLE, SHORT, OVERLAPPED), "watchloop INTAKE"
SLACK_SECONDS = 1.0
"""How far one partition's verdicts may be behind another's."""
NEVER = 1 << 60


def run(stage: Stage, figures: list[Figure]) -> Iterator[str]:
    """A table of the time from a prediction to its verdict, at a steady rate; adds its figures to reach."""
    sizes, load = stage.sizes, Load(events=NEVER)
    results: dict[str, list[Mapping[str, Any]]] = {name: [] for name in (*FLOORS, INTAKE)}
    for number in range(sizes.latency_runs):
        for name in list(results) if number % 2 == 0 else reversed(results):
            with stage.topics(load) as kafka, start(stage, kafka, load, name) as child:
                child.wait_for("assigned", START_SECONDS_MAX, partitions=load.partitions)
                results[name].append(measure(stage, kafka))

    def median(name: str, value: str) -> float:
        return float(statistics.median(result[value] for result in results[name]))

    # The floor is whichever way of writing the loop is the quicker one here, for each figure.
    floor = {value: min(median(name, value) for name in FLOORS) for value in ("p50_ms", "p99_ms")}
    rows = []
    for name in results:
        is_intake = name == INTAKE
        p50, p99 = median(name, "p50_ms"), median(name, "p99_ms")
        rows.append(
            (
                name,
                f"{p50:.1f}",
                f"{p50 / floor['p50_ms']:.2f}",
                f"{P50_MAX:g}" if is_intake else "",
                f"{p99:.1f}",
                f"{p99 / floor['p99_ms']:.2f}",
                f"{P99_MAX:g}" if is_intake else "",
                f"{median(name, 'rate'):,.0f}",
            )
        )
    head = f"produce → readable, {sizes.rate:,} events/s"
    yield table((head, "p50 ms", "× the floor", "at most", "p99 ms", "× the floor", "at most", "read/s"), rows)
    for value, bound in (("p50_ms", P50_MAX), ("p99_ms", P99_MAX)):
        ratio = median(INTAKE, value) / floor[value]
        figures.append(Figure(f"latency {value[:3]}, × a bare transactional loop", ratio, bound, at_least=False))


def start(stage: Stage, kafka: KafkaSettings, load: Load, name: str) -> Child:
    """Whoever stands between producer and reader."""
    if name == INTAKE:
        return stage.intake(kafka, load)
    events_max = WorkerSettings().batch_events_max
    return stage.start(
        "bare",
        kafka,
        key=MODEL,
        overlapped=name == OVERLAPPED,
        events_max=events_max,
        wait_seconds=GATHER_SECONDS if name == SHORT else WAIT_SECONDS,
    )


def measure(stage: Stage, kafka: KafkaSettings) -> dict[str, Any]:
    """Produce at a steady rate, read, and count what was sent after the warm-up."""
    sizes = stage.sizes
    seconds = sizes.latency_warm_up_seconds + sizes.latency_seconds + 3 * SLACK_SECONDS
    reading = stage.start(
        "reader",
        kafka,
        warm_up_seconds=sizes.latency_warm_up_seconds,
        seconds=sizes.latency_seconds,
        slack_seconds=SLACK_SECONDS,
        seconds_max=seconds + START_SECONDS_MAX,
    )
    with reading as reader:
        reader.wait_for("ready", START_SECONDS_MAX)
        with stage.start("paced", kafka, rate=sizes.rate, seconds=seconds) as producer:
            producer.wait_for("begins", START_SECONDS_MAX)
            return reader.wait_for("result", seconds + 2 * START_SECONDS_MAX)
