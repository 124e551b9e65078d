"""What the queue replies to a request, and the events that the passing of time causes."""

from __future__ import annotations

from typing import Literal

import msgspec

from review.task_life import Stage
from schemas.wire.correction import Correction
from schemas.wire.opinion import Opinion
from schemas.wire.task import Lane, Task

__all__ = [
    "Expired",
    "QueuedCounts",
    "Lease",
    "LeaseEnded",
    "Put",
    "QueueEvent",
    "Reply",
    "ReplyStatus",
    "Settled",
    "QueuedTask",
]


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A task that is kept for one person until ``until_ms`` (epoch milliseconds)."""

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
    """The result of a request. ``sentence`` explains it to the person.

    ``lease`` is the lease that they hold afterwards, if any. ``opinion`` must be written to the log: it is the opinion
    taken, or a marker that takes an earlier one back.
    """

    status: ReplyStatus
    sentence: str
    lease: Lease | None = None
    opinion: Opinion | None = None


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """A task was settled by opinions; ``task`` is its new revision.

    ``correction`` is None for an alert, and if nobody could tell. In the latter case the task keeps the answer
    CANNOT_TELL: non-response is recorded, not hidden.
    """

    task: Task
    opinions: tuple[Opinion, ...]
    reliability: float
    correction: Correction | None


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """A review task ended without an answer, because it was due or the queue full; ``task`` is its new revision."""

    task: Task
    reason: Literal["due", "queue_full"]


class LeaseEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A lease ran out; the task is open again."""

    task_id: str
    person: str


QueueEvent = Settled | Expired | LeaseEnded


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """The result of putting a task in.

    ``known``: the queue has this revision or a newer one. ``closed``: the task was settled or has expired. ``full``:
    the queue takes no more; leave the task in the log and try again later. ``expired`` lists tasks that made room.
    """

    status: Literal["added", "replaced", "known", "closed", "full"]
    expired: tuple[Expired, ...] = ()


class QueuedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many unsettled tasks a lane has; ``due_next_ms`` is the earliest due time, None in an empty lane."""

    lane: Lane
    open: int
    leased: int
    answered: int
    overdue: int
    due_next_ms: int | None


class QueuedTask(msgspec.Struct, frozen=True, kw_only=True):
    """An unsettled task: who holds it until when (epoch milliseconds), and the opinions so far, oldest first."""

    task: Task
    stage: Stage
    holder: str = ""
    until_ms: int = 0
    adjudication: bool = False
    opinions: tuple[Opinion, ...] = ()
