"""review.events, review.alerts, review.opinions ⇄ people: faust agents, a timer, and the console."""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.exceptions import FaustError

from agents.desk.console_server import serve_console
from agents.desk.desk import LiveDesk
from agents.desk.desk_state import DeskState
from agents.desk.loop_watch import LoopWatch
from agents.settings import Settings
from agents.shared.log_values import handler_of
from agents.shared.metrics import OPEN_TASKS, OVERDUE_TASKS, exposition
from agents.shared.plan import Plan
from agents.shared.seen_models import SeenModels
from console.app import create_app
from review.queue.replies import Expired, Settled
from schemas.codec import encode
from schemas.topics import CORRECTIONS, MODELS, REVIEW_ALERTS, REVIEW_EVENTS, REVIEW_OPINIONS, SIGN_OUTS, Topic
from schemas.wire.base import Wire
from schemas.wire.sign_out import SignOut
from schemas.wire.task import Task
from streams.admin.topics import topic_ids
from streams.app import AppRecord, raw_topic
from streams.consume.log_reader import LogReader
from streams.consume.record_guard import hearing
from streams.records import Record
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.query.queries import archived_tasks

__all__ = ["add_desk"]

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
ARCHIVE_SECONDS = 30.0
ARCHIVED_AT_ONCE_MAX = 2_000
SENT_AT_ONCE_MAX = 500
SIGN_OUT_SECONDS_MAX = 10.0
"""How long a sign-out waits for Kafka; then the person is told that it does not last yet."""
UNSENT_MAX = 100_000
"""Messages kept while Kafka does not take them; beyond it people's answers are refused instead."""


def now_ms() -> int:
    """The time in epoch milliseconds, by the machine's clock."""
    return time.time_ns() // 1_000_000


class Relay:
    """Hands records of a reading thread to the event loop, which alone touches the desk's state.

    Before the loop runs, while the log is caught up with, they are handed on at once.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._attached = threading.Event()

    async def attach(self) -> None:
        """From now on through the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._attached.set()

    def to(self, hear: Callable[[Record], None]) -> Callable[[Record], None]:
        """A listener for records that calls ``hear`` where it may be called."""
        hear_or_leave_out = hearing(hear)

        def relay(record: Record) -> None:
            if self._loop is None:
                hear_or_leave_out(record)
            else:
                self._loop.call_soon_threadsafe(hear_or_leave_out, record)

        return relay

    def run(self, reader: LogReader, stop: threading.Event) -> None:
        """Read on, once the event loop runs."""
        while not self._attached.wait(0.1):
            if stop.is_set():
                return
        reader.run(stop)


Unsent = tuple[Topic, str, bytes | None]
"""A message that waits: its topic, key and bytes."""


class Sender:
    """Puts values into the log by faust; what Kafka does not take is kept, in order, and tried again."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self._topics = {
            topic.name: raw_topic(app, settings.kafka, topic)
            for topic in (REVIEW_EVENTS, REVIEW_ALERTS, REVIEW_OPINIONS, CORRECTIONS, SIGN_OUTS)
        }
        self._unsent: deque[Unsent] = deque()
        self._lock = asyncio.Lock()

    async def send(self, topic: Topic, key: str, value: Wire | None) -> None:
        """Send after whatever waits; returns when Kafka has it, or when it is kept for later."""
        self.put(topic, key, value)
        await self.flush()

    def put(self, topic: Topic, key: str, value: Wire | None) -> Unsent:
        """Queue for the next flush. Raises ConnectionError at ``UNSENT_MAX``."""
        if len(self._unsent) >= UNSENT_MAX:
            raise ConnectionError("Kafka takes nothing at the moment; nothing was changed, try again later")
        self._unsent.append((topic, key, None if value is None else encode(value)))
        return self._unsent[-1]

    async def tell_sign_out(self, sign_out: SignOut) -> None:
        """Send the end of a session; returns when Kafka has it. Raises ConnectionError otherwise; it is kept then."""
        unsent = self.put(SIGN_OUTS, sign_out.person, sign_out)
        try:
            await asyncio.wait_for(asyncio.shield(self.flush()), SIGN_OUT_SECONDS_MAX)
        except TimeoutError as error:
            raise ConnectionError("Kafka does not answer") from error
        if any(waiting is unsent for waiting in self._unsent):
            raise ConnectionError("Kafka takes nothing at the moment")

    @property
    def is_behind(self) -> bool:
        """Whether so much waits that no more should be made."""
        return len(self._unsent) >= UNSENT_MAX // 2

    async def flush(self) -> None:
        """Send what waits, oldest first, many on their way at once; what fails, and what came after it, stays."""
        async with self._lock:
            while self._unsent:
                batch = list(itertools.islice(self._unsent, SENT_AT_ONCE_MAX))
                try:
                    waits = [
                        await self._topics[topic.name].send(key=key.encode(), value=data) for topic, key, data in batch
                    ]
                    for wait in waits:
                        await wait
                        self._unsent.popleft()
                except (FaustError, OSError, KafkaError) as error:
                    log.error("Kafka did not take a message, it is kept", waiting=len(self._unsent), why=str(error))
                    return


def add_desk(plan: Plan) -> None:
    """Read the log up to now, then add the agents, the timers and the console to the plan's app."""
    settings = plan.settings
    known = SeenModels.of(settings, "desk", topic_ids(settings.kafka, [MODELS])[MODELS.name])
    state = DeskState.new(settings, now_ms, known.take)
    relay = Relay()
    listener = _catch_up(state, settings, relay)
    known.caught_up()
    watch = LoopWatch(
        settings.kafka,
        plan.warehouse,
        settings.accuracy,
        settings.worker.lag_seconds_warning,
        settings.worker.lag_messages_warning,
    )
    plan.add_loop("loop watch", watch.run)
    plan.add_loop("lag", watch.run_lag)
    plan.add_loop("desk: log", lambda stop: relay.run(listener, stop))
    sender = Sender(plan.app, settings)
    _add_agents(plan.app, settings, state)
    _add_settling(plan.app, state, sender)
    _add_archiving(plan.app, state, sender, plan.warehouse())
    console = create_app(
        LiveDesk(state, watch, sender.send),
        settings=settings.console,
        metrics=exposition,
        signed_out=state.signed_out,
        tell_sign_out=sender.tell_sign_out,
    )
    console.on_startup.append(relay.attach)  # before it answers: a session that ends elsewhere ends here
    serve_console(plan.app, console, settings.console, plan.console_socket)


