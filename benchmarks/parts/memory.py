"""Resident memory of one INTAKE worker as events go through it."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.common import table
from benchmarks.figures import Figure, check_judged
from benchmarks.loads import Load, fill
from benchmarks.stage import SECONDS_MAX, START_SECONDS_MAX, Stage

GROWTH_MAX = 1.05
DEDUPE_MEMORY_MB_MAX = 8
"""So little that the memory of judged events is full when the first figure is taken: it grows by design until then."""
SLOWEST_RATE = 5_000
"""Events a second of a machine on which this is still worth waiting for."""


def run(stage: Stage, figures: list[Figure]) -> Iterator[str]:
    """One table; each figure is taken when all is committed that was produced, and a second has passed."""
    steps = stage.sizes.memory_events
    load, sizes = Load(steps[-1]), []
    worker = {"dedupe_memory_mb_max": DEDUPE_MEMORY_MB_MAX}
    with stage.topics(load) as kafka, stage.intake(kafka, load, steps=steps, worker=worker) as child:
        child.wait_for("assigned", START_SECONDS_MAX)
        begin = 0
        for step in steps:
            fill(kafka, Load(step - begin), begin=begin)
            sizes.append(child.wait_for("resident", SECONDS_MAX + (step - begin) / SLOWEST_RATE, events=step)["bytes"])
            begin = step
        result = child.wait_for("result", SECONDS_MAX)
    rows = [
        (
            f"{step:,}",
            f"{size / 2**20:.1f}",
            f"{size / sizes[0]:.3f}",
            f"{GROWTH_MAX:g}" if step == steps[-1] else "",
        )
        for step, size in zip(steps, sizes, strict=True)
    ]
    yield table(("events judged by one worker", "resident MiB", "× the first", "at most"), rows)
    yield check_judged([result], load.events)
    what = f"resident memory after {steps[-1]:,} events, × after {steps[0]:,}"
    figures.append(Figure(what, sizes[-1] / sizes[0], GROWTH_MAX, at_least=False))
