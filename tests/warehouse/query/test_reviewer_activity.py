"""What people did each day: opinions that stand, apart from what was taken back and from what is asked of alerts."""

from __future__ import annotations

from typing import Any

import pytest

from review.queue.queue import Queue
from review.settings import LaneSettings, QueueSettings
from review.task_life import alert_task
from schemas.wire.alert import ACKNOWLEDGE, CONFIRMED, RESOLVE, Alert
from schemas.wire.base import Wire
from schemas.wire.opinion import CANNOT_TELL, Opinion
from schemas.wire.task import Evidence, Task
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.store.rows import Identity
from warehouse.store.tables import table_of

pytestmark = pytest.mark.servers

DAY0 = 1_704_067_200_000
"""2024-01-01T00:00:00Z"""
TWO = QueueSettings(review=LaneSettings(opinions_needed=2))


class Day:
    """A queue as people work on it, and all that it puts into the log."""

    def __init__(self, settings: QueueSettings) -> None:
        self.queue = Queue(settings)
        self.now_ms = DAY0
        self.told: dict[str, list[Wire]] = {"review.events": [], "review.alerts": [], "review.opinions": []}

    def task(self, task: Task) -> None:
        self.queue.put(task, self.now_ms)
        self.told["review.alerts" if task.lane == "alert" else "review.events"].append(task)

    def say(
        self, task_id: str, person: str, answer: str, *, taken_back: bool = False, seconds_spent: float = 3.0
    ) -> None:
        """An answer, taken back at once or left to stand."""
        self.now_ms += 10_000
        self.queue.lease(task_id, person, ("admin",), self.now_ms)
        opinion = Opinion(
            opinion_id=f"o-{self.now_ms}", task_id=task_id, model="m", person=person, answer=answer, time=self.now_ms,
            seconds_spent=seconds_spent,
        )  # fmt: skip
        replies = [self.queue.opinion(opinion, self.now_ms)]
        if taken_back:
            replies.append(self.queue.withdraw(task_id, person, self.now_ms + 1_000))
        assert all(reply.status == "done" for reply in replies), replies
        self.told["review.opinions"] += [reply.opinion for reply in replies if reply.opinion is not None]

    def act(self, task_id: str, person: str, act: str) -> None:
        """What the page of an alert asks for."""
        self.now_ms += 10_000
        opinion = Opinion(
            opinion_id=f"o-{self.now_ms}", task_id=task_id, model="m", person=person, answer=act, time=self.now_ms
        )
        self.told["review.opinions"].append(opinion)

    def store(self, warehouse: Warehouse) -> None:
        """All of it, and what settled, in ClickHouse."""
        for event in self.queue.tick(self.now_ms + 60_000):
            task = event.task  # type: ignore[union-attr]
            self.told["review.alerts" if task.lane == "alert" else "review.events"].append(task)
        for topic, values in self.told.items():
            rows = [row for at, value in enumerate(values) for row in rows_of(topic, value, Identity(topic, 0, at))]
            warehouse.insert(table_of(topic), rows)


def asked(task_id: str, choices: tuple[str, ...] = ("up", "down")) -> Task:
    return Task(
        task_id=task_id, lane="review", model="m", created_at=DAY0, due_at=DAY0 + 10**8, priority=1.0, choices=choices,
        evidence=Evidence(event_id=task_id, time=DAY0, features={}, prediction="up", confidence=0.5),
    )  # fmt: skip


