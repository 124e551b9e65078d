"""The tasks of the queue with their stages and leases, which change together here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from cachetools import FIFOCache

from review.agreement import OpinionsResult, settle
from review.queue.replies import Expired, Lease, Put
from review.queue.shelves import Entry, Shelves
from review.settings import QueueSettings
from review.task_life import Step, after, lane_settings
from schemas.wire.opinion import WITHDRAWN, Opinion
from schemas.wire.task import Lane, Task, TaskState

__all__ = ["TaskTable", "lease_of"]


def lease_of(entry: Entry) -> Lease:
    """The lease on a task that somebody holds."""
    return Lease(task=entry.task, person=entry.holder, leased_at_ms=entry.leased_at_ms, until_ms=entry.until_ms)


class TaskTable:
    """Every unsettled task; each change of stage follows the table of transitions."""

    def __init__(self, settings: QueueSettings) -> None:
        self.settings = settings
        self.entries: dict[str, Entry] = {}
        self.shelves = Shelves()
        self.answered: dict[str, None] = {}
        self._leases: dict[str, list[str]] = {}
        self._closed: FIFOCache[str, TaskState] = FIFOCache(settings.closed_tasks_remembered_max)

    def put(self, task: Task, now_ms: int, *, replayed: bool) -> Put:
        """Take in a task or its newer revision; see Queue.put."""
        task_id = task.task_id
        if task_id in self._closed:
            return Put(status="closed")
        if task.state != "open":
            self.close(task_id, task.state)
            return Put(status="closed")
        entry = self.entries.get(task_id)
        if entry is None:
            return self._admit(task, now_ms, replayed=replayed)
        if task.revision <= entry.task.revision:
            return Put(status="known")
        if task.lane != entry.task.lane:
            return self._move(entry, task, now_ms)
        self.shelves.remove(entry)
        entry.task = task
        self.shelves.add(entry)
        return Put(status="replaced")

    def _move(self, entry: Entry, task: Task, now_ms: int) -> Put:
        """Move a task to another lane, which may need another number of people; its opinions are heard again there."""
        self.remove(task.task_id)
        put = self._admit(task, now_ms, replayed=False)
        moved = self.entries.get(task.task_id)
        if moved is None:
            return put
        for opinion in entry.opinions.values():
            self.hear(moved, opinion, max(now_ms, entry.final_at_ms))
        return Put(status="replaced", expired=put.expired)

    def _admit(self, task: Task, now_ms: int, *, replayed: bool) -> Put:
        """Take a new task in; at the limit the review tasks of lowest priority, this one included, make room."""
        entry = Entry(task, outcome=self.outcome_of({}, task.lane))
        expired: list[Expired] = []
        while len(self.entries) >= self.settings.open_tasks_max and not replayed:
            lowest_id = self.shelves.lowest_review()
            lowest = None if lowest_id is None else self.entries[lowest_id]
            if task.lane == "review" and (lowest is None or entry.key > lowest.key):
                self._closed[task.task_id] = "expired"
                expired.append(Expired(task=ended(task, now_ms), reason="queue_full"))
                return Put(status="closed", expired=tuple(expired))
            if lowest is None:
                break
            expired.append(self.expire(lowest, now_ms, is_full=True))
        if len(self.entries) >= self.settings.protected_tasks_max:
            return Put(status="full", expired=tuple(expired))
        self.entries[task.task_id] = entry
        self.shelves.add(entry)
        return Put(status="added", expired=tuple(expired))

    def remove(self, task_id: str) -> None:
        """Remove a task if it is here; the same id may be taken in again."""
        entry = self.entries.pop(task_id, None)
        if entry is None:
            return
        self.shelves.remove(entry)
        self._free(entry)
        self.answered.pop(task_id, None)

    def close(self, task_id: str, state: TaskState) -> None:
        """Remove a task for good: the same id is not taken in again while it is remembered."""
        self.remove(task_id)
        self._closed[task_id] = state

    def is_closed(self, task_id: str) -> bool:
        """Whether a task of this id was closed, as far as that is remembered."""
        return task_id in self._closed

    def closed_as(self, task_id: str) -> TaskState | None:
        """Whether a closed task was settled or has expired; None if the task is not remembered as closed."""
        return self._closed.get(task_id)

    def expire(self, entry: Entry, now_ms: int, *, is_full: bool = False) -> Expired:
        """End an open task without an answer."""
        if after(entry.stage, "expire") is None:
            raise ValueError(f"task {entry.task.task_id} is {entry.stage}, only an open task can expire")
        self.close(entry.task.task_id, "expired")
        return Expired(task=ended(entry.task, now_ms), reason="queue_full" if is_full else "due")

    def step(self, entry: Entry, step: Step, opinion: Opinion | None = None) -> None:
        """Move a task to its next stage, after an opinion if one is given; ValueError if the step is not possible."""
        stage = after(entry.stage, step)
        if stage is None:
            raise ValueError(f"task {entry.task.task_id} is {entry.stage}; {step} is not possible there")
        self.shelves.take_out(entry)
        if opinion is not None:
            entry.opinions[opinion.person] = opinion
            entry.outcome = self.outcome_of(entry.opinions, entry.task.lane)
        entry.stage = stage
        if stage != "leased":
            self._free(entry)
        self.shelves.put_in(entry)

    def hear(self, entry: Entry, opinion: Opinion, final_at_ms: int) -> None:
        """Take an opinion into account; the task is answered then, or waits for more people."""
        outcome = self.outcome_of({**entry.opinions, opinion.person: opinion}, entry.task.lane)
        if outcome.more == 0:
            self.step(entry, "suffice", opinion)
            self.answered[entry.task.task_id] = None
            entry.final_at_ms = final_at_ms
        else:
            self.step(entry, "withdraw" if opinion.answer == WITHDRAWN else "hear", opinion)
            self.answered.pop(entry.task.task_id, None)

    def outcome_of(self, opinions: dict[str, Opinion], lane: Lane) -> OpinionsResult:
        """The result of opinions under the settings of a lane."""
        return settle(
            opinions.values(),
            opinions_needed=lane_settings(self.settings, lane).opinions_needed,
            adjudication_rounds_max=self.settings.adjudication_rounds_max,
        )

    def grant(self, entry: Entry, person: str, now_ms: int) -> Lease:
        """Lease an open task to a person; of the tasks they hold beyond the limit, the newest go back."""
        held = self._leases.setdefault(person, [])
        while len(held) >= self.settings.leases_per_person_max:
            self.step(self.entries[held[-1]], "release")
            held = self._leases.setdefault(person, [])
        self.step(entry, "lease")
        entry.holder = entry.last_holder = person
        entry.leased_at_ms, entry.until_ms = now_ms, now_ms + self.settings.lease_seconds * 1_000
        held.append(entry.task.task_id)
        return lease_of(entry)

    def lapse(self, entry: Entry) -> None:
        """End a lease whose time has run out."""
        self.step(entry, "lapse")

    def held_by(self, person: str) -> list[Entry]:
        """The tasks that a person holds, longest held first."""
        return [self.entries[task_id] for task_id in self._leases.get(person, ())]

    def held(self) -> Iterator[Entry]:
        """All tasks that somebody holds, by person and then by time."""
        for person in sorted(self._leases):
            yield from self.held_by(person)

    def _free(self, entry: Entry) -> None:
        if not entry.holder:
            return
        held = self._leases[entry.holder]
        held.remove(entry.task.task_id)
        if not held:
            del self._leases[entry.holder]
        entry.holder = ""


def ended(task: Task, now_ms: int) -> Task:
    """The last revision of a task that expires."""
    return msgspec.structs.replace(task, state="expired", revision=task.revision + 1, changed_at=now_ms)
