"""A batch before the threshold is looked at: columns that depend on each event alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from review.decisions import Decisions, Flags, Floats, Reasons
from review.rules import CompiledRules
from review.settings import TriageSettings
from review.uncertainty import prediction_uncertainty
from schemas.hashing import draws_of
from schemas.prediction_columns import PredictionColumns

__all__ = ["TriageBatch", "audit_rates", "scores_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class TriageBatch:
    """What is known of a batch before the threshold is looked at, and the columns to fill."""

    decisions: Decisions
    draws: Floats
    audit_rate: Floats
    reviewable: Flags
    is_open: Flags
    decided: Flags
    asked: Flags
    escalate: Flags
    risky: Flags
    matches: npt.NDArray[np.uint64]
    over_budget: Flags

    @classmethod
    def of(
        cls,
        settings: TriageSettings,
        rules: CompiledRules,
        salt: int,
        events: PredictionColumns,
        error_probability: Floats | None,
        learned_uncertainty: Floats | None,
        disagreement: Flags | None,
        decided: Flags | None,
        *,
        accepted: Reasons,
    ) -> TriageBatch:
        """Columns out of events; nothing here depends on other events. ``accepted``: the reasons to begin with."""
        size = len(events)
        uncertainty = prediction_uncertainty(events)
        reviewable = events.reviewable
        risky = events.risk >= settings.escalate_risk_min
        matches = rules.matches(events)
        escalate = reviewable & (risky | rules.escalating(matches))
        settled = np.zeros(size, np.bool_) if decided is None else decided & reviewable & ~escalate
        asked = reviewable & ~escalate & ~settled & (matches != 0)
        decisions = Decisions(
            codes=np.zeros(size, np.int8),
            inclusion_probability=np.zeros(size),
            uncertainty=uncertainty,
            error_probability=error_probability,
            scores=scores_of(settings, uncertainty, error_probability, learned_uncertainty),
            audit=np.zeros(size, np.bool_),
            reasons=[accepted] * size,
        )
        return cls(
            decisions=decisions,
            draws=draws_of(events.hashes, salt),
            audit_rate=audit_rates(settings, disagreement, size),
            reviewable=reviewable,
            is_open=reviewable & ~escalate & ~asked & ~settled,
            decided=settled,
            asked=asked,
            escalate=escalate,
            risky=risky,
            matches=matches,
            over_budget=np.zeros(size, np.bool_),
        )


def filled(given: Floats | None, fallback: Floats) -> Floats:
    """Given numbers, clipped to [0, 1]; the fallback where there are none."""
    return fallback if given is None else np.where(np.isnan(given), fallback, np.clip(given, 0.0, 1.0))


def scores_of(
    settings: TriageSettings, uncertainty: Floats, error_probability: Floats | None, learned_uncertainty: Floats | None
) -> Floats:
    """What a look of a person is worth, from 0 to 1, under the strategy."""
    error = filled(error_probability, uncertainty)
    doubt = filled(learned_uncertainty, uncertainty)
    if settings.strategy == "catch":
        return error
    if settings.strategy == "learn":
        return doubt
    return settings.mix_catch_weight * error + (1.0 - settings.mix_catch_weight) * doubt


def audit_rates(settings: TriageSettings, disagreement: Flags | None, size: int) -> Floats:
    """The audit rate of each event: raised where challenger and champion disagree, at most the budget."""
    if disagreement is None:
        return np.full(size, settings.audit_rate)
    raised = min(settings.budget, settings.audit_rate * settings.disagreement_audit_factor)
    return np.where(disagreement, raised, settings.audit_rate * settings.agreement_audit_factor)
