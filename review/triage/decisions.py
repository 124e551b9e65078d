"""What triage decides about a batch, as columns."""

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
"""The lane of a task by the code of its decision: accepted events that people see were drawn for the audit sample."""

Reasons = tuple[str, ...]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Decisions:
    """Columns, one entry an event, in the order of the events.

    ``codes`` index DECISIONS. ``inclusion_probability`` is the probability, fixed before anyone looked, that the event
    reaches a person (0 only without consent). ``audit`` marks accepted events drawn at random for review.
    ``audit_probability`` is the probability with which the audit sample drew an event, also one that reaches a person
    for another reason; 0 where it did not draw it.
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
        """Whether each event reaches a person: reviewed, escalated or drawn for the audit sample; shape (events,)."""
        seen: Flags = (self.codes != ACCEPT) | self.audit
        return seen

    def lanes(self, indexes: npt.NDArray[np.int64]) -> list[Lane]:
        """The lanes of the tasks of the events at ``indexes``, which people see.

        A draw of the audit sample that is also wanted for review waits in the audit lane, where tasks do not expire: an
        estimate is biased if some of its draws are never answered.
        """
        drawn = (self.audit_probability[indexes] > 0.0).tolist()
        codes = self.codes[indexes].tolist()
        return [
            "audit" if code == REVIEW and is_drawn else LANE_OF_CODE[code]
            for code, is_drawn in zip(codes, drawn, strict=True)
        ]
