"""What a learned model in charge adds to the cost of a single event."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.common import serving_of
from benchmarks.figures import Figure, Results, check_judged
from benchmarks.loads import stock_of
from benchmarks.parts.throughput import FLOOR, INTAKE, report
from benchmarks.stage import Stage
from learning.serving import ServingModel
from learning.settings import LearnSettings

CORRECTIONS = 1_500
MEMBERS_LINEAR = ("production", "recalibrated", "logistic")


def run(stage: Stage, _figures: list[Figure]) -> Iterator[str]:
    """A table of what a learned model in charge costs, by its members; adds no figure to reach."""
    load, past = stage.sizes.load(), stock_of().past[:CORRECTIONS]
    models: dict[str, ServingModel | None] = {
        INTAKE: None,
        "INTAKE, logistic in charge": serving_of(past, LearnSettings(members=MEMBERS_LINEAR)),
        "INTAKE, stack with forests in charge": serving_of(past, LearnSettings()),
    }
    results: Results = {FLOOR: [], **{name: [] for name in models}}
    for _ in range(stage.sizes.runs):
        for name, serving in models.items():
            with stage.filled(load, serving) as kafka:
                if serving is None:
                    results[FLOOR].append(stage.plain(kafka, load))
                results[name].append(stage.judged(kafka, load))
    yield report(load, results)
    for name in models:
        yield check_judged(results[name], load.events)
