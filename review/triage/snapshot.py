"""TriageSnapshot: what triage knows of past events, kept to undo a batch."""

from __future__ import annotations

from typing import NamedTuple

from review.triage.threshold import RecentScores

__all__ = ["TriageSnapshot"]


class TriageSnapshot(NamedTuple):
    """One moment of a Triage, taken at no cost, since it shares the recent scores.

    ``purse`` is in millionths of a review, negative when escalations have overdrawn it; ``forgiven`` are looks of a
    person beyond ``debt_reviews_max`` that no later saving pays for. ``threshold`` is the score from which reviews are
    wanted, infinite when none, or all, are. ``forced_share`` and ``open_share`` are moving shares of the events, and
    ``run_forced`` and ``run_open`` the same counted since the threshold last moved.
    """

    events: int
    purse: int
    forgiven: int
    threshold: float
    tie_probability: float
    recent: RecentScores
    forced_share: float
    open_share: float
    run_forced: int
    run_open: int
