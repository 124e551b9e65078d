from __future__ import annotations

from typing import Any

import msgspec
import pytest

from review.queue.queue import Queue
from review.queue.replies import Expired, LeaseEnded, Settled
from review.settings import LaneSettings, QueueSettings
from schemas.wire.opinion import CANNOT_TELL, WITHDRAWN

REVIEWER = ("reviewer",)
ON_CALL = ("on-call",)


@pytest.fixture
def queue() -> Queue:
    return Queue(QueueSettings())


def two_needed(**fields: Any) -> Queue:
    return Queue(QueueSettings(review=LaneSettings(opinions_needed=2), **fields))


def answer(queue: Queue, opinion: Any, person: str, said: str = "a", now_ms: int = 0, roles: Any = REVIEWER) -> str:
    lease = queue.next_for(person, roles, now_ms)
    assert lease is not None
    assert queue.opinion(opinion(lease.task.task_id, person, said, now_ms), now_ms).status == "done"
    return lease.task.task_id


def test_tasks_of_one_model_alone(queue: Queue, task: Any) -> None:
    """Who asks for a model's tasks is handed no other's, however urgent, and those wait untouched."""
    queue.put(msgspec.structs.replace(task(1, priority=0.9), model="other"), 0)
    queue.put(task(2, priority=0.1), 0)
    mine = task(2).model
    assert queue.next_for("sim", REVIEWER, 0, model=mine).task.task_id == "t-2"  # type: ignore[union-attr]
    assert queue.skip("t-2", "sim").status == "done"
    assert queue.next_for("sim", REVIEWER, 0, model=mine) is None
    assert queue.next_for("ann", REVIEWER, 0).task.task_id == "t-1"  # type: ignore[union-attr]


def test_order_is_priority_then_due_then_age(queue: Queue, task: Any) -> None:
    """The next task is the most urgent one; ties go to the earlier due time, then to the older task."""
    queue.put(task(1, priority=0.5, due_at=100), 0)
    queue.put(task(2, priority=0.9, due_at=900), 0)
    queue.put(task(3, priority=0.5, due_at=50, created_at=9), 0)
    queue.put(task(4, priority=0.5, due_at=50, created_at=8), 0)
    order = [queue.next_for(f"p{n}", REVIEWER, 0).task.task_id for n in range(4)]  # type: ignore[union-attr]
    assert order == ["t-2", "t-4", "t-3", "t-1"]
    assert queue.next_for("p9", REVIEWER, 0) is None


def test_put_is_idempotent_by_id_and_revision(queue: Queue, task: Any) -> None:
    """The same revision is known, a newer one replaces, an ended one closes for good."""
    assert queue.put(task(1), 0).status == "added"
    assert queue.put(task(1), 0).status == "known"
    assert queue.put(task(1, revision=1, priority=0.9), 0).status == "replaced"
    assert queue.page(0, 9)[0].task.priority == 0.9
    assert queue.put(task(1, revision=2, state="settled"), 0).status == "closed"
    assert queue.put(task(1), 0).status == "closed"
    assert len(queue) == 0


def test_lanes_are_for_roles(queue: Queue, task: Any) -> None:
    """Alerts and escalations are for those on call; reviewers get the rest; a list of lanes narrows it."""
    queue.put(task(1, lane="alert", priority=9), 0)
    queue.put(task(2, lane="escalate", priority=2), 0)
    queue.put(task(3, lane="audit", priority=1), 0)
    assert queue.next_for("ann", REVIEWER, 0).task.lane == "audit"  # type: ignore[union-attr]
    assert queue.next_for("bob", ON_CALL, 0, lanes=("escalate",)).task.lane == "escalate"  # type: ignore[union-attr]
    assert queue.lease("t-1", "ann", REVIEWER, 0).status == "other_role"
    assert queue.lease("t-1", "eve", ON_CALL, 0).status == "done"


