"""How the cost of a single event grows: with partitions, with features, with models on the topic."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from benchmarks.common import table
from benchmarks.figures import Figure, alternating, check_judged, median_of
from benchmarks.loads import Load, stock_of
from benchmarks.stage import Stage

FLOOR, INTAKE = "plain decode", "watchloop INTAKE"
RATE_MIN, CPU_MAX = 0.5, 2.5


def loads(events: int) -> dict[str, Load]:
    """What is compared, by what is different in it; 100 features are four times the bytes."""
    usual = Load(events)
    return {
        "1 partition": dataclasses.replace(usual, partitions=1),
        "4 partitions, 8 features, 1 model": usual,
        "16 partitions": dataclasses.replace(usual, partitions=16),
        "10 features": dataclasses.replace(usual, features=10),
        "100 features": dataclasses.replace(usual, features=100, events=events // 2),
        "50 models": dataclasses.replace(usual, models=50),
    }


def run(stage: Stage, _figures: list[Figure]) -> Iterator[str]:
    """A table of rate, CPU and memory as features and models become more; adds no figure to reach."""
    rows, problems = [], []
    for name, load in loads(stage.sizes.growth_events).items():
        results = alternating(stage, load, {FLOOR: stage.plain, INTAKE: stage.judged}, stage.sizes.growth_runs)
        floor, floor_cost = median_of(results, FLOOR, "rate"), median_of(results, FLOOR, "cpu_us")
        rate, cost = median_of(results, INTAKE, "rate"), median_of(results, INTAKE, "cpu_us")
        size = len(stock_of(load.features, load.models).json[0])
        rows.append(
            (
                name,
                str(size),
                f"{floor:,.0f}",
                f"{rate:,.0f}",
                f"{rate / floor:.2f}",
                f"{floor_cost:.2f}",
                f"{cost:.2f}",
                f"{cost / floor_cost:.2f}",
            )
        )
        problems.append(check_judged(results[INTAKE], load.events))
    columns = (
        "single JSON events",
        "bytes",
        "floor: events/s",
        "INTAKE: events/s",
        f"of the floor (at least {RATE_MIN:g})",
        "floor: CPU µs",
        "INTAKE: CPU µs",
        f"× the floor (at most {CPU_MAX:g})",
    )
    yield table(columns, rows)
    yield from problems
