"""What people say of alerts: on the page of an alert, and by the answers to its task."""

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
"""What people said and DRIFT has not yet done; at so many the log is read on only as it does."""
TASKS_KEPT_MAX = 10_000
"""Tasks not settled yet whose answers are remembered; beyond it, who gave the oldest is not noted on the alert."""
PEOPLE_KEPT_MAX = 20
"""People whose answers to one task are remembered, the latest."""


class Said(NamedTuple):
    """What was said of the alert behind a task: asked for on its page (ACKNOWLEDGE, RESOLVE), or the settled answer."""

    task_id: str
    text: str
    is_answer: bool
    person: str
    comment: str


class AlertAnswers:
    """Hears opinions and settled tasks, in the thread that reads them, and hands out what follows, in another.

    Whoever gave a task its answer is known from the opinions: hear them before the tasks.
    """

    def __init__(self) -> None:
        self._opinions: FIFOCache[str, FIFOCache[str, Opinion]] = FIFOCache(TASKS_KEPT_MAX)
        self._waiting: queue.Queue[Said] = queue.Queue(WAITING_MAX)

    def hear_opinion(self, record: Record) -> None:
        """An opinion of the log. What is asked for on the page of an alert takes effect at once."""
        opinion = read(Opinion, record.value())
        if opinion is None:
            return
        if opinion.answer in (ACKNOWLEDGE, RESOLVE):
            self._waiting.put(Said(opinion.task_id, opinion.answer, False, opinion.person, opinion.comment))
        else:
            self._remember(opinion)

    def recall_opinion(self, record: Record) -> None:
        """An opinion of the log that is read ahead, before the tasks: who said it is remembered, nothing is done."""
        opinion = read(Opinion, record.value())
        if opinion is not None:
            self._remember(opinion)

    def _remember(self, opinion: Opinion) -> None:
        """Keep what may be an answer to an alert's task until that is settled, or the person takes it back."""
        if opinion.answer not in ANSWERS and opinion.task_id not in self._opinions:
            return
        said = self._opinions.setdefault(opinion.task_id, FIFOCache(PEOPLE_KEPT_MAX))
        known = said.pop(opinion.person, None)
        if known is not None and (known.time, known.opinion_id) > (opinion.time, opinion.opinion_id):
            opinion = known
        said[opinion.person] = opinion

    def hear_task(self, record: Record) -> None:
        """A task about an alert: a settled one has an answer."""
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
        """What has not been done yet, in the order in which it was heard."""
        while True:
            try:
                yield self._waiting.get_nowait()
            except queue.Empty:
                return
