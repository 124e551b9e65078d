"""Triage: which predictions a person must see, decided before anyone looks."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

import msgspec
import numpy as np

from review.budget import ReviewBudget
from review.decisions import ACCEPT, DECISIONS, ESCALATE, REVIEW, Decisions, Flags, Floats, Reasons
from review.rules import CompiledRules
from review.settings import TriageSettings
from review.threshold import ScoreThreshold
from review.triage_batch import TriageBatch
from schemas.prediction_columns import PredictionColumns

__all__ = ["ACCEPT", "DECISIONS", "ESCALATE", "REVIEW", "Decisions", "Triage", "TriageState"]


FORCED_MEMORY: Final = 0.1
"""Weight of the newest run of events in the moving shares of forced spending and of events open to the threshold."""

ACCEPTED: Final[Reasons] = ("score below the review threshold",)
AUDITED: Final[Reasons] = ("audit sample: drawn at random to measure live accuracy",)
OVER_BUDGET: Final[Reasons] = ("worth a look, but the review budget is spent",)
DECIDED: Final[Reasons] = ("decided before",)
WITHHELD: Final[Reasons] = ("the producer gave no consent to review",)
STRATEGY_REASON: Final = {
    "catch": "probably wrong",
    "learn": "the model is unsure",
    "mix": "probably wrong, or the model is unsure",
}


class TriageState(msgspec.Struct, frozen=True, kw_only=True):
    """What a restart needs to go on: everything that past events decided. Encodes as JSON (scores in base64)."""

    events: int
    purse: int
    forgiven: int
    threshold: float | None
    nothing_wanted: bool
    tie_probability: float
    scores_known: int
    scores: bytes
    forced_share: float
    open_share: float
    run_forced: int
    run_open: int
    seen: int
    escalated: int
    audited: int
    withheld: int


class Triage:
    """Decides for one model, in the order in which events come; no clock, no randomness of its own.

    Every event adds ``budget`` of a review to a purse. Escalations (declared rules, ``risk``) and the audit sample
    always reach a person and may overdraw it, which squeezes reviews; reviews are granted only while the purse holds
    one: first to rules that ask for review, then to scores above the threshold, a quantile of recent scores aimed at
    what the budget leaves. The inclusion probability is 1 for those while the purse holds a review (a known share of
    ties at the threshold), and the audit rate otherwise: it depends on the past and on the event's own data only.

    The threshold moves after every ``threshold_events`` events, counted over the life of this object, so any batching
    of the same events gives the same decisions. Memory: ``recent_scores_max`` numbers.
    """

    def __init__(self, settings: TriageSettings, *, model: str, state: TriageState | None = None) -> None:
        self.settings = settings
        self.policy_version = hashlib.sha256(msgspec.json.encode(settings)).hexdigest()[:12]
        """Names the settings that decided."""
        self._salt = settings.salt ^ zlib.crc32(model.encode())
        self._rules = CompiledRules(settings.rules)
        self._budget = ReviewBudget(settings.budget, settings.carry_reviews_max, settings.debt_reviews_max)
        self._threshold = ScoreThreshold(settings.recent_scores_max, settings.warmup_score_min)
        self.events = self.seen = self.escalated = self.audited = self.withheld = 0
        self._forced_share, self._open_share = settings.audit_rate, 1.0
        self._run_forced = self._run_open = 0
        if state is not None:
            self.restore(state)

    def decide(
        self,
        events: PredictionColumns,
        *,
        error_probability: Floats | None = None,
        learned_uncertainty: Floats | None = None,
        disagreement: Flags | None = None,
        decided: Flags | None = None,
    ) -> Decisions:
        """Decide about a batch; all arrays have shape (events,).

        ``error_probability`` is the loop's estimate that the prediction is wrong, ``learned_uncertainty`` that of the
        learned model about its own answer; where absent or NaN the producer's own uncertainty stands in.
        ``disagreement`` marks events about which challenger and champion disagree: their audit rate is raised.
        ``decided`` marks those whose question people have answered already: accepted, unless a rule escalates them or
        the audit sample draws them. ValueError where a shape is wrong.
        """
        for name, given in (
            ("error_probability", error_probability),
            ("learned_uncertainty", learned_uncertainty),
            ("disagreement", disagreement),
            ("decided", decided),
        ):
            if given is not None and given.shape != (len(events),):
                raise ValueError(f"{name} has shape {given.shape}; expected ({len(events)},), one entry an event")
        batch = TriageBatch.of(
            self.settings,
            self._rules,
            self._salt,
            events,
            error_probability,
            learned_uncertainty,
            disagreement,
            decided,
            accepted=ACCEPTED,
        )
        start = 0
        while start < len(events):
            room = self.settings.threshold_events - self.events % self.settings.threshold_events
            stop = min(len(events), start + room)
            self._decide_run(batch, slice(start, stop))
            self.events += stop - start
            if self.events % self.settings.threshold_events == 0:
                self._move_threshold()
            start = stop
        self._count(batch.decisions, batch.reviewable)
        self._explain(batch)
        return batch.decisions

    def _decide_run(self, batch: TriageBatch, run: slice) -> None:
        """Decide about events between two moves of the threshold."""
        value, tie_probability = self._threshold.value, self._threshold.tie_probability
        scores, draws, audit_rate = batch.decisions.scores[run], batch.draws[run], batch.audit_rate[run]
        is_open, forced, asked = batch.is_open[run], batch.escalate[run], batch.asked[run]
        decided = batch.decided[run]
        chance = np.where(scores > value, 1.0, np.where(scores == value, tie_probability, 0.0))
        chance = np.where(is_open, np.maximum(chance, audit_rate), np.where(decided, audit_rate, 0.0))
        chance = np.where(asked, 1.0, chance)
        wants = chance > audit_rate
        drawn_audit = (draws < audit_rate) & (is_open | asked | decided)
        drawn = draws < chance
        places = np.flatnonzero(forced | wants | drawn_audit)
        held = np.zeros(len(scores), np.bool_)
        held[places] = self._budget.spend(
            len(scores), places.tolist(), forced[places].tolist(), drawn[places].tolist(), drawn_audit[places].tolist()
        )
        granted = wants & held
        reviewed = granted & drawn & ((chance == 1.0) | ~drawn_audit)
        audit = drawn_audit & ~reviewed
        batch.decisions.codes[run] = np.where(forced, ESCALATE, np.where(reviewed, REVIEW, ACCEPT))
        batch.decisions.audit[run] = audit
        probability = np.where(granted, chance, audit_rate)
        batch.decisions.inclusion_probability[run] = np.where(
            forced, 1.0, np.where(batch.reviewable[run], probability, 0.0)
        )
        batch.over_budget[run] = wants & ~held & ~audit
        self._run_forced += int(np.count_nonzero(forced | audit | (reviewed & asked)))
        self._run_open += int(np.count_nonzero(is_open))
        self._threshold.add(scores[is_open])

    def _move_threshold(self) -> None:
        """Aim the threshold at what the budget leaves for scores, carried reviews included."""
        settings, run = self.settings, self.settings.threshold_events
        self._forced_share += FORCED_MEMORY * (self._run_forced / run - self._forced_share)
        self._open_share += FORCED_MEMORY * (self._run_open / run - self._open_share)
        self._run_forced = self._run_open = 0
        if self._threshold.known < settings.warmup_events:
            return
        left = settings.budget - self._forced_share + self._budget.reviews / settings.carry_spread_events
        self._threshold.aim(left / max(self._open_share, 1e-6))

    def _count(self, decisions: Decisions, reviewable: Flags) -> None:
        """Keep the totals that the console shows."""
        self.seen += int(np.count_nonzero(decisions.seen))
        self.escalated += int(np.count_nonzero(decisions.codes == ESCALATE))
        self.audited += int(np.count_nonzero(decisions.audit))
        self.withheld += int(np.count_nonzero(~reviewable))

    def _explain(self, batch: TriageBatch) -> None:
        """Write the reasons: one shared tuple for what nobody sees, a text of its own for what a person will."""
        reasons, decisions = batch.decisions.reasons, batch.decisions
        for place in np.flatnonzero(batch.over_budget).tolist():
            reasons[place] = OVER_BUDGET
        for place in np.flatnonzero(batch.decided).tolist():
            reasons[place] = DECIDED
        for place in np.flatnonzero(~batch.reviewable).tolist():
            reasons[place] = WITHHELD
        for place in np.flatnonzero(decisions.audit).tolist():
            reasons[place] = AUDITED
        for place in np.flatnonzero(decisions.codes != ACCEPT).tolist():
            texts = self._rules.texts(int(batch.matches[place]))
            if batch.risky[place]:
                texts = (f"risk at least {self.settings.escalate_risk_min:g}", *texts)
            reasons[place] = texts or (
                f"{STRATEGY_REASON[self.settings.strategy]} (score {decisions.scores[place]:.2f})",
            )

    @property
    def budget_reviews(self) -> float:
        """Reviews in the purse; negative when escalations have overdrawn it."""
        return self._budget.reviews

    @property
    def threshold(self) -> float:
        """The score from which reviews are wanted now; infinite when none, or all, are."""
        return self._threshold.value

    @property
    def forgiven(self) -> int:
        """Looks of a person beyond ``debt_reviews_max`` that no later saving pays for."""
        return self._budget.forgiven

    def export_state(self) -> TriageState:
        """Everything that past events decided, for a restart or to undo a batch that was not committed."""
        value = self._threshold.value
        return TriageState(
            events=self.events,
            purse=self._budget.purse,
            forgiven=self._budget.forgiven,
            threshold=float(value) if np.isfinite(value) else None,
            nothing_wanted=value > 0,
            tie_probability=self._threshold.tie_probability,
            scores_known=self._threshold.known,
            scores=self._threshold.dump(),
            forced_share=self._forced_share,
            open_share=self._open_share,
            run_forced=self._run_forced,
            run_open=self._run_open,
            seen=self.seen,
            escalated=self.escalated,
            audited=self.audited,
            withheld=self.withheld,
        )

    def restore(self, state: TriageState) -> None:
        """Go on from a saved state; ValueError where ``recent_scores_max`` has changed since."""
        self._threshold.load(state.scores, state.scores_known)
        unbounded = np.inf if state.nothing_wanted else -np.inf
        self._threshold.value = unbounded if state.threshold is None else state.threshold
        self._threshold.tie_probability = state.tie_probability
        self._budget.purse, self._budget.forgiven = state.purse, state.forgiven
        self.events, self.seen, self.escalated = state.events, state.seen, state.escalated
        self.audited, self.withheld = state.audited, state.withheld
        self._forced_share, self._open_share = state.forced_share, state.open_share
        self._run_forced, self._run_open = state.run_forced, state.run_open
