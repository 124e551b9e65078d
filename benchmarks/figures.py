"""Figure: what was measured beside what is wanted of it."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.common import table
from benchmarks.loads import Load
from benchmarks.stage import Stage
from streams.settings import KafkaSettings

__all__ = ["Figure", "Peer", "Results", "alternating", "check_judged", "median_of", "summary"]

Results = dict[str, list[dict[str, Any]]]
Peer = Callable[[KafkaSettings, Load], dict[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One ratio, and the bound it is to keep."""

    what: str
    measured: float
    bound: float
    at_least: bool

    @property
    def wanted(self) -> str:
        """The bound in words, as a table shows it: at least 0.5."""
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}"

    @property
    def is_reached(self) -> bool:
        """Whether the bound is kept."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def summary(figures: Sequence[Figure]) -> str:
    """All of them in one table."""
    return table(
        ("figure", "wanted", "found", "reached"),
        [
            (figure.what, figure.wanted, f"{figure.measured:.2f}", "yes" if figure.is_reached else "no")
            for figure in figures
        ],
    )


def alternating(stage: Stage, load: Load, peers: Mapping[str, Peer], runs: int) -> Results:
    """Every peer ``runs`` times on the same events, in alternating order; the median counts."""
    results: Results = {name: [] for name in peers}
    for run in range(runs):
        with stage.filled(load) as kafka:
            for name in list(peers) if run % 2 == 0 else reversed(list(peers)):
                results[name].append(peers[name](kafka, load))
    return results


def median_of(results: Results, name: str, value: str) -> float:
    """The median of what one peer said."""
    return float(statistics.median(result[value] for result in results[name]))


def check_judged(results: Sequence[Mapping[str, Any]], events: int) -> str:
    """A line where INTAKE did not give every event of a load its verdict; empty where it did."""
    for result in results:
        if result["judged"] != events or result["rejects"] or result["duplicates"]:
            return (
                f"NOT ALL WORK WAS DONE: of {events:,} events {result['judged']:,} were judged, "
                f"{result['duplicates']:,} taken for duplicates; {result['rejects']:,} rejects"
            )
    return ""
