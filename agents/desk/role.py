"""DESK put together: its state read from the log, faust agents for what comes next, timers, and the console."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from faust.contrib.asgi import AsgiService

from agents.desk.desk_log import Relay, Sender
from agents.desk.desk_state import DeskState
from agents.desk.live_desk import LiveDesk
from agents.desk.loop_watch import LoopWatch
from agents.settings import Settings
from agents.shared.log_values import handler_of
from agents.shared.metrics import OPEN_TASKS, OVERDUE_TASKS, exposition
from agents.shared.plan import Listen, Plan
from agents.shared.seen_models import SeenModels
from console.app import create_app
from console.settings import ConsoleSettings
from review.queue.replies import Expired, Settled
from schemas.topics import CORRECTIONS, MODELS, REVIEW_ALERTS, REVIEW_EVENTS, REVIEW_OPINIONS, Topic
from schemas.wire.task import Task
from streams.app import AppRecord, raw_topic
from streams.consume.log_reader import LogReader
from streams.consume.record_guard import guarded
from streams.records import Record
from warehouse.client import Warehouse
from warehouse.errors import WarehouseError
from warehouse.query.lookups import archived_tasks

__all__ = ["add"]

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
ARCHIVE_SECONDS = 30.0
ARCHIVED_AT_ONCE_MAX = 2_000
SERVER_OPTIONS = {
    "access_log": False,
    "lifespan": "on",
    "proxy_headers": False,  # the console's own setting says which proxies are believed
}


def now_ms() -> int:
    """The time in epoch milliseconds, by the machine's clock."""
    return time.time_ns() // 1_000_000


def add(plan: Plan) -> None:
    """Read the log up to its end, then add the loops, agents, timers and the console to the plan."""
    settings = plan.settings
    known = SeenModels.of(settings, "desk", plan.topic_ids([MODELS])[MODELS.name])
    state = DeskState.new(settings, now_ms, known.take)
    relay = Relay()
    listener = _catch_up(state, settings, relay)
    known.caught_up()
    watch = LoopWatch(settings.kafka, plan.warehouse, settings.accuracy, settings.worker)
    plan.add_loop("loop watch", watch.run)
    plan.add_loop("lag", watch.run_lag)
    plan.add_loop("desk: log", lambda stop: relay.run(listener, stop))
    sender = Sender(plan.app, settings.kafka)
    _add_agents(plan.app, settings, state)
    _add_settling(plan.app, state, sender)
    _add_archiving(plan.app, state, sender, plan.warehouse())
    console = create_app(
        LiveDesk(state, watch, sender.send),
        settings=settings.console,
        metrics=exposition,
        signed_out=state.signed_out,
        store_sign_out=sender.send_sign_out,
    )
    console.on_startup.append(relay.attach)  # before it answers: a session that ends elsewhere ends here
    _serve_console(plan.app, console, settings.console, plan.console_socket)


def _catch_up(state: DeskState, settings: Settings, relay: Relay) -> LogReader:
    """Read tasks, then the opinions on them, then all else; returns the reader that goes on listening to the last."""
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
        agent = _agent(handler_of(hear), settings.kafka.message_bytes_max)
        app.agent(raw_topic(app, settings.kafka, topic), name=f"desk {topic.name}")(agent)


def _agent(hear: Callable[[Record], None], bytes_max: int) -> Callable[[Any], Awaitable[None]]:
    """The body of a faust agent that hands each record of its topic to ``hear``."""
    hear_or_leave_out = guarded(hear, bytes_max)

    async def hear_all(stream: Any) -> None:
        async for event in stream.events():
            hear_or_leave_out(AppRecord(event.message))

    return hear_all


def _add_settling(app: Any, state: DeskState, sender: Sender) -> None:
    @app.timer(TICK_SECONDS)  # type: ignore[untyped-decorator]  # faust publishes no types
    async def settle() -> None:
        if sender.is_behind:
            # A task that settled now could not be sent: it stays in the queue until Kafka takes messages again.
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
        """Send tombstones of tasks that are settled and stored, so that the topic holds open tasks only."""
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
    """The topic that a task travels on: that of alerts for the lane ``alert``, that of events for all others."""
    return REVIEW_ALERTS if task.lane == "alert" else REVIEW_EVENTS


def _serve_console(app: Any, console: Any, settings: ConsoleSettings, listen: Listen | None) -> None:
    """Serve the ASGI application ``console`` while the faust ``app`` runs.

    ``listen`` makes the socket where ``watchloop up`` holds the console's port for this worker.
    """

    class ConsoleServer(AsgiService):
        """The service that faust's ``serve_asgi`` makes, on a socket of our own if there is one."""

        asgi_app = console
        faust_app = app
        host = settings.host
        port = settings.port
        uvicorn_options = SERVER_OPTIONS

        def _create_server(self) -> Any:
            server = super()._create_server()
            if listen is not None:
                server.serve = functools.partial(server.serve, sockets=[listen(settings.host, settings.port)])
            return server

    app.web_server(ConsoleServer)
