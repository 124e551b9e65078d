"""The live desk over its state in memory: what people do becomes opinions, also what they ask of DRIFT."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cachetools import FIFOCache

from agents.desk.desk_state import HISTORY_KEPT_MAX, DeskState
from agents.desk.live_desk import LiveDesk
from agents.settings import Settings
from review.queue.replies import Settled
from schemas.codec import encode
from schemas.topics import REVIEW_OPINIONS, Topic
from schemas.wire.alert import Alert
from schemas.wire.base import Wire
from schemas.wire.opinion import Opinion
from schemas.wire.person import Person
from schemas.wire.task import Evidence, Task
from tests.support.live_console import BEGIN_MS, Clock, StillWatch
from tests.support.paths import GOLDEN


class Log:
    """Keeps the messages that are sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Wire | None]] = []

    async def __call__(self, topic: Topic, key: str, value: Wire | None) -> None:
        self.sent.append((topic.name, key, value))


def person(name: str, **changes: Any) -> Person:
    return msgspec.structs.replace(
        Person(person_id=name, name=name.title(), roles=("reviewer",), password_hash="x", changed_at=BEGIN_MS),
        **changes,
    )


def task(number: int, **changes: Any) -> Task:
    evidence = Evidence(event_id=f"e-{number}", time=BEGIN_MS, features={"x": 1.0}, prediction="up", confidence=0.6)
    return msgspec.structs.replace(
        Task(
            task_id=f"t-{number}",
            lane="review",
            model="m",
            created_at=BEGIN_MS,
            due_at=BEGIN_MS + 10**7,
            priority=float(number),
            choices=("up", "down"),
            inclusion_probability=0.5,
            evidence=evidence,
        ),
        **changes,
    )


