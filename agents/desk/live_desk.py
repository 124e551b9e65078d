"""The desk behind the console: it answers from memory, and sends opinions to the log."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from agents.desk.desk_state import DeskState
from agents.desk.loop_watch import LoopWatch
from console.desk.feature_ranges import ranges_of
from console.desk.protocol import (
    ActionResult,
    AlertAction,
    AlertView,
    LeasedTask,
    LoopState,
    ModelState,
    QueueCounts,
    TaskSummary,
)
from console.desk.queue_answers import action_result, leased_task, queue_counts, task_summary
from review.queue.replies import Reply
from review.task_life import task_id_of
from schemas.texts.labels import composed
from schemas.topics import REVIEW_OPINIONS, Topic
from schemas.wire.alert import Alert, AlertState
from schemas.wire.base import Wire
from schemas.wire.opinion import Opinion
from schemas.wire.person import Person
from schemas.wire.task import Lane
from warehouse.query.loop_figures import DriftState

__all__ = ["LiveDesk", "Send"]

Send = Callable[[Topic, str, Wire | None], Awaitable[None]]
"""Sends a value to a topic under a key. Returns once Kafka has it, or once it is kept to be sent later."""

MODELS_SHOWN_MAX = 200
"""Models on the Loop page and in /api/state: producers choose the names. ClickHouse has all of them."""
ALERT_CHANGE_SECONDS_MAX = 3.0


class LiveDesk:
    """Implements ``console.desk.protocol.Desk`` over the queue and the log."""

    def __init__(self, state: DeskState, watch: LoopWatch, send: Send) -> None:
        self._state = state
        self._watch = watch
        self._send = send

    async def person(self, person_id: str) -> Person | None:
        """The account of this id; None where there is none."""
        return self._state.people.get(person_id)

    async def counts(self) -> QueueCounts:
        """How many tasks are open in each lane."""
        return queue_counts(self._state.queue.counts(self._state.now_ms()), self._state.settings.queue)

    async def page(self, lane: Lane | None, offset: int, limit: int) -> tuple[TaskSummary, ...]:
        """``limit`` open tasks from ``offset`` on, in the order in which they are handed out."""
        views = self._state.queue.page(offset, limit, lane=lane)
        return tuple(task_summary(view, self._state.people.get(view.holder)) for view in views)

    async def next_task(self, person: Person, model: str | None = None) -> LeasedTask | None:
        """Lease the task that this person should do next; None where there is none."""
        lease = self._state.queue.next_for(person.person_id, person.roles, self._state.now_ms(), model=model)
        return None if lease is None else self._shown(lease.task.task_id, person)

    async def has_next(self, person: Person) -> bool:
        """Whether a task waits for this person; leases none."""
        return self._state.queue.has_next(person.person_id, person.roles)

    async def task(self, task_id: str, person: Person) -> LeasedTask | None:
        """One task, leased to this person if possible; None where it is not open."""
        reply = self._state.queue.lease(task_id, person.person_id, person.roles, self._state.now_ms())
        return self._shown(task_id, person, reply.sentence)

    async def missing(self, task_id: str) -> ActionResult:
        """Why a task is not open."""
        return action_result(self._state.queue.absent_reply(task_id))

    async def answer(
        self, task_id: str, person: Person, answer: str, seconds_spent: float, comment: str
    ) -> ActionResult:
        """Put this person's opinion into the queue and the log; the result says until when it can be taken back."""
        now_ms = self._state.now_ms()
        view = self._state.queue.view(task_id)
        opinion = Opinion(
            opinion_id=f"o-{uuid.uuid4()}",
            task_id=task_id,
            model=view.task.model if view else "unknown",
            person=person.person_id,
            answer=answer if view and answer in view.task.choices else composed(answer.strip()),
            time=now_ms,
            seconds_spent=seconds_spent,
            comment=comment,
            simulated=person.simulated,
        )
        reply = self._state.queue.opinion(opinion, now_ms)
        undo_until = now_ms + 1000 * self._state.settings.queue.undo_seconds
        return await self._sent(reply, undo_until)

    async def skip(self, task_id: str, person: Person) -> ActionResult:
        """End this person's lease of a task, and leave the task to others."""
        return await self._sent(self._state.queue.skip(task_id, person.person_id))

    async def withdraw(self, task_id: str, person: Person) -> ActionResult:
        """Take back this person's answer to a task."""
        return await self._sent(self._state.queue.withdraw(task_id, person.person_id, self._state.now_ms()))

    async def alerts(self, state: AlertState | None, offset: int, limit: int) -> tuple[Alert, ...]:
        """``limit`` alerts in their present state from ``offset`` on, newest first."""
        newest = [history[-1] for history in self._state.alerts.values()]
        chosen = [alert for alert in newest if state is None or alert.state == state]
        chosen.sort(
            key=lambda alert: (alert.raised_at, alert.fired_at, alert.fired_at_event, alert.alert_id), reverse=True
        )
        return tuple(chosen[offset : offset + limit])

    async def alert(self, alert_id: str) -> AlertView | None:
        """One alert with its history; None where it is not known."""
        history = self._state.alerts.get(alert_id)
        if history is None:
            return None
        return AlertView(alert=history[-1], history=tuple(history), has_report=bool(history[-1].report_id))

    async def alert_action(self, alert_id: str, person: Person, action: AlertAction, comment: str) -> ActionResult:
        """Ask DRIFT, by an opinion, to acknowledge or resolve an alert; wait up to ``ALERT_CHANGE_SECONDS_MAX``."""
        history = self._state.alerts.get(alert_id)
        if history is None:
            return ActionResult(outcome="unknown", message="There is no such alert.")
        alert = history[-1]
        if alert.state == "resolved" or (alert.state == "acknowledged" and action == "acknowledge"):
            return ActionResult(outcome="conflict", message=f"This alert is {alert.state} already.")
        opinion = Opinion(
            opinion_id=f"o-{uuid.uuid4()}",
            task_id=task_id_of(alert.model, alert.alert_id),
            model=alert.model,
            person=person.person_id,
            answer=action,
            time=self._state.now_ms(),
            comment=comment,
            simulated=person.simulated,
        )
        await self._send(REVIEW_OPINIONS, opinion.task_id, opinion)
        changed = await self._changed(alert)
        done = "acknowledged" if action == "acknowledge" else "resolved"
        message = f"The alert is {done}." if changed else f"The alert will be {done} as soon as DRIFT has read this."
        return ActionResult(outcome="accepted", message=message)

    async def report_html(self, report_id: str) -> str | None:
        """The page of an Evidently report; None where there is none."""
        return await self._watch.report_html(report_id)

    async def loop_state(self) -> LoopState:
        """How the loop stands: tasks and alerts as of now, figures of ClickHouse and Kafka a few seconds old."""
        figures = self._watch.figures
        models, left_out = self._models_shown()
        more = (f"{left_out} more models, those with the fewest events, are not shown here",) if left_out else ()
        open_tasks = self._state.queue.counts_by_model()
        return LoopState(
            at=self._state.now_ms(),
            models=tuple(self._model_state(model, open_tasks.get(model, {})) for model in models),
            roles=figures.roles,
            rejects=figures.rejects.shown,
            reject_kinds_more=figures.rejects.kinds_more,
            rejects_more=figures.rejects.more,
            warnings=(*figures.warnings, *more),
            recent_opinions=tuple(self._state.opinions),
        )

    def _models_shown(self) -> tuple[list[str], int]:
        """The names of the models that are shown, sorted, and how many others there are.

        Configured models come first, then those with the most events.
        """
        counted, configured = self._watch.figures.models, self._state.settings.models
        names = {*counted, *self._state.manifests, *self._state.references}

        def rank(name: str) -> tuple[bool, int, str]:
            return name not in configured, -counted[name].events if name in counted else 0, name

        return sorted(sorted(names, key=rank)[:MODELS_SHOWN_MAX]), max(0, len(names) - MODELS_SHOWN_MAX)

    def _model_state(self, model: str, open_tasks: dict[Lane, int]) -> ModelState:
        figures = self._watch.figures.models.get(model)
        manifest = self._state.manifests.get(model)
        drift = self._watch.figures.drift.get(model, DriftState())
        in_charge = "production" if manifest is None or manifest.recipe == "production" else manifest.version
        return ModelState(
            model=model,
            events=figures.events if figures else 0,
            decisions=figures.decisions if figures else {},
            open_tasks=open_tasks,
            corrections=figures.corrections if figures else 0,
            alerts_firing=self._state.firing(model),
            in_charge=in_charge,
            in_charge_since=manifest.created_at if manifest else 0,
            chosen_share=figures.chosen_share if figures else None,
            answered_share=figures.answered_share if figures else None,
            budget=self._state.settings.model(model).triage.budget,
            accuracy=figures.accuracy if figures else None,
            late_blocks=drift.late_blocks,
            late_events=drift.late_events,
            forced_blocks=drift.forced_blocks,
            time_resets=drift.time_resets,
            features_unwatched=drift.features_unwatched,
            unwatched=drift.unwatched,
        )

    def _shown(self, task_id: str, person: Person, note: str = "") -> LeasedTask | None:
        view = self._state.queue.view(task_id)
        if view is None:
            return None
        features = view.task.evidence.features if view.task.evidence else {}
        alert = self._state.alerts.get(view.task.alert_id)
        return leased_task(
            self._state.queue,
            view,
            person,
            note=note,
            ranges=ranges_of(self._state.references.get(view.task.model), features),
            alert=alert[-1] if alert else None,
        )

    async def _sent(self, reply: Reply, undo_until: int = 0) -> ActionResult:
        if reply.opinion is not None and reply.status == "done":
            await self._send(REVIEW_OPINIONS, reply.opinion.task_id, reply.opinion)
        return action_result(reply, undo_until=undo_until)

    async def _changed(self, before: Alert) -> bool:
        """Whether the alert's state changed within a few seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ALERT_CHANGE_SECONDS_MAX
        while loop.time() < deadline:
            history = self._state.alerts.get(before.alert_id)
            if history is not None and history[-1].state != before.state:
                return True
            await asyncio.sleep(0.05)
        return False
