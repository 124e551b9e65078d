"""DESK and DRIFT around one log in memory: what people say of an alert goes from the one to the other and back."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np

from agents.desk.desk_state import DeskState
from agents.desk.live_desk import LiveDesk
from agents.drift.alert_memory import AlertMemory
from agents.drift.block_handler import BlockHandler
from agents.drift.monitors import Monitors
from agents.settings import Settings
from drift.settings import DriftSettings
from review.queue.replies import Settled
from review.settings import QueueSettings
from review.task_life import task_id_of
from schemas.codec import encode
from schemas.columns.prediction_columns import PredictionColumns
from schemas.topics import ALERTS, BLOCKS, CORRECTIONS, REFERENCES, REVIEW_ALERTS, REVIEW_OPINIONS, Topic
from schemas.wire.alert import Alert
from schemas.wire.base import Wire
from schemas.wire.opinion import Opinion
from schemas.wire.person import Person
from schemas.wire.prediction import Prediction
from schemas.wire.reference import Reference
from schemas.wire.task import Task
from streams.consume.batches import AssignedPartition
from tests.support.live_console import StillWatch
from tests.support.made_blocks import build_blocks
from tests.support.plain_record import PREFIX, PlainRecord

BEGIN_MS = 1_700_000_000_000
SMALL = DriftSettings(
    reference_events=1_000, step_events=100, window_steps=2, lateness_events=0, quiet_windows_to_resolve=2
)


class NoReports:
    """Makes no reports; they are tested elsewhere."""

    def ask(self, *_: Any, **__: Any) -> None:
        """Make nothing."""

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

        def clock() -> float:
            return self.now_ms / 1000

        self.monitors = Monitors(lambda _: SMALL, self.settings.queue, reports, clock=clock)
        self.drift = BlockHandler(self.monitors, PREFIX, load=self.load, clock=clock)
        self.drift.assigned([AssignedPartition(BLOCKS.name, partition, None) for partition in self.partitions])
        opinions = [data for topic, _, data in self.log if topic == REVIEW_OPINIONS.name]
        tasks = {key: data for topic, key, data in self.log if topic == REVIEW_ALERTS.name}
        for data in opinions:
            self.drift.people.recall_opinion(PlainRecord(data, name=REVIEW_OPINIONS.name))
        for data in tasks.values():
            self.drift.people.hear_task(PlainRecord(data, name=REVIEW_ALERTS.name))
        for data in opinions:
            self.drift.people.hear_opinion(PlainRecord(data, name=REVIEW_OPINIONS.name))
        self.drift.handle([], self)
        again = [(topic, data) for topic, _, data in self.log if topic in (BLOCKS.name, CORRECTIONS.name)]
        self.drift.handle([PlainRecord(data, name=topic) for topic, data in again], self)

    def load(self) -> tuple[dict[str, Reference], AlertMemory]:
        known = AlertMemory()
        for alert in self.told(ALERTS, Alert):
            known.keep(alert)
        return {reference.model: reference for reference in self.told(REFERENCES, Reference)}, known

    def told(self, topic: Topic, value_type: type[Any]) -> list[Any]:
        return [msgspec.json.decode(data, type=value_type) for name, _, data in self.log if name == topic.name]

    async def __call__(self, topic: Topic, key: str, value: Wire | None) -> None:
        """Send what the desk sends."""
        self.put(topic, key, value)

    def put(self, topic: Topic, key: str | bytes, value: Any) -> None:
        """Append to the log, and hand it to all who read the topic."""
        data = encode(value)
        self.log.append((topic.name, key if isinstance(key, str) else key.decode(), data))
        record = PlainRecord(data, name=topic.name)
        if topic in (ALERTS, REFERENCES):
            self.state.listeners()[topic.name](data)
        elif topic == REVIEW_ALERTS:
            self.state.hear_task(data)
            self.drift.people.hear_task(record)
        elif topic == REVIEW_OPINIONS:
            self.state.hear_opinion(data)
            self.drift.people.hear_opinion(record)
            self.drift.handle([], self)

    def send(self, topic: Topic, key: str | bytes, value: Any) -> None:
        """Send as the outbox of DRIFT."""
        if not hasattr(self, "state"):
            self.log.append((topic.name, key if isinstance(key, str) else key.decode(), encode(value)))
        else:
            self.put(topic, key, value)

    def observe(self, mean: float, blocks: int = 1) -> None:
        """Have DRIFT read blocks of a hundred events whose x is about ``mean``."""
        for _ in range(blocks):
            first = self.blocks * 100
            events = [
                Prediction(
                    event_id=f"e-{number}", model="m", time=BEGIN_MS + number, prediction="a", confidence=0.9,
                    features={"x": mean + self.rng.gauss(0.0, 1.0)},
                )
                for number in range(first, first + 100)
            ]  # fmt: skip
            monitor = self.monitors.by_model.get("m")
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
        """Change the stream; returns the id of the alert that follows."""
        self.observe(0.0, 20)
        self.observe(5.0, 12)
        (alert,) = {alert.alert_id: alert for alert in self.told(ALERTS, Alert)}.values()
        return str(alert.alert_id)

    def alert(self, alert_id: str) -> Alert:
        """The alert in its present state."""
        revisions = [alert for alert in self.told(ALERTS, Alert) if alert.alert_id == alert_id]
        return max(revisions, key=lambda alert: alert.revision)  # type: ignore[no-any-return]

    def task(self, alert_id: str) -> Task:
        """The newest revision of the alert's task on the log."""
        task_id = task_id_of("m", alert_id)
        return [task for task in self.told(REVIEW_ALERTS, Task) if task.task_id == task_id][-1]  # type: ignore[no-any-return]

    def is_open(self, alert_id: str) -> bool:
        """Whether the desk has the alert's task."""
        return self.state.queue.view(task_id_of("m", alert_id)) is not None

    async def answer(self, alert_id: str, name: str, answer: str, comment: str = "") -> str:
        """Have a person lease the task and answer it; returns the outcome."""
        task_id, person = task_id_of("m", alert_id), self.people[name]
        await self.desk.task(task_id, person)
        result = await self.desk.answer(task_id, person, answer, 1.0, comment)
        return result.outcome

    async def act(self, alert_id: str, name: str, action: Any, comment: str = "") -> str:
        """Have a person press a button on the alert's page; returns the outcome."""
        return (await self.desk.alert_action(alert_id, self.people[name], action, comment)).outcome


def asked(house: House, alert_id: str) -> Opinion:
    """Somebody's opinion that asks to acknowledge the alert, as the log has it."""
    return Opinion(
        opinion_id="o-late", task_id=task_id_of("m", alert_id), model="m", person="cyd", answer="acknowledge",
        time=house.now_ms,
    )  # fmt: skip
