"""Settings of learning: what the model may learn, when it is put in charge, and how large it may get."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.setting_checks import require_distinct

__all__ = ["LearnSettings", "MemberName"]

MemberName = Literal[
    "production",
    "recalibrated",
    "logistic",
    "adaptive_tree",
    "adaptive_forest",
    "window_forest_short",
    "window_forest_middle",
    "window_forest_long",
]
"""The members that a stack may have; learning.members.recipes makes them."""

Share = Annotated[float, Meta(gt=0.0, lt=1.0)]


class LearnSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How corrections become a model that may be put in charge."""

    alpha: Share = 0.05
    """Probability, for each gate, that a challenger which is never better is promoted all the same."""

    bet_fractions: Annotated[tuple[Share, ...], Meta(min_length=1, max_length=20)] = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
    """Bets of the gate, as shares of the largest bet that cannot lose everything at once."""

    inclusion_probability_min: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.02
    """Probability with which the audit sample draws an event on which challenger and champion disagree; the program
    takes it from the settings of triage."""

    restart_corrections: Annotated[int, Meta(ge=1, le=100_000)] = 100
    """Corrections between two fresh starts of the gate's evidence, so that it notices a change."""

    gate_step_corrections: Annotated[int, Meta(ge=1, le=100_000)] = 25
    """Corrections between two reports of a gate that decides nothing."""

    refresh_corrections: Annotated[int, Meta(ge=1, le=100_000)] = 25
    """Corrections after which the model in charge is replaced by what was learned since, if that seems no worse."""

    candidate_corrections: Annotated[int, Meta(ge=1, le=100_000)] = 50
    """Corrections after which triage is given a newer copy of what is learned, while production is in charge."""

    refresh_margin: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.02
    """Accuracy that a refresh may seem to lose, beyond one standard error, before it is refused."""

    members: Annotated[tuple[MemberName, ...], Meta(min_length=1, max_length=20)] = (
        "production",
        "recalibrated",
        "logistic",
        "adaptive_tree",
        "adaptive_forest",
        "window_forest_short",
        "window_forest_long",
    )
    """Members of the stack."""

    weight_max: Annotated[float, Meta(ge=1.0, le=1_000.0)] = 5.0
    """Cap on the importance weight 1/inclusion probability in learning and in the weights of the stack."""

    loss_decay: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.995
    """Share of the members' earlier losses that is left after each correction."""

    learning_rate: Annotated[float, Meta(gt=0.0, le=10.0)] = 0.1
    """Factor on the decayed log-loss in the exponent of a member's weight."""

    fixed_share: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.01
    """Share of the weight that is spread evenly, so that a member can come back."""

    labels_max: Annotated[int, Meta(ge=2, le=1_000)] = 100
    """Labels that are learned; a correction with another label is counted and not learned."""

    features_max: Annotated[int, Meta(ge=1, le=10_000)] = 200
    """Columns made of the features; a feature or category that would need one more is left out."""

    categories_max: Annotated[int, Meta(ge=1, le=1_000)] = 20
    """Categories of one feature with a column of their own; the others share one."""

    window_corrections_max: Annotated[int, Meta(ge=50, le=100_000)] = 2_500
    """Corrections that the longest window of a refitted member holds; older ones are dropped."""

    corrections_remembered_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 50_000
    """Ids of corrections and events remembered to ignore a repeat; the oldest are forgotten."""

    scored_events_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 50_000
    """Events of one batch that the model scores; the others keep the producer's own confidence."""

    snapshot_bytes_max: Annotated[int, Meta(ge=1_024, le=1_000_000_000)] = 64 * 1024 * 1024
    """Largest snapshot, compressed or not, that is written or read."""

    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    """Seed of the members that draw."""

    def __post_init__(self) -> None:
        require_distinct("members", self.members)
