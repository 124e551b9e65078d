"""Runs: what happened between moves of the threshold, from which the decisions of a whole batch follow at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from review.triage.batch import TriageBatch
from review.triage.decisions import Flags, Floats
from review.triage.threshold import Bar

__all__ = ["Outcome", "Places", "TriageRuns"]

Places = npt.NDArray[np.intp]


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """Places in the batch, ascending; those not named are accepted.

    ``chance`` belongs to ``granted``, for which the purse held a review: the chance with which that became one.
    """

    reviewed: Places
    audited: Places
    over_budget: Places
    escalated: Places
    withheld: Places
    granted: Places
    chance: Floats


class TriageRuns:
    """Collects the events of one batch that the threshold or the purse has a say in; the others are accepted."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._places: list[Places] = []
        self._refused: list[int] = []
        self._bars: list[Bar] = []

    def add(self, start: int, places: Places, refused: list[int], bar: Bar) -> None:
        """One run: the place of its first event, ``places`` of such events counted from there, and the bar for them.

        ``refused`` are places in the batch at which the purse held no review.
        """
        self._starts.append(start)
        self._places.append(places)
        self._bars.append(bar)
        self._refused += refused

    def outcome(self, batch: TriageBatch) -> Outcome:
        """What becomes of the events."""
        if not self._places:
            self.add(0, np.zeros(0, np.intp), [], Bar(0.0, 0.0, 0.0))
        places = np.concatenate(self._places) + self._spread(self._starts)
        chance, held = self._chances(batch, places), self._held(batch, places)
        audit_drawn, drawn = batch.audit_drawn[places], batch.draws[places] < chance
        wants = chance > batch.audit_rate[places]
        granted = wants & held
        reviewed = granted & drawn & ((chance == 1.0) | ~audit_drawn)
        audited = audit_drawn & ~reviewed
        return Outcome(
            reviewed=places[reviewed],
            audited=places[audited],
            over_budget=places[wants & ~held & ~audited],
            escalated=batch.escalate.nonzero()[0],
            withheld=(~batch.reviewable).nonzero()[0],
            granted=places[granted],
            chance=chance[granted],
        )

    def _chances(self, batch: TriageBatch, places: Places) -> Floats:
        """The chance with which a review is wanted, the audit rate where it is not."""
        scores, rate, is_open = batch.scores[places], batch.audit_rate[places], batch.is_open[places]
        wanted_from, sure_from, ties = zip(*self._bars, strict=True)
        sure = batch.asked[places] | (is_open & (scores >= self._spread(sure_from)))
        chance = np.where(sure, 1.0, rate)
        if wanted_from != sure_from:
            by_lot = is_open & ~sure & (scores >= self._spread(wanted_from))
            chance = np.where(by_lot, np.maximum(self._spread(ties), rate), chance)
        return chance

    def _held(self, batch: TriageBatch, places: Places) -> Flags | np.bool_:
        """Where the purse held a review; one answer where it always did."""
        if not self._refused:
            return np.True_
        held = np.ones(len(batch), np.bool_)
        held[self._refused] = False
        return held[places]

    def _spread(self, values: Sequence[float]) -> npt.NDArray[Any] | float:
        """One value a run, for each of its events; the value itself where there is one run only."""
        return values[0] if len(values) == 1 else np.repeat(values, [len(run) for run in self._places])
