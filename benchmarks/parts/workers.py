"""Two workers that share the partitions, beside one that has them all."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.common import table
from benchmarks.figures import Figure, check_judged
from benchmarks.loads import Load, fill
from benchmarks.stage import SECONDS_MAX, START_SECONDS_MAX, Stage

COST_MAX = 1.15


def run(stage: Stage, figures: list[Figure]) -> Iterator[str]:
    """A table of one worker beside two on the same events; adds its figures to reach."""
    load = stage.sizes.load()
    results: dict[int, list[list[dict[str, Any]]]] = {1: [], 2: []}
    for number in range(stage.sizes.runs):
        for workers in (1, 2) if number % 2 == 0 else (2, 1):
            results[workers].append(measure(stage, load, workers))
    costs = {
        workers: statistics.median(
            sum(result["cpu_us"] * result["events"] for result in together)
            / sum(result["events"] for result in together)
            for together in runs
        )
        for workers, runs in results.items()
    }
    rates = {
        workers: statistics.median(sum(result["rate"] for result in together) for together in runs)
        for workers, runs in results.items()
    }
    ratio = costs[2] / costs[1]
    rows = [
        ("one", f"{rates[1]:,.0f}", f"{costs[1]:.2f}", "1.00", ""),
        ("two, the partitions split", f"{rates[2]:,.0f}", f"{costs[2]:.2f}", f"{ratio:.2f}", f"{COST_MAX:g}"),
    ]
    yield table(("workers", "events/s, together", "CPU µs/event", "× one", "at most"), rows)
    for workers, runs in results.items():
        for together in runs:
            yield check_judged(together, load.events // workers)
    figures.append(Figure("two workers: CPU per event, × one worker", ratio, COST_MAX, at_least=False))


def measure(stage: Stage, load: Load, workers: int) -> list[dict[str, Any]]:
    """What each worker says; the load comes, all at once, when each has its share of the partitions."""
    share = load.partitions // workers
    with stage.topics(load) as kafka, contextlib.ExitStack() as running:
        children = [
            running.enter_context(stage.intake(kafka, load, slot=str(slot), **stage.extent(load, workers)))
            for slot in range(workers)
        ]
        for child in children:
            child.wait_for("assigned", START_SECONDS_MAX, partitions=share)
        fill(kafka, load, at_once=True)
        return [child.wait_for("result", SECONDS_MAX) for child in children]