def test_who_holds_a_task_gets_it_again(queue: Queue, task: Any) -> None:
    """Asking twice does not hand out twice, up to the limit of leases."""
    for number in range(3):
        queue.put(task(number), 0)
    first = queue.next_for("ann", REVIEWER, 0)
    assert queue.next_for("ann", REVIEWER, 5) == first
    assert queue.counts(0)["review"].leased == 1


def test_leases_run_out(queue: Queue, task: Any) -> None:
    """A lapsed lease opens the task again and is told once."""
    queue.put(task(1), 0)
    queue.next_for("ann", REVIEWER, 0)
    assert queue.tick(599_999) == []
    assert queue.tick(600_000) == [LeaseEnded(task_id="t-1", person="ann")]
    assert queue.tick(600_001) == []
    assert queue.skip("t-1", "ann").status == "lease_lost"
    assert queue.next_for("bob", REVIEWER, 600_002) is not None


def test_a_late_answer_counts_unless_somebody_took_the_task(queue: Queue, task: Any, opinion: Any) -> None:
    """After a lapse the last holder may still answer; once another holds the task they may not."""
    queue.put(task(1), 0)
    queue.put(task(2, priority=0.1), 0)
    queue.next_for("ann", REVIEWER, 0)
    queue.tick(600_000)
    queue.next_for("bob", REVIEWER, 600_001)
    refused = queue.opinion(opinion("t-1", "ann"), 600_002)
    assert refused.status == "lease_lost"
    assert queue.skip("t-1", "bob").status == "done"
    queue.next_for("ann", REVIEWER, 600_003)
    queue.tick(1_300_000)
    assert queue.opinion(opinion("t-1", "ann"), 1_300_001).status == "done"
    assert queue.opinion(opinion("t-2", "eve"), 1_300_001).status == "lease_lost"


def test_an_answer_settles_after_the_undo_time(queue: Queue, task: Any, opinion: Any) -> None:
    """The task stays until the answer cannot be taken back, then settles with a correction and one revision more."""
    queue.put(task(1, revision=4), 0)
    answer(queue, opinion, "ann", "b", 1_000)
    assert queue.tick(5_999) == []
    (settled,) = queue.tick(6_000)
    assert isinstance(settled, Settled)
    assert (settled.task.state, settled.task.answer, settled.task.revision) == ("settled", "b", 5)
    assert settled.correction is not None
    assert settled.task.correction_id == settled.correction.correction_id
    assert settled.reliability == pytest.approx(0.9)
    assert queue.put(task(1, revision=4), 7_000).status == "closed"
    assert queue.opinion(opinion("t-1", "ann", "b"), 7_000).status == "settled"
    assert queue.opinion(opinion("t-9", "ann", "b"), 7_000).status == "unknown_task"


def test_the_next_answer_makes_the_last_one_final(queue: Queue, task: Any, opinion: Any) -> None:
    """Who answers another task can no longer take the earlier answer back, so it settles at once."""
    queue.put(task(1), 0)
    queue.put(task(2), 0)
    first = answer(queue, opinion, "ann", now_ms=0)
    second = answer(queue, opinion, "ann", now_ms=1_000)
    assert queue.withdraw(first, "ann", 1_001).status == "too_late"
    assert [event.task.task_id for event in queue.tick(1_001) if isinstance(event, Settled)] == [first]
    assert queue.withdraw(second, "ann", 1_002).status == "done"


def test_withdrawing_gives_the_task_back(queue: Queue, task: Any, opinion: Any) -> None:
    """Backspace: the person holds the earlier task again, the next one waits, and the log is told."""
    queue.put(task(1), 0)
    queue.put(task(2), 0)
    first = answer(queue, opinion, "ann", now_ms=0)
    following = queue.next_for("ann", REVIEWER, 1)
    assert following is not None
    reply = queue.withdraw(first, "ann", 2)
    assert reply.status == "done"
    assert reply.opinion is not None
    assert reply.opinion.answer == WITHDRAWN
    assert reply.lease is not None
    assert reply.lease.task.task_id == first
    assert queue.view(following.task.task_id).stage == "open"  # type: ignore[union-attr]
    assert queue.tick(10_000) == []
    assert queue.opinion(opinion(first, "ann", "b", 2), 3).status == "done"
    (settled,) = queue.tick(10_000)
    assert isinstance(settled, Settled)
    assert settled.task.answer == "b"


