"""Opinion: one person's answer to one task."""

from __future__ import annotations

from schemas.wire.base import EpochMs, Id, Name, Wire

__all__ = ["CANNOT_TELL", "WITHDRAWN", "Opinion"]

CANNOT_TELL = "__cannot_tell__"
"""The answer of a person who looked and could not decide."""

WITHDRAWN = "__withdrawn__"
"""Takes the same person's earlier opinion on the task back."""


class Opinion(Wire, frozen=True, kw_only=True):
    """What one person said; ``simulated`` marks the reviewers of a demo, who are programs."""

    opinion_id: Id
    task_id: Id
    model: Id
    person: Id
    answer: Name
    time: EpochMs
    seconds_spent: float = 0.0
    comment: str = ""
    simulated: bool = False
