"""The memories of alerts and of opinions on their tasks are bounded."""

from __future__ import annotations

from agents.drift.alert_answers import PEOPLE_KEPT_MAX, TASKS_KEPT_MAX, AlertAnswers
from agents.drift.alert_memory import AlertMemory
from review.task_life import task_id_of
from schemas.codec import encode
from schemas.wire.alert import Alert
from schemas.wire.opinion import Opinion
from tests.support.plain_record import PlainRecord


def test_memories_are_bounded() -> None:
    """The newest resolved alerts and all open ones are kept, and the opinions of the newest tasks and people."""
    memory = AlertMemory(resolved_max=3)
    for number in range(10):
        alert = Alert(
            alert_id=f"a-{number}", model="m", signal="x", detector="d", severity="info",
            state="firing" if number == 0 else "resolved", revision=0, fired_at=number, fired_at_event=0,
            changed_at=number,
        )  # fmt: skip
        memory.keep(alert)
    assert sorted(alert.alert_id for alert in memory) == ["a-0", "a-7", "a-8", "a-9"]
    assert memory.of_task(task_id_of("m", "a-0")) is not None
    assert memory.of_task(task_id_of("m", "a-9")) is None
    answers = AlertAnswers()
    for number in range(TASKS_KEPT_MAX + PEOPLE_KEPT_MAX + 50):
        task = f"t-{number}" if number < TASKS_KEPT_MAX + 25 else "t-crowd"
        said = Opinion(
            opinion_id=f"o-{number}", task_id=task, model="m", person=f"p-{number}", answer="confirmed", time=number
        )
        answers.hear_opinion(PlainRecord(encode(said)))
    assert len(answers._opinions) == TASKS_KEPT_MAX
    assert len(answers._opinions["t-crowd"]) == PEOPLE_KEPT_MAX
