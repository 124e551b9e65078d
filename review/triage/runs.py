"""The runs of a batch between moves of the threshold, and what becomes of all its events in the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from review.triage.batch import TriageBatch
from review.triage.decisions import Flags, Floats
from review.triage.threshold import Bar

__all__ = ["BatchOutcome", "Indexes", "TriageRuns"]

Indexes = npt.NDArray[np.intp]


@dataclasses.dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What becomes of the events of a batch, as ascending indexes; an event at none of them is accepted.

    ``granted`` events were wanted for review while the purse held one; ``chance`` holds the probability with which each
    of them is reviewed. ``withheld`` events lack consent, ``over_budget`` ones found the purse empty.
    """

    reviewed: Indexes
    audited: Indexes
    over_budget: Indexes
    escalated: Indexes
    withheld: Indexes
    granted: Indexes
    chance: Floats


class TriageRuns:
    """Collects, run by run, the events of a batch that may reach a person; the others are accepted."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._indexes: list[Indexes] = []
        self._refused: list[int] = []
        self._bars: list[Bar] = []

    def add(self, start: int, indexes: Indexes, refused: list[int], bar: Bar) -> None:
        """Add a run that begins at index ``start`` and whose scores were compared with ``bar``.

        ``indexes`` are those of the events that may reach a person, counted from ``start``; ``refused`` are indexes in
        the batch at which the purse held no review.
        """
        self._starts.append(start)
        self._indexes.append(indexes)
        self._bars.append(bar)
        self._refused += refused

    def outcome(self, batch: TriageBatch) -> BatchOutcome:
        """What becomes of the events, once all runs are added."""
        if not self._indexes:
            self.add(0, np.zeros(0, np.intp), [], Bar(0.0, 0.0, 0.0))
        indexes = np.concatenate(self._indexes) + self._spread(self._starts)
        chance, held = self._chances(batch, indexes), self._held(batch, indexes)
        audit_drawn, drawn = batch.audit_drawn[indexes], batch.draws[indexes] < chance
        wants = chance > batch.audit_rate[indexes]
        granted = wants & held
        reviewed = granted & drawn & ((chance == 1.0) | ~audit_drawn)
        audited = audit_drawn & ~reviewed
        return BatchOutcome(
            reviewed=indexes[reviewed],
            audited=indexes[audited],
            over_budget=indexes[wants & ~held & ~audited],
            escalated=batch.escalate.nonzero()[0],
            withheld=(~batch.reviewable).nonzero()[0],
            granted=indexes[granted],
            chance=chance[granted],
        )

    def _chances(self, batch: TriageBatch, indexes: Indexes) -> Floats:
        """The probability with which each event is wanted for review; the audit rate where it is not."""
        scores, rate, is_open = batch.scores[indexes], batch.audit_rate[indexes], batch.is_open[indexes]
        wanted_from, sure_from, ties = zip(*self._bars, strict=True)
        sure = batch.asked[indexes] | (is_open & (scores >= self._spread(sure_from)))
        chance = np.where(sure, 1.0, rate)
        if wanted_from != sure_from:
            by_lot = is_open & ~sure & (scores >= self._spread(wanted_from))
            chance = np.where(by_lot, np.maximum(self._spread(ties), rate), chance)
        return chance

    def _held(self, batch: TriageBatch, indexes: Indexes) -> Flags | np.bool_:
        """Whether the purse held a review for each event; one value where it always did."""
        if not self._refused:
            return np.True_
        held = np.ones(len(batch), np.bool_)
        held[self._refused] = False
        return held[indexes]

    def _spread(self, values: Sequence[float]) -> npt.NDArray[Any] | float:
        """The value of each run, repeated for its collected events; the value itself if there is only one run."""
        return values[0] if len(values) == 1 else np.repeat(values, [len(run) for run in self._indexes])