def activity(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    rows = warehouse.as_analyst().query("SELECT * FROM reviewer_activity")
    assert len({row["person"] for row in rows}) == len(rows)
    return {row["person"]: row for row in rows}


def counts(row: dict[str, Any]) -> tuple[int, ...]:
    names = ("opinions", "withdrawn", "alert_acts", "cannot_tell", "on_settled_tasks", "compared", "agreed")
    return tuple(row[name] for name in names)


def test_an_answer_taken_back_is_no_opinion(warehouse: Warehouse) -> None:
    """Of two answers to one task, the first taken back, one stands; who took back all has none."""
    day = Day(QueueSettings())
    day.task(asked("t-1"))
    day.say("t-1", "bob", "down", taken_back=True)
    day.now_ms += 700_000
    day.queue.tick(day.now_ms)
    day.say("t-1", "ana", "down", taken_back=True)
    day.say("t-1", "ana", "up")
    day.store(warehouse)
    by_person = activity(warehouse)
    assert counts(by_person["ana"]) == (1, 1, 0, 0, 1, 0, 0)
    assert counts(by_person["bob"]) == (0, 1, 0, 0, 0, 0, 0)
    assert (by_person["ana"]["median_seconds"], by_person["bob"]["median_seconds"]) == (3.0, None)


def test_the_median_of_an_even_number_is_between_the_middle_ones(warehouse: Warehouse) -> None:
    """Of 1 s and 100 s it is 50.5 s; of three the middle one."""
    day = Day(QueueSettings())
    spent = {"ana": (1.0, 100.0), "bob": (1.0, 100.0, 7.0)}
    for person, times in spent.items():
        for number, seconds in enumerate(times):
            day.task(asked(f"t-{person}-{number}"))
            day.say(f"t-{person}-{number}", person, "up", seconds_spent=seconds)
    day.store(warehouse)
    by_person = activity(warehouse)
    assert {person: by_person[person]["median_seconds"] for person in spent} == {"ana": 50.5, "bob": 7.0}


def test_what_is_asked_of_an_alert_is_no_opinion(warehouse: Warehouse) -> None:
    """Acknowledging and resolving are counted apart; the answer to the alert's task before them stands."""
    day = Day(QueueSettings())
    alert = Alert(
        alert_id="a", model="m", signal="error", detector="adwin", severity="warning", state="firing", revision=0,
        fired_at=DAY0, fired_at_event=1, changed_at=DAY0, raised_at=DAY0, told_at=DAY0,
    )  # fmt: skip
    task = alert_task(alert, settings=QueueSettings())
    day.task(task)
    day.act(task.task_id, "noor", ACKNOWLEDGE)
    day.say(task.task_id, "noor", CONFIRMED)
    day.act(task.task_id, "noor", RESOLVE)
    day.act(task.task_id, "ada", RESOLVE)
    day.store(warehouse)
    by_person = activity(warehouse)
    assert counts(by_person["noor"]) == (1, 0, 2, 0, 1, 0, 0)
    assert counts(by_person["ada"]) == (0, 0, 1, 0, 0, 0, 0)


def test_a_label_may_be_called_like_what_is_asked_of_an_alert(warehouse: Warehouse) -> None:
    """A model of tickets answers "resolve": in its tasks that is an answer."""
    day = Day(QueueSettings())
    day.task(asked("t-1", choices=("resolve", "wait")))
    day.say("t-1", "ana", "resolve")
    day.store(warehouse)
    assert counts(activity(warehouse)["ana"]) == (1, 0, 0, 0, 1, 0, 0)


def test_agreement_is_with_others(warehouse: Warehouse) -> None:
    """One opinion alone is compared with nothing, nor is the one that decides between two; those two are, with it."""
    day = Day(TWO)
    for number in range(1, 4):
        day.task(asked(f"t-{number}"))
    day.say("t-1", "ana", "up")
    day.say("t-1", "bob", "up")  # unanimous: both are compared, and agree
    day.say("t-2", "ana", "up")
    day.say("t-2", "bob", "down")
    day.say("t-2", "ada", "up")  # decides: ana agrees with it, bob does not
    day.say("t-3", "ana", CANNOT_TELL)
    day.say("t-3", "bob", "up")  # a vote alone
    day.store(warehouse)
    by_person = activity(warehouse)
    assert counts(by_person["ana"]) == (3, 0, 0, 1, 3, 2, 2)
    assert counts(by_person["bob"]) == (3, 0, 0, 0, 3, 2, 1)
    assert counts(by_person["ada"]) == (1, 0, 0, 0, 1, 0, 0)
