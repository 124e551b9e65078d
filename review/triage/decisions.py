"""What triage decides about a batch, as columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

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
Indexes = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Decisions:
    """Columns, one entry an event, in the order of the events.

    ``codes`` index DECISIONS. ``inclusion_probability`` is the probability, fixed before anyone looked, that the event
    reaches a person (0 only without consent). ``audit`` marks accepted events drawn at random for review.
    ``audit_probability`` is the probability with which the audit sample drew an event, also one that reaches a person
    for another reason; 0 where it did not draw it. ``reason_codes`` index ``reason_texts``.
    """

    codes: npt.NDArray[np.int8]
    inclusion_probability: Floats
    uncertainty: Floats
    scores: Floats
    audit: Flags
    audit_probability: Floats
    reason_codes: npt.NDArray[np.int32]
    reason_texts: tuple[Reasons, ...]

    @property
    def reasons(self) -> list[Reasons]:
        """The reasons of each event."""
        return list(map(self.reason_texts.__getitem__, self.reason_codes.tolist()))

    @classmethod
    def placed(cls, pieces: Sequence[tuple[Indexes, Decisions]], size: int) -> Decisions:
        """The decisions about ``size`` events, out of pieces that each decide about the events at its indexes."""
        if len(pieces) == 1:
            return pieces[0][1]
        firsts = [0, *accumulate(len(piece.reason_texts) for _, piece in pieces)]

        def placed(name: str) -> Any:
            columns = [getattr(piece, name) for _, piece in pieces]
            whole = np.empty(size, columns[0].dtype)
            for (indexes, _), column in zip(pieces, columns, strict=True):
                whole[indexes] = column
            return whole

        reason_codes = placed("reason_codes")
        for (indexes, _), first in zip(pieces, firsts, strict=False):
            reason_codes[indexes] += first
        return cls(
            codes=placed("codes"),
            inclusion_probability=placed("inclusion_probability"),
            uncertainty=placed("uncertainty"),
            scores=placed("scores"),
            audit=placed("audit"),
            audit_probability=placed("audit_probability"),
            reason_codes=reason_codes,
            reason_texts=tuple(texts for _, piece in pieces for texts in piece.reason_texts),
        )

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
