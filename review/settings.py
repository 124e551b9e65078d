"""Settings of triage, the queue, agreement and live accuracy."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from review.triage.rules import RULES_MAX, Rule
from schemas.setting_checks import require_distinct, require_order
from schemas.wire.person import Role

__all__ = ["AccuracySettings", "AgreementSettings", "LaneSettings", "QueueSettings", "TriageSettings"]

DAY = 86_400


class TriageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which predictions people see, and with what probability."""

    budget: Annotated[float, Meta(gt=0, le=1)] = 0.1
    """Share of events that people may see, audit sample and escalations included."""
    audit_rate: Annotated[float, Meta(gt=0, le=1)] = 0.02
    """Share of the other events drawn at random for review; live accuracy is estimated from them, so it is above 0."""
    strategy: Literal["mix", "learn", "catch"] = "mix"
    """What reviews are for: ``learn`` (teach the model), ``catch`` (find errors), ``mix`` (both)."""
    mix_catch_weight: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Under ``mix``, the weight of the error probability; the rest is the learned model's uncertainty."""
    disagreement_audit_factor: Annotated[float, Meta(ge=1, le=10)] = 3.0
    """Audit rate, as a multiple, where challenger and champion disagree; never above the budget. It decides how soon
    the gate knows which of the two is better."""
    escalate_risk_min: Annotated[float, Meta(ge=0, le=2)] = 0.9
    """Events whose ``risk`` is at least this are escalated; a number above 1 switches that off."""
    rules: Annotated[tuple[Rule, ...], Meta(max_length=RULES_MAX)] = ()
    """Declared rules, see Rule."""
    warmup_events: Annotated[int, Meta(ge=0, le=1_000_000)] = 250
    """Until so many scores are known, ``warmup_score_min`` is the threshold."""
    warmup_score_min: Annotated[float, Meta(ge=0, le=1)] = 0.4
    """Score above which events are reviewed during warm-up, while the budget lasts."""
    threshold_events: Annotated[int, Meta(ge=10, le=100_000)] = 250
    """The threshold is set anew after every so many events, however they are batched."""
    recent_scores_max: Annotated[int, Meta(ge=100, le=1_000_000)] = 2_000
    """Recent scores that the threshold is a quantile of; the oldest is forgotten first."""
    carry_reviews_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 500
    """Unspent reviews that may be carried over; more lapse."""
    carry_spread_events: Annotated[int, Meta(ge=10, le=10_000_000)] = 5_000
    """Carried reviews (or those overdrawn) are spent (or saved) over about so many events."""
    debt_reviews_max: Annotated[int, Meta(ge=0, le=10_000_000)] = 1_000
    """Reviews that escalations may overdraw; more are forgiven and counted, so that no bad rule ends all reviews."""
    decided_before_seconds: Annotated[int, Meta(ge=0, le=365 * DAY)] = 0
    """How long a settled answer also answers the same question (model and features) when it comes again; 0: never."""
    decided_before_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Settled answers remembered for that purpose; the oldest is forgotten first."""
    salt: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Changes which events the audit sample draws."""

    @property
    def disagreement_audit_rate(self) -> float:
        """The audit rate where challenger and champion disagree."""
        return min(self.budget, self.audit_rate * self.disagreement_audit_factor)

    def __post_init__(self) -> None:
        if self.audit_rate > self.budget:
            raise ValueError(
                f"audit_rate is {self.audit_rate:g}, budget {self.budget:g}; "
                "the audit sample is part of the budget, so audit_rate must be at most budget"
            )
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are named {twice[0]!r}; every rule needs a name of its own")


class LaneSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tasks of one lane are handled."""

    due_seconds: Annotated[int, Meta(ge=1, le=365 * DAY)] = DAY
    """When a task is due, counted from its creation."""
    opinions_needed: Annotated[int, Meta(ge=1, le=9)] = 1
    """People who must answer before the task settles."""
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)] = ("reviewer", "on-call", "admin")
    """Who gets tasks of this lane."""

    def __post_init__(self) -> None:
        require_distinct("roles", self.roles)


SENIOR: tuple[Role, ...] = ("on-call", "admin")


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tasks wait for people, and when they are settled or expire: by lane, then for all lanes."""

    review: LaneSettings = LaneSettings()
    """Predictions over the threshold; they expire when due."""
    audit: LaneSettings = LaneSettings(due_seconds=7 * DAY)
    """The random sample; never expires."""
    escalate: LaneSettings = LaneSettings(due_seconds=3_600, roles=SENIOR)
    """Escalated predictions; never expire."""
    alert: LaneSettings = LaneSettings(due_seconds=3_600, roles=SENIOR)
    """Alerts; never expire, they end with the alert."""
    adjudicator_roles: Annotated[tuple[Role, ...], Meta(min_length=1)] = SENIOR
    """Who decides where reviewers disagree or could not tell."""
    adjudication_rounds_max: Annotated[int, Meta(ge=1, le=9)] = 2
    """Adjudicators who may say that they cannot tell before the task settles without an answer."""
    lease_seconds: Annotated[int, Meta(ge=1, le=DAY)] = 600
    """How long a task handed to a person is kept for them."""
    leases_per_person_max: Annotated[int, Meta(ge=1, le=100)] = 1
    """Tasks that one person may hold; a request for one more returns the task held longest."""
    skips_per_person_max: Annotated[int, Meta(ge=1, le=10_000)] = 100
    """Skipped tasks remembered for a person; the oldest is forgotten and may be offered again."""
    people_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """People whose skips are remembered; at the limit the one who skipped longest ago is forgotten."""
    undo_seconds: Annotated[int, Meta(ge=0, le=3_600)] = 5
    """How long a person may take the last answer back."""
    open_tasks_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    """Open tasks; beyond it the lowest-priority review task expires."""
    protected_tasks_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 200_000
    """Open tasks of all lanes if none can expire; beyond it the queue answers ``full`` and takes no more."""
    closed_tasks_remembered_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    """Closed tasks remembered, so that a repeated message does not open one again and the console can say how it ended;
    the oldest is forgotten."""
    page_tasks_max: Annotated[int, Meta(ge=1, le=10_000)] = 500
    """Tasks on one page of a listing; longer pages are cut to it."""

    def __post_init__(self) -> None:
        require_order(self, ("open_tasks_max", "protected_tasks_max"))
        require_distinct("adjudicator_roles", self.adjudicator_roles)


class AgreementSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the answers of people are trusted."""

    prior_reliability: Annotated[float, Meta(gt=0, lt=1)] = 0.9
    """Reliability of a person about whom nothing is known yet."""
    prior_answers: Annotated[float, Meta(gt=0, le=10_000)] = 10.0
    """How many compared answers the prior is worth."""
    people_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """People with a track record; at the limit newcomers keep the prior."""


class AccuracySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Live accuracy from reviewed events, as on the Loop page; the view ``accuracy_so_far`` keeps the defaults."""

    alpha: Annotated[float, Meta(gt=0, lt=1)] = 0.05
    """One minus the coverage of the intervals."""
    audit_hits_min: Annotated[int, Meta(ge=1, le=100_000)] = 50
    """Reviewed random draws before an interval is given."""
    tuned_audit_hits: Annotated[int, Meta(ge=1, le=10_000_000)] = 300
    """Number of reviewed random draws for which the interval is made narrowest."""
    slices_max: Annotated[int, Meta(ge=1, le=100_000)] = 200
    """Slices with an estimate of their own; later ones have none."""
