"""Desk: what the console asks of a desk, as a Protocol, and the Structs with which a desk answers."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from console.desk.feature_ranges import Ranges
from console.desk.seen_task import SeenTask
from schemas.wire.alert import Alert, AlertState
from schemas.wire.opinion import Opinion
from schemas.wire.person import Person, Role
from schemas.wire.task import Lane
from schemas.wire.verdict import Decision

__all__ = [
    "ActionResult",
    "AlertAction",
    "AlertView",
    "Desk",
    "Interval",
    "LaneCounts",
    "LeasedTask",
    "LoopState",
    "ModelState",
    "Outcome",
    "QueueCounts",
    "RoleState",
    "TaskSummary",
]

AlertAction = Literal["acknowledge", "resolve"]

Outcome = Literal["accepted", "lease_lost", "conflict", "too_late", "not_offered", "not_allowed", "unknown"]
"""``conflict``: the state of the task or alert no longer allows it (settled, already answered, already resolved).
``too_late``: an answer can no longer be taken back. ``not_offered``: the answer is not one of the task's choices."""


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a request to change something; ``message`` is one sentence for the person who asked.

    ``undo_until`` (epoch milliseconds) is the time until which an accepted answer can be taken back; 0 if it cannot.
    """

    outcome: Outcome
    message: str
    undo_until: int = 0


class LaneCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks of one lane: ``open`` counts all that need an answer, ``leased`` those of them that somebody holds.

    ``oldest_due_at`` (epoch milliseconds) is the earliest due time; 0 if the lane is empty or its tasks have none.
    People with one of ``roles`` may work in the lane.
    """

    roles: tuple[Role, ...] = ("reviewer", "on-call", "admin")
    open: int = 0
    leased: int = 0
    overdue: int = 0
    oldest_due_at: int = 0


class QueueCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of every lane that has had a task."""

    lanes: dict[Lane, LaneCounts] = {}


class TaskSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the queue. ``leased_by`` names the person who holds the task; empty if nobody does.

    For an audit task the reasons and the model's prediction are left out: see ``LeasedTask``.
    """

    task_id: str
    lane: Lane
    model: str
    priority: float
    created_at: int
    due_at: int
    reasons: tuple[str, ...] = ()
    prediction: str = ""
    confidence: float | None = None
    alert_id: str = ""
    opinions: int = 0
    leased_by: str = ""
    leased_simulated: bool = False


class LeasedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task as one person sees it.

    ``leased_until`` (epoch milliseconds) is 0 if this person does not hold the task and can only look at it; ``note``
    then says why. ``mine`` is this person's own opinion, if there is one. ``earlier`` holds the opinions of others; it
    is empty except for adjudicators. ``alert`` is set for tasks about an alert.

    ``model_hidden`` means that this is an audit task and the model's prediction is not shown. A person who has answered
    sees it by asking for the task again before it is settled; their answer is then final.
    """

    task: SeenTask
    model_hidden: bool = False
    leased_until: int = 0
    note: str = ""
    mine: Opinion | None = None
    earlier: tuple[Opinion, ...] = ()
    ranges: Ranges = msgspec.field(default_factory=Ranges)
    alert: Alert | None = None


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """An alert in its present state, all its revisions (oldest first), and whether its report can be shown."""

    alert: Alert
    history: tuple[Alert, ...] = ()
    has_report: bool = False


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate with its interval, all in [0, 1]; ``level`` is its confidence level."""

    estimate: float
    low: float
    high: float
    level: float = 0.95


