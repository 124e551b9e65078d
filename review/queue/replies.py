"""What the queue answers, and what it has to tell when time has passed."""

from __future__ import annotations

from typing import Literal

import msgspec

from review.task_life import Stage
from schemas.wire.correction import Correction
from schemas.wire.opinion import Opinion
from schemas.wire.task import Lane, Task

__all__ = [
    "Expired",
    "LaneCounts",
    "Lease",
    "LeaseEnded",
    "Put",
    "QueueEvent",
    "Reply",
    "ReplyStatus",
    "Settled",
    "TaskView",
]


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """One task, kept for one person until ``until_ms`` (epoch milliseconds)."""

    task: Task
    person: str
    leased_at_ms: int
    until_ms: int


ReplyStatus = Literal[
    "done",
    "known",
    "unknown_task",
    "settled",
    "lease_lost",
    "held_by_another",
    "other_role",
    "already_answered",
    "not_a_choice",
    "too_late",
]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request; ``sentence`` tells the person, ``lease`` is what they hold afterwards, if anything.

    ``opinion`` is what the log must remember of it: the opinion itself, or the one that takes it back.
    """

    status: ReplyStatus
    sentence: str
    lease: Lease | None = None
    opinion: Opinion | None = None


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """A task that opinions settled: ``task`` is its new revision; no correction for alerts or where nobody could tell.

    An ``answer`` of CANNOT_TELL is kept on the task: non-response is recorded, not hidden.
    """

    task: Task
    opinions: tuple[Opinion, ...]
    reliability: float
    correction: Correction | None


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """A review task that nobody decided in time, or that had to make room; ``task`` is its new revision."""

    task: Task
    reason: Literal["due", "queue_full"]


class LeaseEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that ran out: the task is open again."""

    task_id: str
    person: str


QueueEvent = Settled | Expired | LeaseEnded


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a task that was put in.

    ``known``: this revision, or a newer one, is here already; ``closed``: it was settled or has expired; ``full``: the
    queue takes no more, leave the task in the log and come again; ``expired``: tasks that had to make room.
    """

    status: Literal["added", "replaced", "known", "closed", "full"]
    expired: tuple[Expired, ...] = ()


class LaneCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks of one lane that are not settled yet; ``due_next_ms`` is the earliest due time, None in an empty lane."""

    lane: Lane
    open: int
    leased: int
    answered: int
    overdue: int
    due_next_ms: int | None


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """An unsettled task as it stands: who holds it until when, and the opinions told so far, oldest first."""

    task: Task
    stage: Stage
    holder: str = ""
    until_ms: int = 0
    adjudication: bool = False
    opinions: tuple[Opinion, ...] = ()
