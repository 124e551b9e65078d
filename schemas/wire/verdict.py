"""Verdict: what triage says of one prediction."""

from __future__ import annotations

from typing import Literal

from schemas.wire.base import EpochMs, Id, Name, Probability, Wire

__all__ = ["Decision", "Verdict"]

Decision = Literal["accept", "review", "escalate"]


class Verdict(Wire, frozen=True, kw_only=True):
    """One decision about one prediction, with its reasons.

    ``inclusion_probability`` is the chance, fixed before anyone looked, that this prediction reaches a person; it is
    zero only where the event may not be reviewed (consent). ``audit`` marks accepted predictions that were drawn at
    random for review. ``error_probability`` is the loop's estimate that the prediction is wrong; ``learned_prediction``
    is what the learned model in charge (``learned_version``) answers, empty while none is. If people settled the
    same question lately, ``correction_id`` names their correction and ``settled_label`` is its label.
    """

    event_id: Id
    model: Id
    model_version: Name = ""
    time: EpochMs
    decision: Decision
    reasons: tuple[str, ...] = ()
    uncertainty: Probability
    inclusion_probability: Probability
    error_probability: Probability | None = None
    audit: bool = False
    policy_version: Name = ""
    learned_version: Name = ""
    learned_prediction: Name = ""
    task_id: Name = ""
    decided_at: EpochMs
    correction_id: Name = ""
    settled_label: Name = ""
