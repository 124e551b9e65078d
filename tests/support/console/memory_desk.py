"""A desk in memory over the real queue, for tests and for looking at the pages."""

from __future__ import annotations

import msgspec

from console.desk.feature_ranges import ranges_of
from console.desk.protocol import ActionResult, AlertView, LeasedTask, LoopState, QueueCounts, TaskSummary
from console.desk.queue_answers import action_result, leased_task, queue_counts, task_summary
from review.queue.queue import Queue
from review.queue.replies import Settled
from review.settings import QueueSettings
from schemas.wire.opinion import Opinion


class Clock:
    """Epoch milliseconds that tests move."""

    def __init__(self, now_ms=1_772_000_000_000):
        self.now_ms = now_ms

    def __call__(self):
        return self.now_ms

    def pass_seconds(self, seconds):
        self.now_ms += round(seconds * 1000)


class MemoryDesk:
    """The Desk protocol; what it would write to a log, it keeps in lists."""

    def __init__(
        self, clock, *, people=(), tasks=(), alerts=(), reference=None, reports=None, state=None, settings=None
    ):
        self.clock = clock
        self.people = {person.person_id: person for person in people}
        self.queue = Queue(settings or QueueSettings())
        self.histories = {}
        for alert in alerts:
            self.histories.setdefault(alert.alert_id, []).append(alert)
        self.reference = reference
        self.reports = reports or {}
        self.state = state
        self.opinions = []
        self.settled = []
        for task in tasks:
            self.queue.put(task, clock())

    def tick(self):
        self.settled += [event for event in self.queue.tick(self.clock()) if isinstance(event, Settled)]

    async def person(self, person_id):
        return self.people.get(person_id)

    async def counts(self) -> QueueCounts:
        self.tick()
        return queue_counts(self.queue.counts(self.clock()), self.queue.settings)

    async def page(self, lane, offset, limit) -> tuple[TaskSummary, ...]:
        self.tick()
        views = self.queue.page(offset, limit, lane=lane)
        return tuple(task_summary(view, self.people.get(view.holder)) for view in views)

    async def next_task(self, person, model=None) -> LeasedTask | None:
        self.tick()
        lease = self.queue.next_for(person.person_id, person.roles, self.clock(), model=model)
        return None if lease is None else self.shown(lease.task.task_id, person, "")

    async def has_next(self, person) -> bool:
        self.tick()
        return self.queue.has_next(person.person_id, person.roles)

    async def task(self, task_id, person) -> LeasedTask | None:
        self.tick()
        reply = self.queue.lease(task_id, person.person_id, person.roles, self.clock())
        return self.shown(task_id, person, reply.sentence)

    async def missing(self, task_id) -> ActionResult:
        return action_result(self.queue.absent_reply(task_id))

    def shown(self, task_id, person, note):
        view = self.queue.view(task_id)
        if view is None:
            return None
        features = view.task.evidence.features if view.task.evidence else {}
        history = self.histories.get(view.task.alert_id)
        return leased_task(
            self.queue,
            view,
            person,
            note=note,
            ranges=ranges_of(self.reference, features),
            alert=history[-1] if history else None,
        )

    async def answer(self, task_id, person, answer, seconds_spent, comment) -> ActionResult:
        self.tick()
        now = self.clock()
        view = self.queue.view(task_id)
        opinion = Opinion(
            opinion_id=f"{task_id}-{person.person_id}-{now}",
            task_id=task_id,
            model=view.task.model if view else "unknown",
            person=person.person_id,
            answer=answer,
            time=now,
            seconds_spent=seconds_spent,
            comment=comment,
            simulated=person.simulated,
        )
        reply = self.queue.opinion(opinion, now)
        if reply.opinion:
            self.opinions.append(reply.opinion)
        return action_result(reply, undo_until=now + self.queue.settings.undo_seconds * 1000)

    async def skip(self, task_id, person) -> ActionResult:
        self.tick()
        return action_result(self.queue.skip(task_id, person.person_id))

    async def withdraw(self, task_id, person) -> ActionResult:
        self.tick()
        reply = self.queue.withdraw(task_id, person.person_id, self.clock())
        if reply.opinion:
            self.opinions.append(reply.opinion)
        return action_result(reply)

    async def alerts(self, state, offset, limit):
        newest = [history[-1] for history in self.histories.values()]
        newest = [alert for alert in newest if state is None or alert.state == state]
        newest.sort(key=lambda alert: -(alert.raised_at or alert.fired_at))
        return tuple(newest[offset : offset + limit])

    async def alert(self, alert_id) -> AlertView | None:
        history = self.histories.get(alert_id)
        if history is None:
            return None
        return AlertView(alert=history[-1], history=tuple(history), has_report=history[-1].report_id in self.reports)

    async def alert_action(self, alert_id, person, action, comment) -> ActionResult:
        history = self.histories.get(alert_id)
        if history is None:
            return ActionResult(outcome="unknown", message=f"alert {alert_id}: there is no such alert")
        state = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]
        if history[-1].state == "resolved" or history[-1].state == state:
            return ActionResult(outcome="conflict", message=f"the alert is {history[-1].state} already")
        changed = msgspec.structs.replace(
            history[-1],
            state=state,
            revision=history[-1].revision + 1,
            changed_at=self.clock(),
            changed_by=person.person_id,
            note=comment,
        )
        history.append(changed)
        return ActionResult(outcome="accepted", message=f"the alert is {state}")

    async def report_html(self, report_id):
        return self.reports.get(report_id)

    async def loop_state(self) -> LoopState:
        state = self.state or LoopState(at=self.clock())
        self.tick()
        told = [opinion for event in self.settled for opinion in event.opinions]
        return msgspec.structs.replace(state, at=self.clock(), recent_opinions=tuple(told[::-1][:20]))
