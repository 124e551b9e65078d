"""INTAKE beside other stream processors that do less, on the same single events."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.common import table
from benchmarks.figures import Figure, alternating, check_judged, median_of
from benchmarks.loads import Load, stock_of
from benchmarks.stage import SECONDS_MAX, START_SECONDS_MAX, Stage
from schemas.topics import LABELS, PREDICTIONS
from streams.settings import KafkaSettings

INTAKE, FAUST, QUIX = "watchloop INTAKE", "faust agent: decode", "quixstreams: decode, filter, forward 5 %"
TIMES_MIN = {FAUST: 40.0, QUIX: 2.5}
SHORT = {FAUST: "a faust agent", QUIX: "quixstreams doing less"}
FORWARDED_SHARE = 0.05
NOT_INSTALLED = (
    "quixstreams was left out: it needs an environment of its own, since it wants an older confluent-kafka. "
    "`python -m venv .venv-peers && .venv-peers/bin/pip install -r benchmarks/peers.txt`, or `--quixstreams PYTHON`."
)


def run(stage: Stage, figures: list[Figure]) -> Iterator[str]:
    """A table of INTAKE beside other stream libraries on the same events; adds its figures to reach."""
    load = stage.sizes.load()

    def faust(kafka: KafkaSettings, load: Load) -> dict[str, Any]:
        few = dataclasses.replace(load, events=min(load.events, stage.sizes.faust_events))
        with stage.start("faust_agent", kafka, **stage.extent(few)) as child:
            return child.wait_for("result", START_SECONDS_MAX + SECONDS_MAX)

    peers = {INTAKE: stage.judged, FAUST: faust}
    if stage.quix_python is not None:
        peers[QUIX] = lambda kafka, load: quix(stage, kafka, load)
    results = alternating(stage, load, peers, stage.sizes.runs)
    rates = {name: median_of(results, name, "rate") for name in results}
    rows = []
    for name, rate in rates.items():
        times = rates[INTAKE] / rate
        wanted = TIMES_MIN.get(name)
        cost = median_of(results, name, "cpu_us")
        rows.append(
            (
                name,
                f"{rate:,.0f}",
                f"{times:.1f}",
                "" if wanted is None else f"{wanted:g}",
                f"{cost:.2f}",
                f"{cost / median_of(results, INTAKE, 'cpu_us'):.1f}",
            )
        )
        if wanted is not None:
            figures.append(Figure(f"{load.title}: events a second, × {SHORT[name]}", times, wanted, at_least=True))
    yield table((load.title, "events/s", "INTAKE is × this", "at least", "CPU µs/event", "× INTAKE's"), rows)
    yield check_judged(results[INTAKE], load.events)
    if stage.quix_python is None:
        yield NOT_INSTALLED


def quix(stage: Stage, kafka: KafkaSettings, load: Load) -> dict[str, Any]:
    """quixstreams in its own environment."""
    confidences = [event.confidence or 0.0 for event in stock_of().events]
    with stage.start(
        "quix",
        kafka,
        python=str(stage.quix_python),
        source=PREDICTIONS.name,
        # Not where verdicts go: INTAKE would take what it finds there for judged.
        target=LABELS.name,
        confidence_below=float(np.quantile(confidences, FORWARDED_SHARE)),
        **stage.extent(load),
    ) as child:
        return child.wait_for("result", START_SECONDS_MAX + SECONDS_MAX)
