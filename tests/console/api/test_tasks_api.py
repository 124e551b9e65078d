"""Tasks over HTTP, on the real queue."""

from __future__ import annotations

import msgspec
import pytest

from review.settings import LaneSettings, QueueSettings
from schemas.wire.opinion import CANNOT_TELL
from tests.support.console.console_fixtures import sample_desk


def take(browser):
    """The next task of this person."""
    answer = browser.get("/api/tasks/next")
    assert answer.status_code == 200, answer.text
    return answer.json()


def say(browser, task_id, answer="UP", **more):
    return browser.post(f"/api/tasks/{task_id}/opinion", {"answer": answer, "seconds_spent": 2.5} | more)


def test_next_task_stays_the_same_until_it_is_answered(visit):
    """Asking again, for example after a reload, gives the task one already holds."""
    maria = visit("maria")
    first = take(maria)
    assert take(maria)["task"]["task_id"] == first["task"]["task_id"]
    assert say(maria, first["task"]["task_id"]).status_code == 200
    assert take(maria)["task"]["task_id"] != first["task"]["task_id"]


def test_answer_becomes_an_opinion_with_all_it_carried(visit, desk, clock):
    """Who, what, how long, and the comment without its margins reach the desk."""
    maria = visit("maria")
    task_id = take(maria)["task"]["task_id"]
    answer = say(maria, task_id, "DOWN", comment="  outage ")
    assert answer.json() == {"message": "Answer taken.", "undo_until": clock() + 5000}
    said = desk.opinions[-1]
    assert (said.person, said.answer, said.seconds_spent, said.comment) == ("maria", "DOWN", 2.5, "outage")
    assert not said.simulated


def test_simulated_reviewer_is_marked_as_such(visit, desk):
    """Opinions of the demo's programs say so, and so does the queue while one holds a task."""
    program = visit("sim-1")
    task_id = take(program)["task"]["task_id"]
    rows = {row["task_id"]: row for row in visit("jonas").get("/api/tasks").json()}
    assert rows[task_id]["leased_by"] == "sim-1"
    assert rows[task_id]["leased_simulated"]
    say(program, task_id)
    assert desk.opinions[-1].simulated


def test_two_reviewers_never_hold_the_same_task(visit):
    """Each gets another; who opens the other's task may look, but not answer."""
    maria, jonas = visit("maria"), visit("jonas")
    hers, his = take(maria)["task"]["task_id"], take(jonas)["task"]["task_id"]
    assert hers != his
    looked = jonas.get(f"/api/tasks/{hers}").json()
    assert (looked["leased_until"], looked["note"]) == (0, "Somebody else is working on this task.")
    refused = say(jonas, hers)
    assert refused.status_code == 409
    assert refused.headers["content-type"].startswith("application/problem+json")


def test_lost_lease_is_told_not_swallowed(visit, clock):
    """A person who was away too long, while somebody else took the task, learns so; the other's answer counts."""
    maria, jonas = visit("maria"), visit("jonas")
    task_id = take(maria)["task"]["task_id"]
    clock.pass_seconds(601)
    assert take(jonas)["task"]["task_id"] == task_id
    refused = say(maria, task_id)
    assert refused.status_code == 409
    assert "do not hold this task any more" in refused.json()["detail"]
    assert say(jonas, task_id).status_code == 200


def test_answer_can_be_taken_back_for_a_while(visit, desk, clock):
    """Within undo_seconds the task is mine again; later the answer stands."""
    maria = visit("maria")
    task_id = take(maria)["task"]["task_id"]
    say(maria, task_id)
    clock.pass_seconds(4)
    assert maria.post(f"/api/tasks/{task_id}/withdraw").status_code == 200
    assert take(maria)["task"]["task_id"] == task_id
    say(maria, task_id, "DOWN")
    clock.pass_seconds(6)
    late = maria.post(f"/api/tasks/{task_id}/withdraw")
    assert late.status_code == 409
    assert late.json()["detail"] == "This answer can no longer be taken back."
    desk.tick()
    assert [event.task.answer for event in desk.settled if hasattr(event, "opinions")] == ["DOWN"]


def test_skipped_task_goes_to_others(visit):
    """Who skipped a task does not get it again; somebody else does."""
    maria, jonas = visit("maria"), visit("jonas")
    task_id = take(maria)["task"]["task_id"]
    assert maria.post(f"/api/tasks/{task_id}/skip").status_code == 200
    assert take(maria)["task"]["task_id"] != task_id
    assert take(jonas)["task"]["task_id"] == task_id


def test_answer_must_be_offered(visit):
    """Another answer than the choices is refused by name; to say that one cannot tell is always allowed."""
    maria = visit("maria")
    task_id = take(maria)["task"]["task_id"]
    refused = say(maria, task_id, "SIDEWAYS")
    assert refused.status_code == 400
    assert refused.json()["detail"] == "'SIDEWAYS' is not offered here; expected UP, DOWN."
    assert say(maria, task_id, CANNOT_TELL).status_code == 200


def test_escalations_and_alerts_are_for_who_is_on_call(visit):
    """A reviewer's next task is never one of these, and opening one only shows it."""
    maria, noor = visit("maria"), visit("noor")
    assert take(noor)["task"]["lane"] == "alert"
    assert take(noor)["alert"]["alert_id"] == "a-vicprice-1"
    assert take(maria)["task"]["lane"] == "audit"
    escalated = maria.get("/api/tasks?lane=escalate").json()[0]["task_id"]
    assert maria.get(f"/api/tasks/{escalated}").json()["note"] == "This task is for another role."
    assert say(maria, escalated).status_code == 409