def alert(revision: int = 0, **changes: Any) -> Alert:
    known: dict[str, Any] = msgspec.json.decode((GOLDEN / "alerts.v1.json").read_bytes())
    return msgspec.convert(
        known | {"alert_id": "a-1", "model": "m", "state": "firing", "revision": revision} | changes, Alert
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> DeskState:
    made = DeskState.new(Settings(), clock, lambda _key, _manifest: True)
    for name in ("ada", "bob"):
        made.hear_person(encode(person(name)))
    for number in range(3):
        made.hear_task(encode(task(number)))
    return made


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def desk(state: DeskState, log: Log) -> LiveDesk:
    return LiveDesk(state, StillWatch(), log)  # type: ignore[arg-type]


pytestmark = pytest.mark.asyncio


async def test_an_answer_becomes_an_opinion(desk: LiveDesk, state: DeskState, log: Log, clock: Clock) -> None:
    """The most urgent task is handed out, its answer is sent to the log, and it settles after the time to undo."""
    ada = await desk.person("ada")
    assert ada is not None
    leased = await desk.next_task(ada)
    assert leased is not None
    assert leased.task.task_id == "t-2"
    answered = await desk.answer("t-2", ada, "down", 3.5, "")
    assert answered.outcome == "accepted", answered
    ((topic, key, opinion),) = log.sent
    assert isinstance(opinion, Opinion)
    assert (topic, key, opinion.person, opinion.answer, opinion.seconds_spent) == (
        REVIEW_OPINIONS.name, "t-2", "ada", "down", 3.5,
    )  # fmt: skip
    clock.ms += 1000 * (state.settings.queue.undo_seconds + 1)
    (settled,) = state.queue.tick(clock.ms)
    assert isinstance(settled, Settled)
    assert settled.correction is not None
    assert (settled.correction.label, settled.correction.event_id) == ("down", "e-2")
    assert settled.correction.inclusion_probability == 0.5


@pytest.mark.parametrize(
    ("choices", "answer", "heard"),
    [
        (("caf\u00e9", "tea"), "cafe\u0301", "caf\u00e9"),
        (("cafe\u0301", "tea"), "cafe\u0301", "cafe\u0301"),
        ((), " cafe\u0301\u00a0", "caf\u00e9"),
        (("up", "down"), "__cannot_tell__", "__cannot_tell__"),
    ],
)
async def test_an_answer_has_the_form_of_a_label(
    desk: LiveDesk, state: DeskState, log: Log, choices: tuple[str, ...], answer: str, heard: str
) -> None:
    """Letters are composed and blanks around are removed, unless the task itself offers the answer as it was given."""
    state.hear_task(encode(task(9, choices=choices)))
    ada = await desk.person("ada")
    assert ada is not None
    await desk.next_task(ada)
    answered = await desk.answer("t-9", ada, answer, 1.0, "")
    assert answered.outcome == "accepted", answered
    assert [opinion.answer for _, _, opinion in log.sent if isinstance(opinion, Opinion)] == [heard]


async def test_two_people_get_two_tasks(desk: LiveDesk) -> None:
    """A task that one person has leased is not handed to another."""
    ada, bob = await desk.person("ada"), await desk.person("bob")
    assert ada is not None
    assert bob is not None
    first, second = await desk.next_task(ada), await desk.next_task(bob)
    assert first is not None
    assert second is not None
    assert first.task.task_id != second.task.task_id
    stolen = await desk.answer(first.task.task_id, bob, "up", 1.0, "")
    assert stolen.outcome != "accepted"


async def test_withdrawing_takes_the_answer_back(desk: LiveDesk, state: DeskState, log: Log, clock: Clock) -> None:
    """An answer can be taken back within its seconds: both opinions are in the log, and nothing settles."""
    ada = await desk.person("ada")
    assert ada is not None
    await desk.next_task(ada)
    await desk.answer("t-2", ada, "down", 1.0, "")
    assert (await desk.withdraw("t-2", ada)).outcome == "accepted"
    assert [entry[0] for entry in log.sent] == [REVIEW_OPINIONS.name] * 2
    clock.ms += 1000 * (state.settings.queue.undo_seconds + 1)
    assert state.queue.tick(clock.ms) == []


async def test_a_restart_knows_what_was_answered(desk: LiveDesk, log: Log, clock: Clock) -> None:
    """A desk that reads tasks and opinions again settles what was answered, and only that."""
    ada = await desk.person("ada")
    assert ada is not None
    await desk.next_task(ada)
    await desk.answer("t-2", ada, "down", 1.0, "")
    clock.ms += 60_000
    again = DeskState.new(Settings(), clock, lambda _key, _manifest: True)
    for number in range(3):
        again.hear_task(encode(task(number)), replayed=True)
    for _, _, value in log.sent:
        assert value is not None
        again.hear_opinion(encode(value))  # type: ignore[arg-type]
    settled = [event for event in again.queue.tick(clock.ms) if isinstance(event, Settled)]
    assert [event.task.task_id for event in settled] == ["t-2"]
    assert len(again.queue) == 2


async def test_rubbish_in_the_log_changes_nothing(state: DeskState) -> None:
    """Records that cannot be read, and tombstones, are left out; the desk goes on."""
    before = len(state.queue)
    for hear in (state.hear_task, state.hear_opinion, *state.listeners().values()):
        hear(b"rubbish")
        hear(None)
    assert len(state.queue) == before
    assert set(state.people) == {"ada", "bob"}


async def test_an_alert_is_acknowledged_by_asking_drift(
    desk: LiveDesk, state: DeskState, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console sends an opinion about the alert's task; a resolved alert cannot be acknowledged."""
    monkeypatch.setattr("agents.desk.live_desk.ALERT_CHANGE_SECONDS_MAX", 0.1)
    state.hear_alert(encode(alert()))
    bob = person("bob", roles=("on-call",))
    assert (await desk.alert_action("nothing", bob, "acknowledge", "")).outcome == "unknown"
    assert (await desk.alert_action("a-1", bob, "acknowledge", "mine")).outcome == "accepted"
    ((_, _, opinion),) = log.sent
    assert isinstance(opinion, Opinion)
    assert (opinion.answer, opinion.person, opinion.comment) == ("acknowledge", "bob", "mine")
    state.hear_alert(encode(alert(1, state="resolved")))
    assert (await desk.alert_action("a-1", bob, "resolve", "")).outcome == "conflict"
    assert len(log.sent) == 1


async def test_what_the_desk_remembers_is_bounded(state: DeskState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolved alerts are forgotten before open ones; the newest models, opinions and ended tasks are kept."""
    monkeypatch.setattr("agents.desk.desk_state.ALERTS_KEPT_MAX", 3)
    state.references, state.manifests = FIFOCache(2), FIFOCache(2)
    state.is_newest = lambda _key, _manifest: True
    for number, stands in enumerate(("firing", "resolved", "acknowledged", "resolved", "firing", "firing")):
        state.hear_alert(encode(alert(alert_id=f"a-{number}", state=stands)))
        assert len(state.alerts) <= 3
    assert set(state.alerts) == {"a-2", "a-4", "a-5"}, "where all are open the one that changed longest ago goes"
    golden = msgspec.json.decode((GOLDEN / "references.v1.json").read_bytes())
    manifest = msgspec.json.decode((GOLDEN / "models.v1.json").read_bytes())
    for number in range(4):
        state.hear_reference(msgspec.json.encode(golden | {"model": f"m{number}"}))
        state.hear_manifest(msgspec.json.encode(manifest | {"model": f"m{number}"}))
    assert list(state.references) == ["m2", "m3"]
    assert list(state.manifests) == ["m2", "m3"]
    assert state.expired.maxlen is not None
    assert state.settled.maxlen is not None
    assert state.opinions.maxlen is not None


async def test_alerts_keep_a_bounded_history(state: DeskState) -> None:
    """The first and the newest of many revisions are kept; older revisions that come late change nothing."""
    for revision in range(HISTORY_KEPT_MAX + 20):
        state.hear_alert(encode(alert(revision)))
    state.hear_alert(encode(alert(5)))
    history = state.alerts["a-1"]
    assert len(history) == HISTORY_KEPT_MAX
    assert (history[0].revision, history[-1].revision) == (0, HISTORY_KEPT_MAX + 19)
    assert state.firing("m") == 1
    assert state.firing("other") == 0