class ModelState(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one watched model.

    ``chosen_share`` is the share of its events that were chosen for review, ``answered_share`` the share that somebody
    has answered, and ``budget`` the share that people may be asked about; the first two are None before the first
    event. ``in_charge`` names the learned model that serves, or ``production``.

    ``events`` and the counts derived from it count each event once, by its first verdict and the prediction of that
    verdict. An event that is sent again, with the same time or another, does not count again, unless more than ten
    million verdicts lie between (by the producers' times).

    ``accuracy`` is the accuracy of the production model on all events so far, with an interval that holds however often
    one looks; None before there are enough audited events. The view ``accuracy_so_far`` returns the same;
    ``accuracy_daily`` returns single days, with intervals for one look at each.

    The other fields are about drift. ``late_blocks`` blocks came after their window had been judged, and their
    ``late_events`` are left out. ``forced_blocks`` blocks were judged before all partitions had reached their time.
    The model's time jumped back ``time_resets`` times. ``features_unwatched`` features are not watched; ``unwatched``
    names the first of them.
    """

    model: str
    events: int = 0
    decisions: dict[Decision, int] = {}
    open_tasks: dict[Lane, int] = {}
    corrections: int = 0
    alerts_firing: int = 0
    in_charge: str = "production"
    in_charge_since: int = 0
    chosen_share: float | None = None
    answered_share: float | None = None
    budget: float = 0.0
    accuracy: Interval | None = None
    late_blocks: int = 0
    late_events: int = 0
    forced_blocks: int = 0
    time_resets: int = 0
    features_unwatched: int = 0
    unwatched: tuple[str, ...] = ()


class RoleState(msgspec.Struct, frozen=True, kw_only=True):
    """One role of the program: how many messages it is behind, and how long the oldest of them has waited.

    These are None if they are unknown. ``note`` is a remark for people.
    """

    role: str
    lag_messages: int | None = None
    lag_seconds: float | None = None
    note: str = ""


class LoopState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole loop at the time ``at`` (epoch milliseconds).

    ``rejects`` counts Rejects of each kind, the most frequent kinds first, under the newest reason of each kind;
    ``reject_kinds_more`` further kinds, with ``rejects_more`` Rejects together, are left out. ``warnings`` are
    sentences about what needs a person's attention. ``recent_opinions`` are the latest opinions, newest first, as many
    as the desk keeps. Only those on closed tasks are shown, so that nobody sees what colleagues said of an open task.
    """

    at: int
    models: tuple[ModelState, ...] = ()
    roles: tuple[RoleState, ...] = ()
    rejects: dict[str, int] = {}
    reject_kinds_more: int = 0
    rejects_more: int = 0
    warnings: tuple[str, ...] = ()
    recent_opinions: tuple[Opinion, ...] = ()


class Desk(Protocol):
    """What the console asks of a desk. Every method may be called from many requests at once, on one event loop.

    The console checks roles before it calls a method; the desk decides in which lanes a person may work. Sentences in
    the answers are shown to people unchanged.
    """

    async def person(self, person_id: str) -> Person | None:
        """The account with this id, also if it is disabled; None if there is none."""

    async def counts(self) -> QueueCounts:
        """The number of open tasks in each lane."""

    async def page(self, lane: Lane | None, offset: int, limit: int) -> tuple[TaskSummary, ...]:
        """Open tasks of one lane, or of all, in the order in which they are handed out."""

    async def next_task(self, person: Person, model: str | None = None) -> LeasedTask | None:
        """The next task, of one model or of all, leased to this person; a task that they hold already comes first.

        None if there is no task for them.
        """

    async def has_next(self, person: Person) -> bool:
        """Whether ``next_task`` has a task for this person; leases none."""

    async def task(self, task_id: str, person: Person) -> LeasedTask | None:
        """One task, leased to this person if that is possible; None if it is not open: ``missing`` says why."""

    async def missing(self, task_id: str) -> ActionResult:
        """Why a task is not open: ``conflict`` if it is settled or has expired, ``unknown`` otherwise."""

    async def answer(
        self, task_id: str, person: Person, answer: str, seconds_spent: float, comment: str
    ) -> ActionResult:
        """Record this person's opinion on a task that they hold."""

    async def skip(self, task_id: str, person: Person) -> ActionResult:
        """Give a task back; this person is not offered it again."""

    async def withdraw(self, task_id: str, person: Person) -> ActionResult:
        """Take back this person's last answer; they hold the task again."""

    async def alerts(self, state: AlertState | None, offset: int, limit: int) -> tuple[Alert, ...]:
        """Alerts in their present state, newest first."""

    async def alert(self, alert_id: str) -> AlertView | None:
        """One alert with its history; None if there is none with this id."""

    async def alert_action(self, alert_id: str, person: Person, action: AlertAction, comment: str) -> ActionResult:
        """Acknowledge or resolve an alert as this person; refused, with a reason, where its state does not allow it."""

    async def report_html(self, report_id: str) -> str | None:
        """The Evidently report with this id as a whole HTML page; None if there is none."""

    async def loop_state(self) -> LoopState:
        """The figures of every model and role. They are a few seconds old; warnings name older ones."""
