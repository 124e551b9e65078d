"""Decisions: what triage says of a batch, as columns."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.wire.task import Lane
from schemas.wire.verdict import Decision

__all__ = ["ACCEPT", "DECISIONS", "ESCALATE", "REVIEW", "Decisions", "Flags", "Floats", "Reasons"]

ACCEPT: Final = 0
REVIEW: Final = 1
ESCALATE: Final = 2
DECISIONS: Final[tuple[Decision, ...]] = ("accept", "review", "escalate")
LANE_OF_CODE: Final[tuple[Lane, ...]] = ("audit", "review", "escalate")
"""The lane of what a person sees: what is accepted and seen all the same was drawn for the audit sample."""

Reasons = tuple[str, ...]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Decisions:
    """Columns, one entry an event, in the order of the events.

    ``codes`` index DECISIONS; ``inclusion_probability`` is the chance, fixed before anyone looked, that the event
    reaches a person (0 only without consent); ``audit`` marks accepted events drawn at random for review.
    ``audit_probability`` is the chance with which the audit sample drew an event, whatever else brings it to a person,
    and 0 where it did not.
    """

    codes: npt.NDArray[np.int8]
    inclusion_probability: Floats
    uncertainty: Floats
    error_probability: Floats | None
    scores: Floats
    audit: Flags
    audit_probability: Floats
    reasons: list[Reasons]

    @property
    def seen(self) -> Flags:
        """Events that reach a person: reviewed, escalated or drawn for the audit sample."""
        seen: Flags = (self.codes != ACCEPT) | self.audit
        return seen

    def lanes(self, indexes: npt.NDArray[np.int64]) -> list[Lane]:
        """The lanes of the tasks of events that a person sees.

        What the audit sample drew waits in a lane that does not expire, though it is wanted for review as well: an
        estimate from draws of which some are never answered is biased.
        """
        drawn = (self.audit_probability[indexes] > 0.0).tolist()
        codes = self.codes[indexes].tolist()
        return [
            "audit" if code == REVIEW and is_drawn else LANE_OF_CODE[code]
            for code, is_drawn in zip(codes, drawn, strict=True)
        ]
