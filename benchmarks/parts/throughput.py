"""Events a second and CPU an event, beside a loop that only consumes and decodes."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from benchmarks.common import table
from benchmarks.figures import Figure, Peer, Results, alternating, check_judged, median_of
from benchmarks.loads import Load
from benchmarks.stage import Stage

RATE_MIN = 0.5
CPU_MAX = 2.5
TRIED_EVENTS = 2_000
FLOOR, CONSUME, INTAKE = "plain decode", "plain consume, nothing decoded", "watchloop INTAKE"


def run(stage: Stage, figures: list[Figure]) -> Iterator[str]:
    """A table for each encoding."""
    for encoding in ("single", "arrays", "arrow"):
        load = stage.sizes.load(encoding)
        peers: dict[str, Peer] = {FLOOR: stage.plain, CONSUME: functools.partial(stage.plain, decode="nothing")}
        reads = is_read(stage, load)
        if reads:
            peers[INTAKE] = stage.judged
        results = alternating(stage, load, peers, stage.sizes.runs)
        yield report(load, results)
        if not reads:
            yield f"INTAKE does not read {load.title}: every message of a small load was rejected."
            continue
        yield check_judged(results[INTAKE], load.events)
        rate = median_of(results, INTAKE, "rate") / median_of(results, FLOOR, "rate")
        figures.append(Figure(f"{load.title}: events a second, of plain decode", rate, RATE_MIN, at_least=True))
        if encoding == "single":
            cost = median_of(results, INTAKE, "cpu_us") / median_of(results, FLOOR, "cpu_us")
            figures.append(Figure("CPU per single event, × plain decode", cost, CPU_MAX, at_least=False))


def is_read(stage: Stage, load: Load) -> bool:
    """Whether INTAKE reads this encoding: it is tried."""
    tried = Load(TRIED_EVENTS, load.encoding)
    with stage.filled(tried) as kafka:
        return bool(stage.judged(kafka, tried)["judged"])


def report(load: Load, results: Results) -> str:
    """Medians, and their ratios to the floor."""
    rates = {name: median_of(results, name, "rate") for name in results}
    costs = {name: median_of(results, name, "cpu_us") for name in results}
    rows = []
    for name in results:
        is_intake, is_single = name == INTAKE, load.encoding == "single"
        rows.append(
            (
                name,
                f"{rates[name]:,.0f}",
                f"{rates[name] / rates[FLOOR]:.2f}",
                f"{RATE_MIN:g}" if is_intake else "",
                f"{costs[name]:.2f}",
                f"{costs[name] / costs[FLOOR]:.2f}",
                f"{CPU_MAX:g}" if is_intake and is_single else "",
                f"{median_of(results, name, 'broker_us'):.2f}",
            )
        )
    columns = (load.title, "events/s", "of the floor", "at least", "CPU µs/event", "× the floor", "at most", "broker's")
    return table(columns, rows)
