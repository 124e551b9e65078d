"""What people say of an alert, from the desk through the log to DRIFT and back, with the real parts of both."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from live_console import StillWatch
from plain_record import PREFIX, PlainRecord

from agents.alert_answers import PEOPLE_KEPT_MAX, TASKS_KEPT_MAX, AlertAnswers
from agents.alert_memory import AlertMemory
from agents.desk import LiveDesk
from agents.desk_state import DeskState
from agents.drift import IDLE_ROUNDS, Drift
from agents.settings import Settings
from drift.blocks import build_blocks
from drift.settings import DriftSettings
from review.outcomes import Settled
from review.settings import LaneSettings, QueueSettings
from review.task_life import task_id_of
from schemas.alert import Alert
from schemas.codec import encode
from schemas.correction import Correction
from schemas.opinion import CANNOT_TELL, Opinion
from schemas.person import Person
from schemas.prediction import Prediction
from schemas.prediction_columns import PredictionColumns
from schemas.reference import Reference
from schemas.task import Task
from schemas.topics import ALERTS, BLOCKS, CORRECTIONS, REFERENCES, REVIEW_ALERTS, REVIEW_OPINIONS, Topic
from schemas.wire import Wire
from streams.batches import AssignedPartition

BEGIN_MS = 1_700_000_000_000

SMALL = DriftSettings(
    reference_events=1_000, step_events=100, window_steps=2, lateness_events=0, quiet_windows_to_resolve=2
)


class NoReports:
    """Reports are tested elsewhere."""

    def ask(self, *_: Any, **__: Any) -> None:
        """Nothing is made."""

    def poll(self) -> list[tuple[str, str, str]]:
        return []


class House:
    """DESK and DRIFT around one log in memory; either can be started anew from what the log holds."""

    def __init__(self, queue: QueueSettings | None = None) -> None:
        self.now_ms = BEGIN_MS
        self.log: list[tuple[str, str, bytes]] = []
        self.settings = Settings(queue=queue or QueueSettings(), drift=SMALL)
        self.people = {
            name: Person(person_id=name, name=name, roles=("on-call",), password_hash="x", changed_at=BEGIN_MS)
            for name in ("ada", "bob", "cyd")
        }
        self.partitions = [0]
        self.blocks = 0
        self.rng = random.Random(5)
        self.start_drift()
        self.start_desk()

    def start_desk(self) -> None:
        """Tasks of the log first, then opinions, then the rest, as the desk's role does."""
        self.state = DeskState.new(self.settings, lambda: self.now_ms, lambda _key, _manifest: False)
        newest = {key: data for topic, key, data in self.log if topic == REVIEW_ALERTS.name}
        for data in newest.values():
            self.state.hear_task(data, replayed=True)
        for topic, _, data in self.log:
            if topic == REVIEW_OPINIONS.name:
                self.state.hear_opinion(data)
            elif topic in (ALERTS.name, REFERENCES.name):
                self.state.listeners()[topic](data)
        for person in self.people.values():
            self.state.hear_person(encode(person))
        self.desk = LiveDesk(self.state, StillWatch(), self)  # type: ignore[arg-type]

    def start_drift(self) -> None:
        """References and alerts of the log, then opinions ahead, opinions and tasks, then blocks and corrections."""
        reports: Any = NoReports()
        self.drift = Drift(
            lambda _: SMALL, self.settings.queue, PREFIX, load=self.load, reports=reports,
            clock=lambda: self.now_ms / 1000,
        )  # fmt: skip
        self.drift.assigned([AssignedPartition(BLOCKS.name, partition, None) for partition in self.partitions])
        opinions = [data for topic, _, data in self.log if topic == REVIEW_OPINIONS.name]
        tasks = {key: data for topic, key, data in self.log if topic == REVIEW_ALERTS.name}
        for data in opinions:
            self.drift.people.recall_opinion(PlainRecord(data, name=REVIEW_OPINIONS.name))
        for data in tasks.values():
            self.drift.people.heard_task(PlainRecord(data, name=REVIEW_ALERTS.name))
        for data in opinions:
            self.drift.people.heard_opinion(PlainRecord(data, name=REVIEW_OPINIONS.name))
        self.drift.handle([], self)
        again = [(topic, data) for topic, _, data in self.log if topic in (BLOCKS.name, CORRECTIONS.name)]
        self.drift.handle([PlainRecord(data, name=topic) for topic, data in again], self)

    def load(self) -> tuple[dict[str, Reference], AlertMemory]:
        known = AlertMemory()
        for alert in self.told(ALERTS, Alert):
            known.keep(alert)
        return {reference.model: reference for reference in self.told(REFERENCES, Reference)}, known

    def told(self, topic: Topic, kind: type[Any]) -> list[Any]:
        return [msgspec.json.decode(data, type=kind) for name, _, data in self.log if name == topic.name]

    async def __call__(self, topic: Topic, key: str, value: Wire | None) -> None:
        """What the desk sends by."""
        self.put(topic, key, value)

    def put(self, topic: Topic, key: str | bytes, value: Any) -> None:
        """Into the log, and to whoever hears it."""
        data = encode(value)
        self.log.append((topic.name, key if isinstance(key, str) else key.decode(), data))
        record = PlainRecord(data, name=topic.name)
        if topic in (ALERTS, REFERENCES):
            self.state.listeners()[topic.name](data)
        elif topic == REVIEW_ALERTS:
            self.state.hear_task(data)
            self.drift.people.heard_task(record)
        elif topic == REVIEW_OPINIONS:
            self.state.hear_opinion(data)
            self.drift.people.heard_opinion(record)
            self.drift.handle([], self)

    def send(self, topic: Topic, key: str | bytes, value: Any) -> None:
        """The outbox of DRIFT."""
        if not hasattr(self, "state"):
            self.log.append((topic.name, key if isinstance(key, str) else key.decode(), encode(value)))
        else:
            self.put(topic, key, value)

    def observe(self, mean: float, blocks: int = 1) -> None:
        """Blocks of a hundred events whose x is about ``mean``."""
        for _ in range(blocks):
            first = self.blocks * 100
            events = [
                Prediction(
                    event_id=f"e-{number}", model="m", time=BEGIN_MS + number, prediction="a", confidence=0.9,
                    features={"x": mean + self.rng.gauss(0.0, 1.0)},
                )
                for number in range(first, first + 100)
            ]  # fmt: skip
            monitor = self.drift._monitors.get("m")
            (block,) = build_blocks(
                PredictionColumns.of(events), partitions=[0] * 100, offsets=range(first, first + 100),
                decisions=np.zeros(100, np.int8), decision_names=("accept",), settings=SMALL,
                reference=None if monitor is None else monitor.reference,
            )  # fmt: skip
            self.blocks += 1
            self.log.append((BLOCKS.name, "m", encode(block)))
            self.drift.handle([PlainRecord(encode(block), name=BLOCKS.name)], self)

    def tick(self, seconds: float = 6.0) -> None:
        """Time passes: the desk settles what was answered, DRIFT does what follows."""
        self.now_ms += int(seconds * 1000)
        for event in self.state.queue.tick(self.now_ms):
            if isinstance(event, Settled):
                assert event.correction is None
                self.put(REVIEW_ALERTS, event.task.task_id, event.task)
        self.drift.handle([], self)

    def fire(self) -> str:
        """A change; the id of the alert that it makes."""
        self.observe(0.0, 20)
        self.observe(5.0, 12)
        (alert,) = {alert.alert_id: alert for alert in self.told(ALERTS, Alert)}.values()
        return str(alert.alert_id)

    def alert(self, alert_id: str) -> Alert:
        """In its present state."""
        found = [alert for alert in self.told(ALERTS, Alert) if alert.alert_id == alert_id]
        return max(found, key=lambda alert: alert.revision)  # type: ignore[no-any-return]

    def task(self, alert_id: str) -> Task:
        """What the log says last of the alert's task."""
        task_id = task_id_of("m", alert_id)
        return [task for task in self.told(REVIEW_ALERTS, Task) if task.task_id == task_id][-1]  # type: ignore[no-any-return]

    def is_open(self, alert_id: str) -> bool:
        """Whether the desk has the alert's task."""
        return self.state.queue.view(task_id_of("m", alert_id)) is not None

    async def answer(self, alert_id: str, name: str, answer: str, comment: str = "") -> str:
        """Somebody takes the task and answers it."""
        task_id, person = task_id_of("m", alert_id), self.people[name]
        await self.desk.task(task_id, person)
        result = await self.desk.answer(task_id, person, answer, 1.0, comment)
        return result.outcome

    async def act(self, alert_id: str, name: str, action: Any, comment: str = "") -> str:
        """Somebody presses a button on the page of the alert."""
        return (await self.desk.alert_action(alert_id, self.people[name], action, comment)).outcome


pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.desk.ALERT_CHANGE_SECONDS_MAX", 0.1)


@pytest.fixture
def house() -> House:
    return House()


async def test_acknowledging_leaves_the_task_to_be_answered(house: House) -> None:
    """The alert is acknowledged, its task stays open and says so, and it can still be answered."""
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
    """Nothing is left to decide: the task expires, and says who resolved the alert."""
    alert_id = house.fire()
    assert await house.act(alert_id, "ada", "resolve", "was maintenance") == "accepted"
    after, task = house.alert(alert_id), house.task(alert_id)
    assert (after.state, after.changed_by, after.note, after.answer) == ("resolved", "ada", "was maintenance", "")
    assert (task.state, task.answer, task.reasons[-1]) == ("expired", "", "resolved by ada: nothing is left to decide")
    assert not house.is_open(alert_id)
    assert await house.answer(alert_id, "bob", "confirmed") == "conflict"


async def test_it_resolves_by_itself(house: House) -> None:
    """Back within the reference: the task ends, whoever held it."""
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
    """The alert follows, names the answer and who gave it; the task stays settled with it, whatever comes later."""
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
    """Within its seconds; the answer that is given instead counts."""
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
    """While it could be taken back somebody resolves the alert: the task ends, nothing else happens."""
    alert_id = house.fire()
    await house.answer(alert_id, "ada", "confirmed")
    assert await house.act(alert_id, "bob", "resolve") == "accepted"
    house.tick()
    assert (house.alert(alert_id).state, house.alert(alert_id).changed_by) == ("resolved", "bob")
    assert house.task(alert_id).state == "expired"
    assert not house.is_open(alert_id)