def test_undo_ends_with_its_time(queue: Queue, task: Any, opinion: Any) -> None:
    """After undo_seconds the answer stays."""
    queue.put(task(1), 0)
    queue.put(task(2), 0)
    first = answer(queue, opinion, "ann", now_ms=0)
    assert queue.withdraw(first, "ann", 5_001).status == "too_late"
    assert queue.withdraw(first, "bob", 1).status == "too_late"
    queue.tick(5_001)
    assert queue.withdraw(first, "ann", 5_002).status == "too_late"


def test_nobody_is_asked_twice(task: Any, opinion: Any) -> None:
    """A task that needs two people goes to a second one; the first cannot take it, nor answer again."""
    queue = two_needed()
    queue.put(task(1), 0)
    answer(queue, opinion, "ann")
    assert queue.next_for("ann", REVIEWER, 1) is None
    assert queue.lease("t-1", "ann", REVIEWER, 1).status == "already_answered"
    assert queue.opinion(opinion("t-1", "ann", "b", 9), 9).status == "already_answered"
    assert queue.opinion(opinion("t-1", "ann", "a", 0), 9).status == "known"
    answer(queue, opinion, "bob", now_ms=10)
    (settled,) = queue.tick(10_000)
    assert isinstance(settled, Settled)
    assert settled.reliability > 0.95


def test_disputes_go_to_an_adjudicator(task: Any, opinion: Any) -> None:
    """Two reviewers disagree: no third reviewer is asked, somebody on call decides, and the record remembers."""
    queue = two_needed()
    queue.put(task(1), 0)
    answer(queue, opinion, "ann", "a", 0)
    answer(queue, opinion, "bob", "b", 1)
    assert queue.next_for("eve", REVIEWER, 2) is None
    assert queue.next_for("ann", ON_CALL, 2) is None
    answer(queue, opinion, "kim", "b", 3, ON_CALL)
    (settled,) = queue.tick(10_000)
    assert isinstance(settled, Settled)
    assert settled.correction is not None
    assert (settled.correction.label, settled.correction.source) == ("b", "adjudication")
    assert queue._track.reliability("bob") > 0.9 > queue._track.reliability("ann")


def test_when_nobody_can_tell_it_is_recorded(queue: Queue, task: Any, opinion: Any) -> None:
    """After the bound on rounds the task settles as CANNOT_TELL, without a correction."""
    queue.put(task(1), 0)
    for now_ms, (person, roles) in enumerate((("ann", REVIEWER), ("kim", ON_CALL), ("lee", ON_CALL))):
        answer(queue, opinion, person, CANNOT_TELL, now_ms, roles)
    (settled,) = queue.tick(10_000)
    assert isinstance(settled, Settled)
    assert settled.task.answer == CANNOT_TELL
    assert settled.correction is None
    assert settled.task.correction_id == ""


