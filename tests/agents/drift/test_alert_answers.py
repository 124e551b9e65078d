"""What people say of an alert goes from DESK through the log to DRIFT and back, with the real parts of both."""

from __future__ import annotations

import pytest

from review.settings import LaneSettings, QueueSettings
from review.task_life import task_id_of
from schemas.topics import ALERTS, REFERENCES, REVIEW_OPINIONS
from schemas.wire.alert import Alert
from schemas.wire.opinion import CANNOT_TELL
from schemas.wire.reference import Reference
from tests.support.alert_house import BEGIN_MS, House, asked

pytestmark = pytest.mark.asyncio


async def test_acknowledging_leaves_the_task_to_be_answered(house: House) -> None:
    """The alert is acknowledged; its task stays open, says so, and can still be answered."""
    alert_id = house.fire()
    assert await house.act(alert_id, "ada", "acknowledge", "I look at it") == "accepted"
    house.tick(60)
    assert (house.alert(alert_id).state, house.alert(alert_id).changed_by) == ("acknowledged", "ada")
    assert house.alert(alert_id).note == "I look at it"
    assert house.is_open(alert_id)
    assert house.task(alert_id).state == "open"
    assert "acknowledged: somebody looks into it" in house.task(alert_id).reasons
    assert await house.answer(alert_id, "bob", "confirmed", "a new sensor") == "accepted"
    house.tick()
    after = house.alert(alert_id)
    assert (after.state, after.answer, after.changed_by) == ("acknowledged", "confirmed", "bob")
    assert after.note == "confirmed: a new sensor"
    assert (house.task(alert_id).state, house.task(alert_id).answer) == ("settled", "confirmed")


async def test_resolving_ends_the_task(house: House) -> None:
    """Nothing is left to decide: the task expires and says who resolved the alert."""
    alert_id = house.fire()
    assert await house.act(alert_id, "ada", "resolve", "was maintenance") == "accepted"
    after, task = house.alert(alert_id), house.task(alert_id)
    assert (after.state, after.changed_by, after.note, after.answer) == ("resolved", "ada", "was maintenance", "")
    assert (task.state, task.answer, task.reasons[-1]) == ("expired", "", "resolved by ada: nothing is left to decide")
    assert not house.is_open(alert_id)
    assert await house.answer(alert_id, "bob", "confirmed") == "conflict"


async def test_it_resolves_by_itself(house: House) -> None:
    """The signal is back within the reference: the task ends, also while somebody holds it."""
    alert_id = house.fire()
    await house.desk.task(task_id_of("m", alert_id), house.people["ada"])
    house.observe(0.0, 12)
    assert (house.alert(alert_id).state, house.alert(alert_id).changed_by) == ("resolved", "watchloop")
    assert house.task(alert_id).state == "expired"
    assert not house.is_open(alert_id)


ANSWERS: dict[str, tuple[str, list[str]]] = {
    "confirmed": ("acknowledged", ["firing", "firing", "acknowledged"]),
    "expected change": ("resolved", ["firing", "firing", "resolved"]),
    "false alarm": ("resolved", ["firing", "firing", "resolved"]),
    CANNOT_TELL: ("firing", ["firing", "firing"]),
}
NOTES = {"expected change": "expected change: why; reference r2 was adopted"}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_every_answer_has_its_effect_and_stays(answer: str) -> None:
    """The alert changes, and names the answer and its author; the task keeps its answer, whatever comes later."""
    house = House(QueueSettings(adjudication_rounds_max=1))
    alert_id = house.fire()
    state, states = ANSWERS[answer]
    assert await house.answer(alert_id, "ada", answer, "why") == "accepted"
    if answer == CANNOT_TELL:
        house.tick()
        await house.answer(alert_id, "bob", answer, "why")
    assert house.alert(alert_id).state == "firing", "nothing happens before it can no longer be taken back"
    house.tick()
    after = house.alert(alert_id)
    shown = "cannot tell" if answer == CANNOT_TELL else answer
    assert (after.state, after.answer, after.note) == (state, shown, NOTES.get(answer, f"{shown}: why"))
    assert after.changed_by == ("bob" if answer == CANNOT_TELL else "ada")
    assert [alert.state for alert in house.told(ALERTS, Alert)] == states
    told = house.told(REFERENCES, Reference)
    assert [reference.version for reference in told] == (["r1", "r2"] if answer == "expected change" else ["r1"])
    assert all(reference.told_at >= BEGIN_MS for reference in told), "the clock's, for the first one too"
    house.observe(0.0, 12)
    if answer != "expected change":
        assert house.alert(alert_id).state == "resolved"
    assert (house.task(alert_id).state, house.task(alert_id).answer) == ("settled", answer)


async def test_an_answer_taken_back_has_no_effect(house: House) -> None:
    """An answer taken back within its seconds does nothing; the answer given instead counts."""
    alert_id = house.fire()
    await house.answer(alert_id, "ada", "false alarm")
    house.now_ms += 3_000
    assert (await house.desk.withdraw(task_id_of("m", alert_id), house.people["ada"])).outcome == "accepted"
    house.tick()
    assert (house.alert(alert_id).state, house.alert(alert_id).answer) == ("firing", "")
    assert await house.answer(alert_id, "ada", "confirmed") == "accepted"
    house.tick()
    assert (house.alert(alert_id).state, house.alert(alert_id).answer) == ("acknowledged", "confirmed")


async def test_an_answer_is_overtaken_by_a_resolution(house: House) -> None:
    """Somebody resolves the alert while an answer can still be taken back: the task ends, and nothing else happens."""
    alert_id = house.fire()
    await house.answer(alert_id, "ada", "confirmed")
    assert await house.act(alert_id, "bob", "resolve") == "accepted"
    house.tick()
    assert (house.alert(alert_id).state, house.alert(alert_id).changed_by) == ("resolved", "bob")
    assert house.task(alert_id).state == "expired"
    assert not house.is_open(alert_id)


async def test_two_people_at_once(house: House) -> None:
    """Two people press a button: one wins, the other reads so; acknowledging does not undo resolving."""
    alert_id = house.fire()
    before = house.desk._state.alerts[alert_id][-1]
    assert await house.act(alert_id, "ada", "acknowledge") == "accepted"
    assert await house.act(alert_id, "bob", "acknowledge") == "conflict"
    assert await house.act(alert_id, "bob", "resolve") == "accepted"
    assert await house.act(alert_id, "ada", "resolve") == "conflict"
    late = asked(house, alert_id)
    house.put(REVIEW_OPINIONS, late.task_id, late)
    assert [alert.state for alert in house.told(ALERTS, Alert)] == ["firing", "acknowledged", "resolved"]
    assert before.state == "firing"


async def test_two_people_answer_one_task() -> None:
    """If two people disagree, the alert names the adjudicator; if they agree, the last of them."""
    house = House(QueueSettings(alert=LaneSettings(opinions_needed=2, roles=("on-call",))))
    alert_id = house.fire()
    assert await house.answer(alert_id, "ada", "confirmed", "mine") == "accepted"
    assert await house.answer(alert_id, "bob", "false alarm", "no") == "accepted"
    house.tick()
    assert house.alert(alert_id).answer == ""
    assert await house.answer(alert_id, "cyd", "confirmed", "theirs") == "accepted"
    house.tick()
    after = house.alert(alert_id)
    assert (after.state, after.answer, after.changed_by, after.note) == (
        "acknowledged", "confirmed", "cyd", "confirmed: theirs",
    )  # fmt: skip