async def test_two_people_at_once(house: House) -> None:
    """Both press a button: one wins, the other is told; who acknowledges does not undo who resolves."""
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
    """Where two are asked and disagree, who adjudicates is who is named; where they agree, the last of them."""
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


@pytest.mark.parametrize("who", ["desk", "drift", "both"])
@pytest.mark.parametrize("said", ["acknowledge", "resolve", "confirmed", "expected change", "false alarm"])
async def test_a_restart_changes_nothing(house: House, who: str, said: str) -> None:
    """Whichever role reads the log again has the same alert and the same task, and tells nothing twice."""
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
    """Of two workers that hear the same answer, the other one keeps it, and acts once the model is its own."""
    alert_id = house.fire()
    owner = house.drift
    house.partitions = []
    blocks, house.log = house.log, [entry for entry in house.log if entry[0] != BLOCKS.name]
    house.start_drift()
    other, house.drift = house.drift, owner
    other.people.heard_opinion(PlainRecord(encode(asked(house, alert_id)), name=REVIEW_OPINIONS.name))
    other.handle([], house)
    assert house.alert(alert_id).state == "firing"
    other.handle([PlainRecord(data, name=topic) for topic, _, data in blocks if topic == BLOCKS.name], house)
    assert (house.alert(alert_id).state, house.alert(alert_id).changed_by) == ("acknowledged", "cyd")


def asked(house: House, alert_id: str) -> Opinion:
    return Opinion(
        opinion_id="o-late", task_id=task_id_of("m", alert_id), model="m", person="cyd", answer="acknowledge",
        time=house.now_ms,
    )  # fmt: skip


async def test_an_expected_change_without_windows_still_ends_the_alert(house: House) -> None:
    """A worker that has read no block since its start has nothing to adopt: the alert is resolved and says why."""
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
    """The alert is resolved, no reference is made of it, the same rate fires no more, also after a restart."""

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


async def test_memories_are_bounded() -> None:
    """Of resolved alerts the newest stay, open ones all; of answers the newest tasks and people."""
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
        answers.heard_opinion(PlainRecord(encode(said)))
    assert len(answers._opinions) == TASKS_KEPT_MAX
    assert len(answers._opinions["t-crowd"]) == PEOPLE_KEPT_MAX
