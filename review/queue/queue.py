"""The queue: who gets which task next, and what becomes of the answers to it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import msgspec
from cachetools import FIFOCache

from review.agreement import TrackRecord, correction_id_of, correction_of, standing_opinions
from review.queue.replies import Lease, LeaseEnded, Put, QueuedCounts, QueuedTask, QueueEvent, Reply, Settled
from review.queue.shelves import LANES, Entry
from review.queue.task_table import TaskTable, lease_of
from review.settings import AgreementSettings, QueueSettings
from review.task_life import lane_settings
from schemas.texts.labels import label_problem
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN, Opinion
from schemas.wire.person import Role
from schemas.wire.task import Lane, Task

__all__ = ["Queue"]


class Queue:
    """All unsettled tasks, and who does them. It has no clock: ``now_ms`` is the time in epoch milliseconds.

    One person at a time holds a task, and nobody is handed a task that they answered or skipped. An answer may be taken
    back for ``undo_seconds``, or until the same person answers another task; then ``tick`` settles the task. After a
    restart the tasks and opinions of the log (``put``, then ``replay``) give the same queue, without its leases.
    """

    def __init__(self, settings: QueueSettings, agreement: AgreementSettings | None = None) -> None:
        self.settings = settings
        self._track = TrackRecord(agreement or AgreementSettings())
        self._table = TaskTable(settings)
        self._last_answer: dict[str, tuple[str, int]] = {}
        self._skips: FIFOCache[str, FIFOCache[str, None]] = FIFOCache(settings.people_max)

    def __len__(self) -> int:
        return len(self._table.entries)

    def put(self, task: Task, now_ms: int, *, replayed: bool = False) -> Put:
        """Take a task in; idempotent by id and revision. A settled or expired revision closes the task.

        At ``open_tasks_max`` the open review tasks of lowest priority expire, which may be the new one. If there are
        none, the other lanes may grow up to ``protected_tasks_max``; beyond it the status is ``full``, and the caller
        leaves the task in the log and tries again later. With ``replayed`` the task comes out of the log at a restart,
        and no other makes room for it. Choices that are no labels are dropped.
        """
        return self._table.put(offering_labels(task), now_ms, replayed=replayed)

    def is_over(self, task_id: str) -> bool:
        """Whether a task was settled or has expired, as far as it is remembered."""
        return self._table.is_closed(task_id)

    def next_for(
        self,
        person: str,
        roles: Collection[Role],
        now_ms: int,
        *,
        lanes: Collection[Lane] | None = None,
        model: str | None = None,
    ) -> Lease | None:
        """A lease on the task that this person should do next; None if none waits for them.

        The order is priority, then due time, then age; ``lanes`` and ``model`` leave out all other tasks. A person who
        holds ``leases_per_person_max`` tasks gets the one held longest again, of whatever lane and model, until its
        lease runs out.
        """
        for entry in self._table.held_by(person):
            self._lapse_if_over(entry, now_ms)
        held = self._table.held_by(person)
        if len(held) >= self.settings.leases_per_person_max:
            return lease_of(held[0])
        task_id = self._first_free(person, roles, lanes, model)
        return None if task_id is None else self._table.grant(self._table.entries[task_id], person, now_ms)

    def has_next(self, person: str, roles: Collection[Role]) -> bool:
        """Whether ``next_for`` has a task for this person, of any lane and model; leases none."""
        if len(self._table.held_by(person)) >= self.settings.leases_per_person_max:
            return True
        return self._first_free(person, roles) is not None

    def _first_free(
        self, person: str, roles: Collection[Role], lanes: Collection[Lane] | None = None, model: str | None = None
    ) -> str | None:
        """The id of the first task that nobody holds and that this person may do, without those that they skipped."""
        skipped = self._skips.get(person, ())
        return self._table.shelves.first(
            person,
            lambda lane, adjudication: (lanes is None or lane in lanes) and self._may(roles, lane, adjudication),
            lambda task_id: (
                task_id not in skipped and (model is None or self._table.entries[task_id].task.model == model)
            ),
        )

    def lease(self, task_id: str, person: str, roles: Collection[Role], now_ms: int) -> Reply:
        """A lease on this very task; tasks that the person then holds beyond the limit go back to the queue."""
        entry = self._table.entries.get(task_id)
        if entry is None:
            return self.absent_reply(task_id)
        self._lapse_if_over(entry, now_ms)
        if entry.holder == person:
            return Reply(status="known", sentence="You hold this task already.", lease=lease_of(entry))
        if not self._may(roles, entry.task.lane, entry.outcome.adjudication):
            return Reply(status="other_role", sentence="This task is for another role.")
        if person in entry.people:
            return Reply(status="already_answered", sentence="You have answered this task already.")
        if entry.stage == "answered":
            return Reply(status="settled", sentence="This task has its answer already.")
        if entry.stage == "leased":
            return Reply(status="held_by_another", sentence="Somebody else is working on this task.")
        return Reply(status="done", sentence="The task is yours.", lease=self._table.grant(entry, person, now_ms))

    def skip(self, task_id: str, person: str) -> Reply:
        """Leave a task to others; this person is not handed it again while the skip is remembered."""
        entry = self._held(task_id, person)
        if isinstance(entry, Reply):
            return entry
        self._table.step(entry, "skip")
        entry.last_holder = ""
        skipped = self._skips.get(person) or FIFOCache[str, None](self.settings.skips_per_person_max)
        skipped[task_id] = None
        self._skips[person] = skipped
        return Reply(status="done", sentence="Skipped; others will look at it.")

    def opinion(self, opinion: Opinion, now_ms: int) -> Reply:
        """Take an opinion of the person who holds the task, or who held it last if nobody has taken it since.

        If the reply is ``done``, its ``opinion`` must be written to the log. The same opinion again is ``known``.
        """
        entry = self._table.entries.get(opinion.task_id)
        if entry is None:
            return self.absent_reply(opinion.task_id)
        refusal = self._refusal_of(entry, opinion)
        if refusal is not None:
            return refusal
        before = entry.opinions.get(opinion.person)
        if before is not None and opinion.time <= before.time:
            opinion = msgspec.structs.replace(opinion, time=before.time + 1)
        earlier = self._last_answer.get(opinion.person)
        if earlier is not None and earlier[0] in self._table.answered:
            self._table.entries[earlier[0]].final_at_ms = now_ms
        self._last_answer[opinion.person] = (opinion.task_id, now_ms)
        self._table.hear(entry, opinion, now_ms + self._undo_ms)
        return Reply(status="done", sentence="Answer taken.", opinion=opinion)

    def _refusal_of(self, entry: Entry, opinion: Opinion) -> Reply | None:
        """Why an opinion cannot be taken; None if it can."""
        person = opinion.person
        if person in entry.people:
            if entry.opinions[person].opinion_id == opinion.opinion_id:
                return Reply(status="known", sentence="This answer is known already.")
            return Reply(status="already_answered", sentence="You have answered this task already.")
        if entry.stage == "answered":
            return Reply(status="settled", sentence="This task has its answer already.")
        if entry.holder != person and (entry.holder or entry.last_holder != person):
            return Reply(status="lease_lost", sentence="You do not hold this task any more; take it again to answer.")
        if not is_offered(opinion.answer, entry.task):
            right = ", ".join(entry.task.choices[:10]) or "a label"
            return Reply(status="not_a_choice", sentence=f"{opinion.answer!r} is not offered here; expected {right}.")
        return None

    def replay(self, opinion: Opinion) -> bool:
        """Take an opinion out of the log, in any order and without a lease; whether it answers a task of the queue.

        An answer that the task does not offer is ignored: acknowledging and resolving an alert are opinions as well.
        """
        entry = self._table.entries.get(opinion.task_id)
        if entry is None or not (opinion.answer == WITHDRAWN or is_offered(opinion.answer, entry.task)):
            return False
        before = entry.opinions.get(opinion.person)
        if before is None or (before.time, before.opinion_id) < (opinion.time, opinion.opinion_id):
            newest = max(opinion.time, *(other.time for other in entry.opinions.values()), 0)
            self._table.hear(entry, opinion, newest + self._undo_ms)
        return True

    def withdraw(self, task_id: str, person: str, now_ms: int) -> Reply:
        """Take the person's last answer back; they hold the task again, instead of the one they were given after it.

        The reply's ``opinion`` must be written to the log; its ``lease`` is None if somebody else has the task by now.
        """
        entry = self._table.entries.get(task_id)
        last = self._last_answer.get(person)
        if last is not None and last[0] != task_id:
            return Reply(status="too_late", sentence="Only the last answer can be taken back.")
        if entry is None or last is None or now_ms - last[1] > self._undo_ms or person not in entry.people:
            return Reply(status="too_late", sentence="This answer can no longer be taken back.")
        mine = entry.opinions[person]
        marker = msgspec.structs.replace(
            mine,
            opinion_id="w-" + hashlib.sha256(mine.opinion_id.encode()).hexdigest()[:24],
            answer=WITHDRAWN,
            time=max(now_ms, mine.time + 1),
        )
        del self._last_answer[person]
        self._table.hear(entry, marker, now_ms + self._undo_ms)
        lease = self._table.grant(entry, person, now_ms) if entry.stage == "open" else None
        return Reply(status="done", sentence="Answer taken back.", lease=lease, opinion=marker)

    def stand(self, task_id: str, person: str) -> None:
        """Make an answer final: the person has seen something that it must not depend on."""
        last = self._last_answer.get(person)
        if last is not None and last[0] == task_id:
            del self._last_answer[person]

    def tick(self, now_ms: int) -> list[QueueEvent]:
        """The events since the last call: leases that ran out, settled tasks, review tasks past due. Call it often."""
        events: list[QueueEvent] = []
        for entry in list(self._table.held()):
            person = entry.holder
            if self._lapse_if_over(entry, now_ms):
                events.append(LeaseEnded(task_id=entry.task.task_id, person=person))
        for task_id in sorted(self._table.answered):
            entry = self._table.entries[task_id]
            if entry.final_at_ms <= now_ms:
                events.append(self._settle(entry, now_ms))
        for task_id in list(self._table.shelves.past_due("review", now_ms)):
            entry = self._table.entries[task_id]
            if entry.stage == "open":
                events.append(self._table.expire(entry, now_ms))
        over = [person for person, (_, at_ms) in self._last_answer.items() if now_ms - at_ms > self._undo_ms]
        for person in over:
            del self._last_answer[person]
        return events

    def _settle(self, entry: Entry, now_ms: int) -> Settled:
        """Close an answered task, and let its answer count in its reviewers' track records."""
        task, outcome = entry.task, entry.outcome
        opinions = standing_opinions(entry.opinions.values())
        reliability = self._track.reliability_of(opinions, outcome.answer, len(task.choices))
        newest = max(opinion.time for opinion in opinions)
        correction = correction_of(
            task, outcome.answer, source=outcome.source, reliability=reliability, created_at=newest
        )
        self._track.learn_settled(opinions, outcome)
        self._table.step(entry, "settle")
        self._table.close(task.task_id, "settled")
        settled = msgspec.structs.replace(
            task,
            state="settled",
            revision=task.revision + 1,
            answer=outcome.answer,
            changed_at=now_ms,
            correction_id="" if correction is None else correction_id_of(task.task_id),
        )
        return Settled(task=settled, opinions=tuple(opinions), reliability=reliability, correction=correction)

    def view(self, task_id: str) -> QueuedTask | None:
        """The view of one task; None if it is not in the queue."""
        entry = self._table.entries.get(task_id)
        return None if entry is None else view_of(entry)

    def page(self, offset: int, limit: int, *, lane: Lane | None = None) -> list[QueuedTask]:
        """Unsettled tasks of all lanes or one in order of priority, at most ``page_tasks_max`` at once."""
        lanes = LANES if lane is None else (lane,)
        ids = self._table.shelves.page(lanes, max(0, offset), max(0, min(limit, self.settings.page_tasks_max)))
        return [view_of(self._table.entries[task_id]) for task_id in ids]

    def counts_by_model(self) -> dict[str, dict[Lane, int]]:
        """Tasks without an answer by model and lane; looks at every task."""
        counts: dict[str, dict[Lane, int]] = {}
        for entry in self._table.entries.values():
            if entry.stage != "answered":
                lanes = counts.setdefault(entry.task.model, {})
                lanes[entry.task.lane] = lanes.get(entry.task.lane, 0) + 1
        return counts

    def counts(self, now_ms: int) -> dict[Lane, QueuedCounts]:
        """The counts of every lane at ``now_ms``."""
        return self._table.shelves.counts(now_ms)

    @property
    def _undo_ms(self) -> int:
        return self.settings.undo_seconds * 1_000

    def _may(self, roles: Collection[Role], lane: Lane, adjudication: bool) -> bool:
        allowed = self.settings.adjudicator_roles if adjudication else lane_settings(self.settings, lane).roles
        return any(role in allowed for role in roles)

    def _lapse_if_over(self, entry: Entry, now_ms: int) -> bool:
        is_over = entry.stage == "leased" and entry.until_ms <= now_ms
        if is_over:
            self._table.lapse(entry)
        return is_over

    def absent_reply(self, task_id: str) -> Reply:
        """The reply about a task that is not in the queue: how it ended, if remembered, and where to look it up."""
        if (state := self._table.closed_as(task_id)) is not None:
            became = "is settled" if state == "settled" else "has expired"
            return Reply(status="settled", sentence=f"Task {task_id} {became}: ClickHouse has it, in tasks_now.")
        line = f"There is no open task {task_id}; settled and expired ones are in ClickHouse, in tasks_now."
        return Reply(status="unknown_task", sentence=line)

    def _held(self, task_id: str, person: str) -> Entry | Reply:
        """The task if this person holds it, else the reply to them."""
        entry = self._table.entries.get(task_id)
        if entry is None:
            return self.absent_reply(task_id)
        if entry.holder != person:
            return Reply(status="lease_lost", sentence="You do not hold this task any more.")
        return entry


def offering_labels(task: Task) -> Task:
    """The task without choices that are no labels; the very same object if all are."""
    choices = tuple(choice for choice in task.choices if label_problem(choice) is None)
    return task if len(choices) == len(task.choices) else msgspec.structs.replace(task, choices=choices)


def is_offered(answer: str, task: Task) -> bool:
    """Whether ``answer`` is possible: a choice of the task, any label if it names no choices, or CANNOT_TELL."""
    if answer == CANNOT_TELL:
        return True
    return label_problem(answer) is None and (not task.choices or answer in task.choices)


def view_of(entry: Entry) -> QueuedTask:
    """A task as the console lists it."""
    return QueuedTask(
        task=entry.task,
        stage=entry.stage,
        holder=entry.holder,
        until_ms=entry.until_ms if entry.holder else 0,
        adjudication=entry.outcome.adjudication,
        opinions=tuple(standing_opinions(entry.opinions.values())),
    )
