from __future__ import annotations

import itertools
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from review.queue.queue import Queue
from review.queue.replies import Settled
from review.settings import LaneSettings, QueueSettings
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN, Opinion

PEOPLE = {"ann": ("reviewer",), "bob": ("reviewer",), "kim": ("on-call",), "lee": ("admin", "reviewer")}
SETTINGS = QueueSettings(
    review=LaneSettings(opinions_needed=2), lease_seconds=10, undo_seconds=5, open_tasks_max=6, protected_tasks_max=8
)

acts = st.tuples(
    st.sampled_from(["next"] * 3 + ["answer"] * 3 + ["withdraw"] * 2 + ["put", "skip", "tick", "lease"]),
    st.sampled_from(sorted(PEOPLE)),
    st.integers(0, 9),
    st.one_of(st.integers(0, 50), st.integers(0, 6_000)),
)


class Desk:
    """Plays acts on a queue and keeps what the log would hold."""

    def __init__(self, task: Any, opinion: Any, chosen: QueueSettings = SETTINGS) -> None:
        self.queue, self.task, self.opinion = Queue(chosen), task, opinion
        self.now_ms = 0
        self.log: list[Opinion] = []
        self.tasks: dict[str, Any] = {}
        self.settled: list[Settled] = []
        self.said: set[tuple[str, str]] = set()
        self.holding: dict[str, str] = {}
        self.answered: dict[str, str] = {}

    def act(self, what: str, person: str, number: int, wait_ms: int) -> None:
        self.now_ms += wait_ms
        task_id = f"t-{number}"
        if number < 8 and what in ("answer", "skip"):
            task_id = self.holding.get(person, task_id)
        if number < 8 and what == "withdraw":
            task_id = self.answered.get(person, task_id)
        if what == "put":
            self.put(number)
        elif what == "next":
            lease = self.queue.next_for(person, PEOPLE[person], self.now_ms)
            assert lease is None or lease.person == person
            if lease is not None:
                self.holding[person] = lease.task.task_id
            assert lease is None or (lease.task.task_id, person) not in self.said
        elif what == "answer":
            self.keep(self.queue.opinion(self.word(task_id, person, "ab"[number % 2]), self.now_ms), person)
        elif what == "withdraw":
            self.keep(self.queue.withdraw(task_id, person, self.now_ms), person)
        elif what == "lease":
            self.queue.lease(task_id, person, PEOPLE[person], self.now_ms)
        elif what == "tick":
            self.tick()
        else:
            self.queue.skip(task_id, person)

    def word(self, task_id: str, person: str, answer: str) -> Opinion:
        said: Opinion = self.opinion(
            task_id, person, answer, self.now_ms, opinion_id=f"{task_id}/{person}/{len(self.log)}"
        )
        return said

    def put(self, number: int) -> None:
        lane = ("review", "audit", "escalate")[number % 3]
        made = self.task(number, lane=lane, priority=float(number % 4), due_at=20_000 + number * 1_000)
        put = self.queue.put(made, self.now_ms)
        if put.status == "added":
            self.tasks[made.task_id] = made
        for expired in put.expired:
            self.tasks.pop(expired.task.task_id, None)

    def keep(self, reply: Any, person: str) -> None:
        if reply.status != "done":
            return
        self.log.append(reply.opinion)
        pair = (reply.opinion.task_id, person)
        if reply.opinion.answer in ("a", "b"):
            assert pair not in self.said
            self.said.add(pair)
            self.answered[person] = reply.opinion.task_id
        else:
            self.said.discard(pair)

    def tick(self) -> None:
        for event in self.queue.tick(self.now_ms):
            if isinstance(event, Settled):
                self.settled.append(event)
            if hasattr(event, "task"):
                self.tasks.pop(event.task.task_id, None)

    def check(self) -> None:
        views = self.queue.page(0, 100)
        held = [view for view in views if view.holder]
        assert all((view.stage == "leased") == bool(view.holder) for view in views)
        assert len({view.holder for view in held}) == len(held)
        assert not any(view.holder in {opinion.person for opinion in view.opinions} for view in held)
        assert {view.task.task_id for view in views} == set(self.tasks)
        assert len(self.queue) == len(views) <= SETTINGS.protected_tasks_max
        counts = self.queue.counts(self.now_ms)
        assert sum(lane.open + lane.leased + lane.answered for lane in counts.values()) == len(views)


