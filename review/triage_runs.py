"""Runs: what happened between moves of the threshold, from which the decisions of a whole batch follow at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from review.decisions import Flags, Floats
from review.triage_batch import TriageBatch

__all__ = ["Outcome", "TriageRuns"]

Places = npt.NDArray[np.intp]


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """Places in the batch, ascending: of what a person sees, of what the budget refused, of what was granted a review.

    ``chance`` belongs to ``granted``: the chance with which the grant leads to a review.
    """

    reviewed: Places
    audited: Places
    over_budget: Places
    granted: Places
    chance: Floats


class TriageRuns:
    """Collects the events of one batch that the threshold or the purse has a say in; the others are accepted."""

    def __init__(self) -> None:
        self._places: list[Places] = [np.zeros(0, np.intp)]
        self._values, self._tie_probabilities = [0.0], [0.0]
        self._refused: list[int] = []

    def add(self, places: Places, refused: list[int], value: float, tie_probability: float) -> None:
        """One run: such places, where the purse refused, and the threshold that held then."""
        self._places.append(places)
        self._refused += refused
        self._values.append(value)
        self._tie_probabilities.append(tie_probability)

    def outcome(self, batch: TriageBatch) -> Outcome:
        """What becomes of the events."""
        places = np.concatenate(self._places)
        chance, held = self._chances(batch, places), self._held(batch, places)
        audit_drawn, drawn = batch.audit_drawn[places], batch.draws[places] < chance
        wants = chance > batch.audit_rate[places]
        granted = wants & held
        reviewed = granted & drawn & ((chance == 1.0) | ~audit_drawn)
        audited = audit_drawn & ~reviewed
        return Outcome(
            reviewed=places[reviewed],
            audited=places[audited],
            over_budget=places[wants & ~held & ~audited] if self._refused else places[:0],
            granted=places[granted],
            chance=chance[granted],
        )

    def _chances(self, batch: TriageBatch, places: Places) -> Floats:
        """The chance with which a review is wanted, the audit rate where it is not."""
        counts = [len(run) for run in self._places]
        scores, rate = batch.scores[places], batch.audit_rate[places]
        values, ties = np.repeat(self._values, counts), np.repeat(self._tie_probabilities, counts)
        by_score = np.where(scores > values, 1.0, np.where(scores == values, ties, 0.0))
        by_score = np.where(batch.is_open[places], np.maximum(by_score, rate), rate)
        return np.where(batch.asked[places], 1.0, by_score)

    def _held(self, batch: TriageBatch, places: Places) -> Flags:
        """Where the purse held a review."""
        held = np.ones(len(batch), np.bool_)
        held[self._refused] = False
        return held[places]
