"""A batch before the threshold is looked at: columns that depend on each event alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from review.settings import TriageSettings
from review.triage.compiled_rules import CompiledRules
from review.triage.decisions import Flags, Floats
from schemas.columns.prediction_columns import PredictionColumns
from schemas.hashing import draws_of

__all__ = ["TriageBatch", "prediction_uncertainty"]

ALWAYS: Final = np.inf
NEVER: Final = -np.inf
"""Stakes above and below every threshold."""


@dataclasses.dataclass(frozen=True, slots=True)
class TriageBatch:
    """What is known of a batch before the threshold is looked at; one entry an event.

    Of the reviewable events, those that ``escalate`` always reach a person, those ``asked`` for by a rule do while the
    budget lasts, those ``decided`` before only by the audit sample, and the others, which are ``is_open``, also by
    their score. ``drawn`` is the audit sample, ``audit_drawn`` the same without escalations, before reviews are taken
    out of it; ``sure`` are those that reach a person by whatever way, ``certain`` those that count whatever the
    threshold is: sure or asked.

    ``stakes`` are what to compare with the threshold: the score where the event is open, ALWAYS where it is certain,
    NEVER where no review is due whatever the threshold is. ``audit_stakes`` are the scores of open events that a review
    takes out of the sample.
    """

    scores: Floats
    uncertainty: Floats
    draws: Floats
    audit_rate: Floats
    audit_rate_min: float
    reviewable: Flags
    is_open: Flags
    decided: Flags
    asked: Flags
    escalate: Flags
    risky: Flags
    matches: npt.NDArray[np.uint64]
    drawn: Flags
    audit_drawn: Flags
    sure: Flags
    certain: Flags
    stakes: Floats
    audit_stakes: Floats

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
    ) -> TriageBatch:
        """Columns out of events; nothing here depends on other events."""
        size = len(events)
        uncertainty = prediction_uncertainty(events)
        scores = scores_of(settings, uncertainty, error_probability, learned_uncertainty)
        draws, audit_rate = draws_of(events.hashes, salt), audit_rates(settings, disagreement, size)
        reviewable, none = events.reviewable, np.zeros(size, np.bool_)
        risky, matches = events.risk >= settings.escalate_risk_min, rules.matches(events)
        escalate = reviewable & (risky | rules.escalating(matches) if rules.rules else risky)
        rest = reviewable & ~escalate
        settled = none if decided is None else decided & rest
        asked = rest & ~settled & (matches != 0) if rules.rules else none
        is_open = rest & ~(asked | settled)
        drawn = (draws < audit_rate) & reviewable
        audit_drawn = drawn & rest
        sure = escalate | audit_drawn
        certain = sure | asked
        contested = (audit_drawn & is_open & (audit_rate < 1.0)).nonzero()[0]
        stakes, audit_stakes = scores.copy(), np.full(size, NEVER)
        stakes[~is_open] = NEVER
        stakes[certain] = ALWAYS
        audit_stakes[contested] = scores[contested]
        return cls(
            scores=scores,
            uncertainty=uncertainty,
            draws=draws,
            audit_rate=audit_rate,
            audit_rate_min=settings.audit_rate,
            reviewable=reviewable,
            is_open=is_open,
            decided=settled,
            asked=asked,
            escalate=escalate,
            risky=risky,
            matches=matches,
            drawn=drawn,
            audit_drawn=audit_drawn,
            sure=sure,
            certain=certain,
            stakes=stakes,
            audit_stakes=audit_stakes,
        )

    def __len__(self) -> int:
        return len(self.scores)

    def forced(self, run: slice, refused: Sequence[int], sure_from: float) -> int:
        """How many looks of a run the threshold has no say in: escalations, the audit sample, reviews asked for.

        ``refused`` are the indexes at which the purse held no review; scores from ``sure_from`` were wanted for sure.
        """
        certain = int(np.count_nonzero(self.certain[run]))
        reviewed_instead = int(np.count_nonzero(self.audit_stakes[run] >= sure_from))
        for index in refused:
            if self.audit_stakes[index] >= sure_from:
                reviewed_instead -= 1
            elif self.asked[index] and not self.sure[index]:
                certain -= 1
        return certain - reviewed_instead


def prediction_uncertainty(events: PredictionColumns) -> Floats:
    """1 - the model's own probability of its answer ("least confidence", Lewis & Gale 1994); shape (events,).

    It reads as the probability of being wrong, so it mixes with error probabilities on one scale, and it means the same
    whether a producer sends ``confidence`` or ``probabilities``. With two labels it orders events as margin and entropy
    do.
    """
    return np.clip(1.0 - events.confidence, 0.0, 1.0)


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
    return np.where(disagreement, settings.disagreement_audit_rate, settings.audit_rate)
