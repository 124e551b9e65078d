"""What people said of an alert is read again: after a restart, by another worker, after an expected change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents.drift.block_handler import IDLE_ROUNDS
from review.queue.replies import Settled
from schemas.codec import encode
from schemas.topics import ALERTS, BLOCKS, CORRECTIONS, REFERENCES, REVIEW_ALERTS, REVIEW_OPINIONS
from schemas.wire.alert import Alert
from schemas.wire.correction import Correction
from schemas.wire.reference import Reference
from tests.support.alert_house import BEGIN_MS, House, asked
from tests.support.plain_record import PlainRecord

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("who", ["desk", "drift", "both"])
@pytest.mark.parametrize("said", ["acknowledge", "resolve", "confirmed", "expected change", "false alarm"])
async def test_a_restart_changes_nothing(house: House, who: str, said: str) -> None:
    """A role that reads the log again has the same alert and the same task, and sends nothing twice."""
    alert_id = house.fire()
    if said in ("acknowledge", "resolve"):
        await house.act(alert_id, "ada", said)
    else:
        await house.answer(alert_id, "ada", said)
    house.tick()
    before, told = (house.alert(alert_id), house.task(alert_id), house.is_open(alert_id)), len(house.log)
    if who in ("drift", "both"):
        house.start_drift()
    if who in ("desk", "both"):
        house.start_desk()
    house.tick()
    assert (house.alert(alert_id), house.task(alert_id), house.is_open(alert_id)) == before
    assert len(house.log) == told
    assert before[2] == (said == "acknowledge")


@pytest.mark.parametrize("answer", ["false alarm", "expected change"])
async def test_what_was_answered_while_drift_was_away_takes_effect(house: House, answer: str) -> None:
    """After the restart, with the name of who said it, whatever order the topics are read in; a new normal is made of
    blocks that have been read again by then."""
    alert_id = house.fire()
    await house.answer(alert_id, "ada", answer, "a holiday")
    house.now_ms += 6_000
    (settled,) = [event for event in house.state.queue.tick(house.now_ms) if isinstance(event, Settled)]
    house.log.append((REVIEW_ALERTS.name, settled.task.task_id, encode(settled.task)))
    house.start_drift()
    after = house.alert(alert_id)
    assert (after.state, after.changed_by) == ("resolved", "ada")
    assert after.note.startswith(f"{answer}: a holiday")
    told = house.told(REFERENCES, Reference)
    assert [reference.version for reference in told] == (["r1", "r2"] if answer == "expected change" else ["r1"])
    assert all(reference.told_at >= BEGIN_MS for reference in told), "the clock's, for the first one too"


async def test_only_the_worker_that_has_the_model_acts(house: House) -> None:
    """Two workers hear the same answer: the one without the model keeps it, and acts once it has the model."""
    alert_id = house.fire()
    owner = house.drift
    house.partitions = []
    blocks, house.log = house.log, [entry for entry in house.log if entry[0] != BLOCKS.name]
    house.start_drift()
    other, house.drift = house.drift, owner
    other.people.hear_opinion(PlainRecord(encode(asked(house, alert_id)), name=REVIEW_OPINIONS.name))
    other.handle([], house)
    assert house.alert(alert_id).state == "firing"
    other.handle([PlainRecord(data, name=topic) for topic, _, data in blocks if topic == BLOCKS.name], house)
    assert (house.alert(alert_id).state, house.alert(alert_id).changed_by) == ("acknowledged", "cyd")


async def test_an_expected_change_without_windows_still_ends_the_alert(house: House) -> None:
    """A worker without a block since its start has no windows to adopt: the alert is resolved and says why."""
    alert_id = house.fire()
    house.log = [entry for entry in house.log if entry[0] != BLOCKS.name]
    house.start_drift()
    await house.answer(alert_id, "ada", "expected change")
    for _ in range(IDLE_ROUNDS):
        house.tick()
    after = house.alert(alert_id)
    assert (after.state, after.answer) == ("resolved", "expected change")
    assert "the reference stays as it is" in after.note


def correction(number: int, *, wrong: bool) -> Correction:
    return Correction(
        correction_id=f"c-{number}", model="m", event_id=f"e-{number}", source="label", label="b" if wrong else "a",
        prediction="a", confidence=0.9, features={}, inclusion_probability=1.0, time=BEGIN_MS + number,
        created_at=BEGIN_MS + number,
    )  # fmt: skip


async def test_an_expected_rise_of_the_error_rate_is_the_new_normal(house: House) -> None:
    """The alert is resolved, no reference is made, and the same rate fires no more, also after a restart."""

    def learn(first: int, count: int, wrong: Callable[[int], bool]) -> None:
        for number in range(first, first + count):
            told = correction(number, wrong=wrong(number))
            house.log.append((CORRECTIONS.name, "m", encode(told)))
            house.now_ms = told.created_at
            house.drift.handle([PlainRecord(encode(told), name=CORRECTIONS.name)], house)

    learn(0, 1_000, lambda number: number % 10 == 0)
    learn(1_000, 1_000, lambda number: number % 2 == 0)
    (alert_id,) = {alert.alert_id for alert in house.told(ALERTS, Alert)}
    await house.answer(alert_id, "ada", "expected change")
    house.tick()
    assert (house.alert(alert_id).state, house.told(REFERENCES, Reference)) == ("resolved", [])
    house.start_drift()
    learn(12_000, 2_000, lambda number: number % 2 == 0)
    learn(14_000, 30, lambda number: number % 2 == 0 or number % 3 == 0)
    assert {alert.alert_id for alert in house.told(ALERTS, Alert)} == {alert_id}
