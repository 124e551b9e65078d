"""What people say of alerts: by the buttons on an alert's page, and by their answers to its task."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import NamedTuple

from cachetools import FIFOCache

from agents.shared.log_values import read
from review.task_life import ALERT_CHOICES
from schemas.wire.alert import ACKNOWLEDGE, RESOLVE
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN, Opinion
from schemas.wire.task import Task
from streams.records import Record

__all__ = ["AlertAnswers", "Said"]

ANSWERS = (*ALERT_CHOICES, CANNOT_TELL)

WAITING_MAX = 10_000
"""Things that people said and DRIFT has not done yet; at so many the reading of the log waits for DRIFT."""
TASKS_KEPT_MAX = 10_000
"""Open tasks whose opinions are remembered; beyond it the oldest are forgotten, and their alerts name nobody."""
PEOPLE_KEPT_MAX = 20
"""The latest people whose opinions on one task are remembered."""


class Said(NamedTuple):
    """What was said of the alert of a task: ACKNOWLEDGE or RESOLVE from its page, or the settled answer to the task."""

    task_id: str
    text: str
    is_answer: bool
    person: str
    comment: str


class AlertAnswers:
    """Takes opinions and settled tasks in the thread that reads them, and hands out what was said in another thread.

    The people who gave a task its answer are known from the opinions: these must be heard before the tasks.
    """

    def __init__(self) -> None:
        self._opinions: FIFOCache[str, FIFOCache[str, Opinion]] = FIFOCache(TASKS_KEPT_MAX)
        self._waiting: queue.Queue[Said] = queue.Queue(WAITING_MAX)

    def hear_opinion(self, record: Record) -> None:
        """Take an opinion. ACKNOWLEDGE and RESOLVE take effect at once, others once their task is settled."""
        opinion = read(Opinion, record.value())
        if opinion is None:
            return
        if opinion.answer in (ACKNOWLEDGE, RESOLVE):
            self._waiting.put(Said(opinion.task_id, opinion.answer, False, opinion.person, opinion.comment))
        else:
            self._remember(opinion)

    def recall_opinion(self, record: Record) -> None:
        """Remember an opinion that is read before the tasks, and do nothing."""
        opinion = read(Opinion, record.value())
        if opinion is not None:
            self._remember(opinion)

    def _remember(self, opinion: Opinion) -> None:
        """Remember an opinion that may be an answer to an alert's task, instead of an older one of the same person."""
        if opinion.answer not in ANSWERS and opinion.task_id not in self._opinions:
            return
        said = self._opinions.setdefault(opinion.task_id, FIFOCache(PEOPLE_KEPT_MAX))
        known = said.pop(opinion.person, None)
        if known is not None and (known.time, known.opinion_id) > (opinion.time, opinion.opinion_id):
            opinion = known
        said[opinion.person] = opinion

    def hear_task(self, record: Record) -> None:
        """Take a task. A settled task about an alert has an answer, which is handed out."""
        task = read(Task, record.value())
        if task is None or task.lane != "alert" or task.state == "open":
            return
        opinions = self._opinions.pop(task.task_id, None)
        if task.state != "settled":
            return
        said = [opinion for opinion in (opinions or {}).values() if opinion.answer == task.answer != WITHDRAWN]
        newest = max(said, key=lambda opinion: opinion.time, default=None)
        text = "cannot tell" if task.answer == CANNOT_TELL else task.answer
        person, comment = ("", "") if newest is None else (newest.person, newest.comment)
        self._waiting.put(Said(task.task_id, text, True, person, comment))

    def take(self) -> Iterator[Said]:
        """What was said and not taken yet, in the order in which it was heard."""
        while True:
            try:
                yield self._waiting.get_nowait()
            except queue.Empty:
                return
