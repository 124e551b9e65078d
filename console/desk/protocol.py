"""The desk as the console sees it: what people can ask of it, and what it answers."""

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
"""``conflict``: the thing is no longer in a state where this can be done (settled, already answered, already resolved);
``too_late``: an answer can no longer be taken back; ``not_offered``: the answer is none of the task's choices."""


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request to change something; ``message`` is one sentence for the person who asked.

    ``undo_until`` (epoch milliseconds) says how long an accepted answer can be taken back, 0 where it cannot.
    """

    outcome: Outcome
    message: str
    undo_until: int = 0


class LaneCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks of one lane: ``open`` counts all that wait for an answer, ``leased`` those of them that somebody holds.

    ``oldest_due_at`` (epoch milliseconds) is the earliest due time, 0 where the lane is empty or nothing in it is due.
    ``roles`` may work in the lane.
    """

    roles: tuple[Role, ...] = ("reviewer", "on-call", "admin")
    open: int = 0
    leased: int = 0
    overdue: int = 0
    oldest_due_at: int = 0


class QueueCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of every lane that has had a task."""

    lanes: dict[Lane, LaneCounts] = {}


class TaskSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the queue. ``leased_by`` names who holds it, empty for nobody.

    Of an audit task it says neither reasons nor what the model says: see ``LeasedTask``.
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
    """A task in front of one person.

    ``leased_until`` (epoch milliseconds) is 0 where this person does not hold it and can only look; ``note`` then says
    why. ``mine`` is this person's own opinion if there is one. ``earlier`` holds the others' opinions, which only those
    who adjudicate may see; for everybody else it is empty. ``alert`` is set for tasks about an alert.
    ``model_hidden``: this is an audit task, and what the model says of it is shown to who has answered and asks
    again before it is settled. An answer given stands from then on.
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
    """An alert in its present state, every revision of it (oldest first), and whether its report can be shown."""

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
    """One watched model.

    ``chosen_share`` is the share of its events that were chosen for review and ``answered_share`` the share that
    somebody has answered, beside ``budget``, the share that people may be asked about; None before the first event.
    ``in_charge`` names the learned model that serves, or ``production``.
    ``events`` and what is counted of them take each event once, by its first verdict and the prediction that this was
    on, though it was sent again, under the same time or another (with more than ten million verdicts between, by the
    producers' times, it counts again). ``accuracy`` is the production model's accuracy on all events so far, with an
    interval that holds at every look, None before there are enough audited events: the view ``accuracy_so_far`` says
    the same, and ``accuracy_daily`` speaks of each day alone, for one look. For drift,
    ``late_blocks`` came after their window had been judged (their ``late_events`` are left out), ``forced_blocks`` were
    judged before all partitions had come as far, ``time_resets`` times the model's time jumped back, and
    ``features_unwatched`` features are not watched; ``unwatched`` names the first of them.
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
    """One role of the program: how many messages it is behind, how long the oldest of them waits, and how it is doing.

    None where it is unknown.
    """

    role: str
    lag_messages: int | None = None
    lag_seconds: float | None = None
    note: str = ""


class LoopState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole loop at ``at`` (epoch milliseconds).

    ``rejects`` counts what could not be read by kind, the most frequent kinds first, under the newest reason of each;
    ``reject_kinds_more`` further kinds, with ``rejects_more`` rejects together, are not among them. ``warnings`` are
    sentences about what needs a person's attention. ``recent_opinions`` are the newest on tasks that are over,
    newest first, at most as many as the desk keeps: nobody sees what colleagues said of an open task.
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
    """What the console needs. Every method may be called from many requests at once, on one event loop.

    The console checks roles before it calls; which lanes a person may work in is the desk's own decision. Sentences in
    the answers are shown to people as they are.
    """

    async def person(self, person_id: str) -> Person | None:
        """The account of this id, disabled ones too, or None."""

    async def counts(self) -> QueueCounts:
        """How many tasks are open in each lane."""

    async def page(self, lane: Lane | None, offset: int, limit: int) -> tuple[TaskSummary, ...]:
        """Open tasks of one lane, or of all, in the order in which they are handed out."""

    async def next_task(self, person: Person, model: str | None = None) -> LeasedTask | None:
        """The task to do next, of a model or of all, leased to this person; one they already hold comes first.

        None: nothing waits.
        """

    async def task(self, task_id: str, person: Person) -> LeasedTask | None:
        """One task, leased to this person if that can be had; None where it is not open: ``missing`` says why."""

    async def missing(self, task_id: str) -> ActionResult:
        """Why a task is not here: ``conflict`` for one that is settled or has expired, ``unknown`` for any other."""

    async def answer(
        self, task_id: str, person: Person, answer: str, seconds_spent: float, comment: str
    ) -> ActionResult:
        """This person's opinion, given on a task they hold."""

    async def skip(self, task_id: str, person: Person) -> ActionResult:
        """Give a task back; this person does not get it again."""

    async def withdraw(self, task_id: str, person: Person) -> ActionResult:
        """Take back the last answer; the task is this person's again."""

    async def alerts(self, state: AlertState | None, offset: int, limit: int) -> tuple[Alert, ...]:
        """Alerts in their present state, newest first."""

    async def alert(self, alert_id: str) -> AlertView | None:
        """One alert with its history, or None."""

    async def alert_action(self, alert_id: str, person: Person, action: AlertAction, comment: str) -> ActionResult:
        """Acknowledge or resolve an alert."""

    async def report_html(self, report_id: str) -> str | None:
        """The Evidently report of this id as a whole HTML page, or None."""

    async def loop_state(self) -> LoopState:
        """Figures of every model and role, a few seconds old; warnings say what is older."""
