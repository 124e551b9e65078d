"""What triage knows of past events: as it is saved for a restart, and as it is kept to undo a batch."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from review.threshold import RecentScores

__all__ = ["TriageSnapshot", "TriageState"]


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


class TriageSnapshot(NamedTuple):
    """One moment of a Triage. Taken at no cost, since it shares the recent scores; ``state`` is what can be saved."""

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
    seen: int
    escalated: int
    audited: int
    withheld: int

    @property
    def state(self) -> TriageState:
        """The same as a Struct without infinite numbers; copies the recent scores."""
        fields = self._asdict()
        recent = fields.pop("recent")
        fields["threshold"] = self.threshold if math.isfinite(self.threshold) else None
        return TriageState(**fields, nothing_wanted=self.threshold > 0, scores_known=recent.known, scores=recent.dump())

    @classmethod
    def of(cls, state: TriageState, scores_max: int) -> TriageSnapshot:
        """A saved moment; ValueError where ``recent_scores_max`` has changed since."""
        fields = msgspec.structs.asdict(state)
        known, scores, nothing_wanted = (fields.pop(name) for name in ("scores_known", "scores", "nothing_wanted"))
        if state.threshold is None:
            fields["threshold"] = math.inf if nothing_wanted else -math.inf
        return cls(**fields, recent=RecentScores.load(scores, known, scores_max))