def test_answers_must_be_offered(queue: Queue, task: Any, opinion: Any) -> None:
    """An answer that is no choice is refused with what would be right; without choices any label will do."""
    queue.put(task(1), 0)
    queue.next_for("ann", REVIEWER, 0)
    reply = queue.opinion(opinion("t-1", "ann", "c"), 0)
    assert (reply.status, reply.sentence) == ("not_a_choice", "'c' is not offered here; expected a, b.")
    assert queue.opinion(opinion("t-1", "ann", WITHDRAWN), 0).status == "not_a_choice"
    queue.put(task(2, choices=(), priority=0.1), 0)
    queue.lease("t-2", "bob", REVIEWER, 0)
    assert queue.opinion(opinion("t-2", "bob", ""), 0).status == "not_a_choice"
    assert queue.opinion(opinion("t-2", "bob", "anything"), 0).status == "done"


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "\u0000", "a\u0000b", "a\nb", "\x1b[31m1", "\u2028", "\u200b", "\u3164", "\u2800"]
)
def test_what_is_no_label_is_no_answer(queue: Queue, task: Any, opinion: Any, text: str) -> None:
    """Whether a task names no choices or, out of an older log, offers just this: neither heard nor read again."""
    for number, choices in enumerate(((), ("a", text))):
        queue.put(task(number, choices=choices), 0)
        queue.lease(f"t-{number}", "ann", REVIEWER, 0)
        assert queue.opinion(opinion(f"t-{number}", "ann", text), 0).status == "not_a_choice"
        assert not queue.replay(opinion(f"t-{number}", "ann", text))


def test_skipped_tasks_go_to_others(task: Any) -> None:
    """A person does not see a skipped task again until the memory of skips is full."""
    queue = Queue(QueueSettings(skips_per_person_max=2))
    for number in range(3):
        queue.put(task(number, priority=1 - number / 10), 0)
    for expected in ("t-0", "t-1", "t-2"):
        lease = queue.next_for("ann", REVIEWER, 0)
        assert lease is not None
        assert lease.task.task_id == expected
        assert queue.skip(expected, "ann").status == "done"
    assert queue.next_for("ann", REVIEWER, 0).task.task_id == "t-0"  # type: ignore[union-attr]
    assert queue.next_for("bob", REVIEWER, 0).task.task_id == "t-1"  # type: ignore[union-attr]


def test_who_skipped_longest_ago_is_forgotten(task: Any) -> None:
    """At ``people_max`` the skips of one person go: of the one whose newest skip is the oldest."""
    queue = Queue(QueueSettings(people_max=2))
    queue.put(task(0, priority=0.9), 0)
    queue.put(task(1, priority=0.1), 0)
    for person, expected in (("ann", "t-0"), ("bob", "t-0"), ("ann", "t-1"), ("cid", "t-0")):
        lease = queue.next_for(person, REVIEWER, 0)
        assert lease is not None
        assert lease.task.task_id == expected
        assert queue.skip(expected, person).status == "done"
    assert queue.next_for("ann", REVIEWER, 0) is None
    assert queue.next_for("bob", REVIEWER, 0).task.task_id == "t-0"  # type: ignore[union-attr]
    assert queue.next_for("cid", REVIEWER, 0).task.task_id == "t-1"  # type: ignore[union-attr]


def test_closed_tasks_are_remembered_up_to_a_bound(task: Any) -> None:
    """Of more than ``closed_tasks_remembered_max`` closed tasks the oldest is forgotten, and is a new task again."""
    queue = Queue(QueueSettings(closed_tasks_remembered_max=2))
    for number in range(3):
        assert queue.put(task(number, state="settled"), 0).status == "closed"
    assert [queue.is_over(f"t-{number}") for number in range(3)] == [False, True, True]
    assert queue.put(task(1, revision=9), 0).status == "closed"
    assert queue.put(task(0), 0).status == "added"


def test_whether_there_is_a_next_task_is_known_without_a_lease(queue: Queue, task: Any) -> None:
    """Somebody who holds or skipped the only task has it, or has none; another person's skip changes nothing."""
    assert not queue.has_next("ann", REVIEWER)
    queue.put(task(0), 0)
    assert queue.has_next("ann", REVIEWER)
    assert not queue.has_next("ann", ())
    assert queue.counts(0)["review"].leased == 0
    lease = queue.next_for("ann", REVIEWER, 0)
    assert lease is not None
    assert (queue.has_next("ann", REVIEWER), queue.has_next("bob", REVIEWER)) == (True, False)
    queue.skip(lease.task.task_id, "ann")
    assert (queue.has_next("ann", REVIEWER), queue.has_next("bob", REVIEWER)) == (False, True)
    assert queue.next_for("ann", REVIEWER, 0) is None