@settings(max_examples=100, deadline=None)
@given(script=st.lists(acts, max_size=80))
def test_no_task_is_held_twice_and_nobody_is_asked_twice(
    task: Any, opinion: Any, script: list[tuple[str, str, int, int]]
) -> None:
    """Whatever people do, one holder a task, one task a holder, no repeated question, counts that add up."""
    desk = Desk(task, opinion)
    for number in range(6):
        desk.put(number)
    for act in script:
        desk.act(*act)
        desk.check()
    ended = [event.task.task_id for event in desk.settled]
    assert len(ended) == len(set(ended))


def state(queue: Queue) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """What a queue holds, without leases, which a restart does not bring back."""
    return [
        (
            view.task.task_id,
            "open" if view.stage == "leased" else view.stage,
            tuple((opinion.person, opinion.answer) for opinion in view.opinions),
        )
        for view in queue.page(0, 100)
    ]


@settings(max_examples=100, deadline=None)
@given(script=st.lists(acts, max_size=80), order=st.randoms(use_true_random=False))
def test_a_restart_by_replay_gives_the_same_queue(
    task: Any, opinion: Any, script: list[tuple[str, str, int, int]], order: Any
) -> None:
    """The tasks and opinions of the log, opinions in any order, bring back the queue, and it settles the same."""
    desk = Desk(task, opinion)
    for number in range(6):
        desk.put(number)
    for act in script:
        desk.act(*act)
    again = Queue(SETTINGS)
    for task in desk.tasks.values():
        assert again.put(task, desk.now_ms, replayed=True).status == "added"
    for said in order.sample(desk.log, len(desk.log)):
        again.replay(said)
    assert state(again) == state(desk.queue)
    later = desk.now_ms + 10_000
    before, after = (
        sorted((event.task.task_id, event.task.answer) for event in queue.tick(later) if isinstance(event, Settled))
        for queue in (desk.queue, again)
    )
    assert before == after


@settings(max_examples=50, deadline=None)
@given(answers=st.lists(st.sampled_from(["a", "b", CANNOT_TELL]), min_size=1, max_size=4))
def test_opinions_in_any_order_settle_the_same(task: Any, opinion: Any, answers: list[str]) -> None:
    """Every order in which the same opinions are replayed ends in the same answer."""
    said = [opinion("t-0", f"p{number}", answer, number) for number, answer in enumerate(answers)]
    ends = set()
    for sequence in itertools.permutations(said):
        queue = Queue(SETTINGS)
        queue.put(task(0), 0)
        for heard in sequence:
            queue.replay(heard)
        ends.add(repr([(event.task.answer, event.reliability) for event in queue.tick(10_000)]))  # type: ignore[union-attr]
    assert len(ends) == 1


def test_a_withdrawal_heard_before_its_opinion_still_takes_it_back(task: Any, opinion: Any) -> None:
    """The log may be read in any order: an older word never replaces a newer one, and time runs from the newest."""
    queue = Queue(SETTINGS)
    queue.put(task(0, lane="audit"), 0)
    queue.replay(opinion("t-0", "ann", WITHDRAWN, 20))
    queue.replay(opinion("t-0", "ann", "a", 10))
    assert queue.tick(9_000) == []
    queue.replay(opinion("t-0", "bob", "b", 1_000))
    assert queue.tick(5_999) == []
    assert len(queue.tick(6_000)) == 1


def test_a_hundred_thousand_tasks_stay_in_order(task: Any) -> None:
    """At the limit the queue still hands out the most urgent task, pages deep, and keeps its bound."""
    queue = Queue(QueueSettings(open_tasks_max=100_000))
    template = task()
    expired = 0
    for number in range(100_100):
        new = msgspec.structs.replace(template, task_id=f"t-{number}", priority=float(number * 7_919 % 100_103))
        expired += len(queue.put(new, 0).expired)
    assert (len(queue), expired) == (100_000, 100)
    lease = queue.next_for("ann", ("reviewer",), 0)
    assert lease is not None
    assert lease.task.priority == max(float(number * 7_919 % 100_103) for number in range(100_100))
    page = queue.page(50_000, 100, lane="review")
    assert [view.task.priority for view in page] == sorted((view.task.priority for view in page), reverse=True)
