"""INTAKE that signs in, as `up` has it, beside one that comes by an address where everybody may do everything."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

from benchmarks.common import table
from benchmarks.figures import Peer, Results, check_judged, median_of
from benchmarks.stage import Stage
from streams.admin.access import Grant, signed_in
from streams.admin.authority import EVERYBODY, Access
from streams.settings import KafkaSettings

__all__ = ["ACCESS", "as_intake", "run"]

PASSWORD: Final = secrets.token_urlsafe(24)
ACCESS: Final = Access(
    passwords={"intake": PASSWORD},
    grants=EVERYBODY.grants
    | {Grant("intake", resource, "*", "all") for resource in ("topic", "group", "transactional_id")},
)
PLAIN, SIGNED_IN = "no sign-in", "SASL/SCRAM, rights of its own"


def as_intake(kafka: KafkaSettings, *, bootstrap: str) -> KafkaSettings:
    """The settings with INTAKE's user."""
    return signed_in(kafka, bootstrap, {"intake": PASSWORD})


def run(stage: Stage, _figures: object) -> Iterator[str]:
    """One table; nothing is wanted of it but to be looked at."""
    load = stage.sizes.load()
    peers: dict[str, Peer] = {PLAIN: stage.judged, SIGNED_IN: stage.judged_signed_in}
    results: Results = {name: [] for name in peers}
    for number in range(stage.sizes.runs):
        for name in peers if number % 2 == 0 else reversed(peers):
            # What one INTAKE has judged the next would not judge again.
            with stage.filled(load) as kafka:
                results[name].append(peers[name](kafka, load))
    rates = {name: median_of(results, name, "rate") for name in results}
    costs = {name: median_of(results, name, "cpu_us") for name in results}
    brokers = {name: median_of(results, name, "broker_us") for name in results}
    rows = [
        (name, f"{rates[name]:,.0f}", f"{costs[name]:.2f}", f"{costs[name] / costs[PLAIN]:.2f}", f"{brokers[name]:.2f}")
        for name in results
    ]
    yield table((f"INTAKE, {load.title}", "events/s", "CPU µs/event", "× no sign-in", "broker's"), rows)
    for name in results:
        yield check_judged(results[name], load.events)