def _catch_up(state: DeskState, settings: Settings, relay: Relay) -> LogReader:
    """Tasks first, then the opinions on them; returns the reader that goes on listening to the rest."""
    again = functools.partial(state.hear_task, replayed=True)
    tasks = LogReader(
        settings.kafka,
        {REVIEW_EVENTS.name: handler_of(again), REVIEW_ALERTS.name: handler_of(again)},
    )
    tasks.catch_up()
    tasks.close()
    opinions = LogReader(settings.kafka, {REVIEW_OPINIONS.name: handler_of(state.hear_opinion)})
    opinions.catch_up()
    opinions.close()
    rest = LogReader(settings.kafka, {name: relay.to(hear) for name, hear in state.record_listeners().items()})
    rest.catch_up()
    log.info("desk is back", open_tasks=len(state.queue), alerts=len(state.alerts), people=len(state.people))
    return rest


def _add_agents(app: Any, settings: Settings, state: DeskState) -> None:
    for topic, hear in (
        (REVIEW_EVENTS, state.hear_task),
        (REVIEW_ALERTS, state.hear_task),
        (REVIEW_OPINIONS, state.hear_opinion),
    ):
        carry = _carrying(handler_of(hear), settings.kafka.message_bytes_max)
        app.agent(raw_topic(app, settings.kafka, topic), name=f"desk {topic.name}")(carry)


def _carrying(hear: Callable[[Record], None], bytes_max: int) -> Callable[[Any], Awaitable[None]]:
    """An agent that hands on what its topic has."""
    hear_or_leave_out = hearing(hear, bytes_max)

    async def carry(stream: Any) -> None:
        async for event in stream.events():
            hear_or_leave_out(AppRecord(event.message))

    return carry


def _add_settling(app: Any, state: DeskState, sender: Sender) -> None:
    @app.timer(TICK_SECONDS)  # type: ignore[untyped-decorator]  # faust publishes no types
    async def settle() -> None:
        if sender.is_behind:
            # What settles now could not be told; it stays in the queue until Kafka takes messages again.
            await sender.flush()
            return
        for event in state.tick():
            if isinstance(event, Settled):
                if event.correction is not None:
                    sender.put(CORRECTIONS, event.correction.model, event.correction)
                sender.put(topic_of(event.task), event.task.task_id, event.task)
            elif isinstance(event, Expired):
                sender.put(topic_of(event.task), event.task.task_id, event.task)
        await sender.flush()
        for lane, counts in state.queue.counts(now_ms()).items():
            OPEN_TASKS.labels(lane).set(counts.open + counts.leased)
            OVERDUE_TASKS.labels(lane).set(counts.overdue)


def _add_archiving(app: Any, state: DeskState, sender: Sender, warehouse: Warehouse) -> None:
    @app.timer(ARCHIVE_SECONDS)  # type: ignore[untyped-decorator]  # faust publishes no types
    async def archive() -> None:
        """End what is settled and stored: the topic then holds open tasks only."""
        if sender.is_behind:
            return
        waiting = [state.settled.popleft() for _ in range(min(len(state.settled), ARCHIVED_AT_ONCE_MAX))]
        if not waiting:
            return
        try:
            stored = await asyncio.to_thread(archived_tasks, warehouse.query, [task.task_id for task in waiting])
        except WarehouseError as error:
            log.warning("tasks wait for the archive", tasks=len(waiting), why=str(error))
            stored = {}
        for task in waiting:
            if stored.get(task.task_id, -1) >= task.revision:
                sender.put(topic_of(task), task.task_id, None)
            else:
                state.settled.append(task)
        await sender.flush()


def topic_of(task: Task) -> Topic:
    """The topic that a task of this lane travels on."""
    return REVIEW_ALERTS if task.lane == "alert" else REVIEW_EVENTS