def test_nothing_waits_is_204(visit, make_console, desk, clock):
    """An empty queue is no error."""
    desk.queue = sample_desk(clock, tasks=()).queue
    answer = visit("maria").get("/api/tasks/next")
    assert (answer.status_code, answer.content) == (204, b"")


def test_others_opinions_are_hidden_except_from_who_adjudicates(visit, desk, clock):
    """A second reviewer does not see the first opinion; the person who adjudicates sees both."""
    desk.queue = sample_desk(clock, settings=QueueSettings(audit=LaneSettings(opinions_needed=2))).queue
    maria, jonas, noor = visit("maria"), visit("jonas"), visit("noor")
    task_id = take(maria)["task"]["task_id"]
    say(maria, task_id, "UP")
    second = jonas.get(f"/api/tasks/{task_id}").json()
    assert (second["earlier"], second["mine"]) == ([], None)
    say(jonas, task_id, "DOWN")
    deciding = noor.get(f"/api/tasks/{task_id}").json()
    assert {said["person"]: said["answer"] for said in deciding["earlier"]} == {"maria": "UP", "jonas": "DOWN"}


def test_task_carries_the_ranges_of_its_features(visit):
    """A reviewer sees what was normal for each feature that the reference knows."""
    leased = take(visit("maria"))
    ranges = leased["ranges"]
    assert ranges["reference_version"] == "elec2-r3"
    assert ranges["numeric"]["vicprice"]["p99"] == 0.0092
    assert ranges["categorical"]["market"]["shares"]["spot"] == pytest.approx(8900 / 8960)
    assert set(ranges["numeric"]) | set(ranges["categorical"]) < set(leased["task"]["evidence"]["features"])


def test_unknown_task_is_404_everywhere(visit):
    """A wrong id is one clear line, whatever is asked of it."""
    maria = visit("maria")
    answers = [maria.get("/api/tasks/t-none"), say(maria, "t-none"), maria.post("/api/tasks/t-none/skip")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert all("t-none" in answer.json()["detail"] for answer in answers)


def test_listing_is_bounded_and_goes_on(visit, make_console):
    """A page holds page_rows_max rows; offset brings the rest, each task once."""
    maria = visit("maria", make_console(page_rows_max=10))
    pages = [[row["task_id"] for row in maria.get(f"/api/tasks?offset={offset}").json()] for offset in (0, 10, 20, 30)]
    assert [len(rows) for rows in pages] == [10, 10, 5, 0]
    assert len({task_id for rows in pages for task_id in rows}) == 25


def test_counts_by_lane(visit):
    """Lanes show how many tasks wait, are held and are overdue."""
    maria = visit("maria")
    take(maria)
    lanes = maria.get("/api/queue").json()["lanes"]
    assert {name: (lane["open"], lane["leased"], lane["overdue"]) for name, lane in lanes.items()} == {
        "alert": (1, 0, 0),
        "escalate": (3, 0, 2),
        "audit": (6, 1, 0),
        "review": (15, 0, 0),
    }


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"answer": "UP"}, "seconds_spent"),
        ({"answer": "UP", "seconds_spent": "long"}, "seconds_spent: Expected `float`, got `str`"),
        ({"answer": "UP", "seconds_spent": -1}, "seconds_spent: Expected `float` >= 0.0"),
        ({"answer": "", "seconds_spent": 1}, "answer: Expected `str` of length >= 1"),
        ({"answer": "UP", "seconds_spent": 1, "mood": "good"}, "mood"),
        ({"answer": "UP", "seconds_spent": 1, "comment": "x" * 2001}, "comment: has 2001 characters, expected at most"),
    ],
)
def test_malformed_answer_is_told_by_field(visit, body, line):
    """What is wrong with which field, in one line; the task stays as it was."""
    maria = visit("maria")
    task_id = take(maria)["task"]["task_id"]
    answer = maria.post(f"/api/tasks/{task_id}/opinion", body)
    assert answer.status_code == 400
    assert line in answer.json()["detail"]
    assert take(maria)["task"]["task_id"] == task_id


@pytest.mark.parametrize("state", ["settled", "expired"])
def test_a_task_that_is_over_says_so(visit, desk, clock, state):
    """Programs and the page say that it is closed and where to look it up; an unknown id is another error."""
    maria = visit("maria")
    task_id = take(maria)["task"]["task_id"]
    over = msgspec.structs.replace(desk.queue.view(task_id).task, state=state, revision=9)
    desk.queue.put(over, clock())
    became = "is settled" if state == "settled" else "has expired"
    line = f"Task {task_id} {became}: ClickHouse has it, in tasks_now"
    told, shown = maria.get(f"/api/tasks/{task_id}"), maria.get(f"/tasks/{task_id}")
    assert (told.status_code, told.json()["detail"]) == (410, line)
    assert (shown.status_code, f"<p>{line}.</p>" in shown.text) == (410, True)
    refused = say(maria, task_id)
    assert (refused.status_code, refused.json()["detail"]) == (409, f"{line}.")
    unknown = maria.get("/api/tasks/nobody-knows")
    assert unknown.status_code == 404
    assert "settled and expired ones are in ClickHouse" in unknown.json()["detail"]


def test_next_task_of_one_model(visit):
    """A program that can decide about one model is handed nothing of another."""
    maria = visit("maria")
    assert maria.get("/api/tasks/next?model=nobody's").status_code == 204
    model = maria.get("/api/tasks").json()[0]["model"]
    assert maria.get(f"/api/tasks/next?model={model}").json()["task"]["model"] == model
