"""Nobody sees what a colleague said of a task before it is settled, whatever they ask the console for."""

from __future__ import annotations

import itertools

import msgspec

from agents.settings import Settings
from review.settings import LaneSettings, QueueSettings
from schemas.codec import encode
from schemas.wire.opinion import Opinion
from schemas.wire.task import Evidence, Task
from tests.support.live_console import BEGIN_MS, LiveConsole, routes

COMMENT = "the meter of feeder seven was swapped"
TWO_OPINIONS = Settings(queue=QueueSettings(review=LaneSettings(opinions_needed=2)))


def task(task_id: str) -> Task:
    return Task(
        task_id=task_id,
        lane="review",
        model="m",
        created_at=BEGIN_MS,
        due_at=BEGIN_MS + 10**8,
        priority=1.0,
        choices=("up", "down"),
        evidence=Evidence(event_id="e", time=BEGIN_MS, features={"x": 1.0}, prediction="up", confidence=0.6),
    )


def everything(console: LiveConsole, person_id: str, task_id: str) -> str:
    """What every GET route answers to this person."""
    answers = []
    with console.visit(person_id) as visitor:
        for method, path in routes(console.app):
            if method == "GET":
                asked = (
                    path.replace("{task_id}", task_id)
                    .replace("{alert_id}", "a")
                    .replace("{report_id}", "r")
                    .replace("{path}", "x")
                    .replace("{file_path}", "x")
                )
                for address in (asked, f"{asked}?lane=review", f"{asked}?offset=0"):
                    answers.append(visitor.client.get(address).text)
                    answers.append(visitor.client.get(address, headers={"hx-request": "true"}).text)
    return "\n".join(answers)


def answer(console: LiveConsole, person_id: str, task_id: str, said: str) -> None:
    with console.visit(person_id) as visitor:
        assert visitor.client.get(f"/api/tasks/{task_id}").json()["leased_until"]
        body = {"answer": said, "seconds_spent": 1, "comment": COMMENT}
        assert visitor.client.post(f"/api/tasks/{task_id}/opinion", json=body).status_code == 200


def test_second_reviewer_finds_nothing_of_the_first_before_the_task_settles() -> None:
    """No GET route shows the second reviewer the first opinion before the task settles; afterwards both are shown."""
    console = LiveConsole(TWO_OPINIONS)
    console.state.hear_task(encode(task("t-1")))
    answer(console, "wilhelmina", "t-1", "down")
    (_, _, said) = console.sent[-1]
    assert isinstance(said, Opinion)
    before = everything(console, "ottokar", "t-1")
    assert COMMENT not in before
    assert said.opinion_id not in before
    assert "wilhelmina" not in before
    answer(console, "ottokar", "t-1", "down")
    assert "wilhelmina" not in everything(console, "ottokar", "t-1"), "ottokar may still take his answer back"
    console.clock.ms += 6_000
    assert [event.task.state for event in console.state.tick()] == ["settled"]  # type: ignore[union-attr]
    after = everything(console, "ottokar", "t-1")
    assert COMMENT in after
    assert "wilhelmina" in after


def test_opinions_of_open_tasks_stay_unseen_after_a_restart() -> None:
    """After a restart the opinion on a settled task is shown, and the opinion on an open task is not."""
    console = LiveConsole(TWO_OPINIONS)
    opinions = [
        Opinion(
            opinion_id=f"o-{n}", task_id=f"t-{n}", model="m", person="wilhelmina", answer="down", time=BEGIN_MS + n,
            comment=f"{COMMENT} {n}",
        )
        for n in (1, 2)
    ]  # fmt: skip
    console.state.hear_task(encode(task("t-1")), replayed=True)
    settled = msgspec.structs.replace(task("t-2"), state="settled", revision=1, answer="down")
    console.state.hear_task(encode(settled), replayed=True)
    for opinion in opinions:
        console.state.hear_opinion(encode(opinion))
    seen = everything(console, "ottokar", "t-1")
    assert f"{COMMENT} 2" in seen
    assert f"{COMMENT} 1" not in seen


def test_every_route_that_may_show_opinions_is_walked() -> None:
    """The addresses of all GET routes have only parameters that this file fills, so that it leaves out no route."""
    paths = [path for method, path in routes(LiveConsole().app) if method == "GET"]
    names = set(itertools.chain.from_iterable(path.split("{")[1:] for path in paths if "{" in path))
    assert {name.split("}")[0] for name in names} <= {"task_id", "alert_id", "report_id", "path", "file_path"}
    assert len(paths) >= 18