def test_review_tasks_expire_when_due_others_do_not(queue: Queue, task: Any) -> None:
    """Past due, an open review task expires; a held one waits for its lease; audit and escalations stay."""
    for number, lane in enumerate(("review", "review", "audit", "escalate", "alert")):
        queue.put(task(number, lane=lane, due_at=100, priority=float(number)), 0)
    queue.next_for("ann", REVIEWER, 0, lanes=("review",))
    events = queue.tick(100)
    assert [(type(event), event.task.task_id) for event in events if isinstance(event, Expired)] == [(Expired, "t-0")]
    assert queue.counts(101)["audit"].overdue == 1
    later = queue.tick(600_000)
    assert [type(event) for event in later] == [LeaseEnded, Expired]
    assert sorted(view.task.task_id for view in queue.page(0, 9)) == ["t-2", "t-3", "t-4"]


def test_at_the_limit_the_lowest_review_makes_room(task: Any) -> None:
    """A full queue lets the least urgent review task go, the newcomer included; other lanes never go."""
    queue = Queue(QueueSettings(open_tasks_max=3, protected_tasks_max=4))
    queue.put(task(1, priority=0.2), 0)
    queue.put(task(2, priority=0.3), 0)
    queue.put(task(3, lane="audit", priority=0.0), 0)
    full = queue.put(task(4, priority=0.4), 7)
    assert [(event.task.task_id, event.task.state, event.reason) for event in full.expired] == [
        ("t-1", "expired", "queue_full")
    ]
    low = queue.put(task(5, priority=0.1), 7)
    assert (low.status, low.expired[0].task.task_id) == ("closed", "t-5")
    for number in (6, 7):
        assert queue.put(task(number, lane="escalate"), 8).expired
    assert queue.put(task(8, lane="audit"), 9).status == "added"
    assert queue.put(task(9, lane="audit"), 9).status == "full"
    assert len(queue) == 4


def test_a_task_can_change_lanes(task: Any, opinion: Any) -> None:
    """A revision in a lane that needs fewer people hears again what was said."""
    queue = two_needed()
    queue.put(task(1), 0)
    answer(queue, opinion, "ann", "b")
    assert queue.put(task(1, revision=1, lane="audit"), 5).status == "replaced"
    (settled,) = queue.tick(20_000)
    assert isinstance(settled, Settled)
    assert settled.task.answer == "b"


def test_a_task_that_has_ended_stays_away(queue: Queue, task: Any) -> None:
    """A task whose alert was resolved goes, held or not, and does not come back with a repeated message."""
    queue.put(task(1), 0)
    queue.next_for("ann", REVIEWER, 0)
    assert queue.put(task(1, revision=1, state="expired"), 1).status == "closed"
    assert queue.put(task(1), 1).status == "closed"
    assert queue.next_for("ann", REVIEWER, 1) is None


def test_pages_and_counts(queue: Queue, task: Any) -> None:
    """Pages follow the order of the queue; the limit on a page holds."""
    for number in range(30):
        queue.put(task(number, priority=-float(number), lane="review" if number % 2 else "audit", due_at=number), 0)
    ids = [view.task.task_id for view in queue.page(10, 5)]
    assert ids == [f"t-{number}" for number in range(10, 15)]
    assert [view.task.task_id for view in queue.page(2, 2, lane="audit")] == ["t-4", "t-6"]
    assert len(Queue(QueueSettings(page_tasks_max=1)).page(0, 99)) == 0
    counts = queue.counts(10)
    assert (counts["audit"].open, counts["audit"].due_next_ms, counts["audit"].overdue) == (15, 0, 5)
    assert counts["escalate"].due_next_ms is None
    assert queue.view("t-99") is None
