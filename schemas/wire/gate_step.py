"""GateStep: one look of the gate at a challenger."""

from __future__ import annotations

from typing import Literal

from schemas.wire.base import Count, EpochMs, Id, Name, Wire

__all__ = ["GateDecision", "GateStep"]

GateDecision = Literal["continue", "promoted", "refreshed", "refused", "rolled_back"]


class GateStep(Wire, frozen=True, kw_only=True):
    """Evidence for the challenger against the champion after ``corrections`` scored answers.

    ``log_evidence`` is the natural logarithm of an e-value; the challenger is promoted once it reaches
    ``log_threshold`` = ln(1/alpha). ``time`` is the clock's, when the newest of these answers was given.
    """

    model: Id
    gate: Id
    step: Count
    corrections: Count
    champion: Name
    challenger: Name
    log_evidence: float
    log_threshold: float
    decision: GateDecision
    reason: str = ""
    approved_by: Name = ""
    time: EpochMs
