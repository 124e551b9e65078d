"""Where tasks wait: sorted shelves, so that a person's next task is found without looking at all tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import islice

from sortedcontainers import SortedList

from review.agreement import OpinionsResult
from review.queue.replies import QueuedCounts
from review.task_life import Stage
from schemas.wire.opinion import WITHDRAWN, Opinion
from schemas.wire.task import Lane, Task

__all__ = ["LANES", "Entry", "Shelf", "Shelves"]

LANES: tuple[Lane, ...] = ("alert", "escalate", "audit", "review")

Key = tuple[float, int, int, str]
"""Minus the priority, due time, creation time, task id: the key of what comes first sorts first."""


@dataclasses.dataclass(slots=True)
class Entry:
    """A task in the queue, with its stage, its opinions and its lease."""

    task: Task
    stage: Stage = "open"
    opinions: dict[str, Opinion] = dataclasses.field(default_factory=dict)
    outcome: OpinionsResult = dataclasses.field(default_factory=lambda: OpinionsResult(more=1))
    holder: str = ""
    leased_at_ms: int = 0
    until_ms: int = 0
    last_holder: str = ""
    final_at_ms: int = 0

    @property
    def key(self) -> Key:
        """Sorts tasks by priority, then due time, then age."""
        return (-self.task.priority, self.task.due_at, self.task.created_at, self.task.task_id)

    @property
    def due_key(self) -> Key:
        """Sorts tasks by due time."""
        return (float(self.task.due_at), 0, 0, self.task.task_id)

    @property
    def people(self) -> tuple[str, ...]:
        """The ids of those whose opinion stands, sorted; people who took theirs back may be asked again."""
        return tuple(sorted(person for person, said in self.opinions.items() if said.answer != WITHDRAWN))

    @property
    def shelf(self) -> Shelf:
        """The shelf on which the task waits while it is open."""
        return (self.task.lane, self.outcome.adjudication, self.people)


Shelf = tuple[Lane, bool, tuple[str, ...]]
"""The lane, whether an adjudicator is needed, and the people who have answered, since nobody is asked twice. There are
as many shelves as different sets of people who have answered a task that needs more answers."""


class Shelves:
    """All unsettled tasks, sorted by lane, by due time, and by who may still be asked."""

    def __init__(self) -> None:
        self._waiting: dict[Shelf, SortedList[Key]] = {}
        self._listed: dict[Lane, SortedList[Key]] = {lane: SortedList() for lane in LANES}
        self._due: dict[Lane, SortedList[Key]] = {lane: SortedList() for lane in LANES}
        self._stages: dict[tuple[Lane, Stage], int] = {}

    def add(self, entry: Entry) -> None:
        """Add a task; it waits on its shelf if it is open."""
        self._listed[entry.task.lane].add(entry.key)
        self._due[entry.task.lane].add(entry.due_key)
        self.put_in(entry)

    def remove(self, entry: Entry) -> None:
        """Remove a task; ValueError if it is not here."""
        self._listed[entry.task.lane].remove(entry.key)
        self._due[entry.task.lane].remove(entry.due_key)
        self.take_out(entry)

    def put_in(self, entry: Entry) -> None:
        """Count a task under its stage, and put it on its shelf if it is open."""
        counted = (entry.task.lane, entry.stage)
        self._stages[counted] = self._stages.get(counted, 0) + 1
        if entry.stage == "open":
            self._waiting.setdefault(entry.shelf, SortedList()).add(entry.key)

    def take_out(self, entry: Entry) -> None:
        """Undo ``put_in``, before the stage, the opinions or the outcome of the task change."""
        self._stages[entry.task.lane, entry.stage] -= 1
        if entry.stage == "open":
            keys = self._waiting[entry.shelf]
            keys.remove(entry.key)
            if not keys:
                del self._waiting[entry.shelf]

    def first(self, person: str, allowed: Callable[[Lane, bool], bool], wanted: Callable[[str], bool]) -> str | None:
        """The id of the first ``wanted`` task on an ``allowed`` shelf this person may be asked about, or None."""
        best: Key | None = None
        for (lane, adjudication, answered), keys in self._waiting.items():
            if person in answered or not allowed(lane, adjudication):
                continue
            key = next((key for key in keys if wanted(key[3])), None)
            if key is not None and (best is None or key < best):
                best = key
        return best[3] if best is not None else None

    def lowest_review(self) -> str | None:
        """The id of the open review task of lowest priority that nobody has answered; None if there is none."""
        keys = self._waiting.get(("review", False, ()))
        return keys[-1][3] if keys else None

    def past_due(self, lane: Lane, now_ms: int) -> Iterator[str]:
        """The ids of the tasks of a lane whose due time has passed, earliest first."""
        for key in self._due[lane]:
            if key[0] > now_ms:
                return
            yield key[3]

    def page(self, lanes: Iterable[Lane], offset: int, limit: int) -> list[str]:
        """At most ``limit`` task ids in order of priority, from index ``offset`` on."""
        chosen = [self._listed[lane] for lane in lanes]
        if len(chosen) == 1:
            return [key[3] for key in chosen[0].islice(offset, offset + limit)]
        return [key[3] for key in islice(merge(*chosen), offset, offset + limit)]

    def counts(self, now_ms: int) -> dict[Lane, QueuedCounts]:
        """The counts of every lane at ``now_ms`` (epoch milliseconds)."""
        return {lane: self._lane_counts(lane, now_ms) for lane in LANES}

    def _lane_counts(self, lane: Lane, now_ms: int) -> QueuedCounts:
        due = self._due[lane]
        earliest = due[0] if due else None
        return QueuedCounts(
            lane=lane,
            open=self._stages.get((lane, "open"), 0),
            leased=self._stages.get((lane, "leased"), 0),
            answered=self._stages.get((lane, "answered"), 0),
            overdue=due.bisect_left((float(now_ms), 0, 0, "")),
            due_next_ms=None if earliest is None else int(earliest[0]),
        )
