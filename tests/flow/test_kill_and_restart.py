"""kill -9 of the program, its workers, Kafka and ClickHouse: what was there is back, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import os
import pathlib
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from console.desk.protocol import LoopState
from schemas.codec import decode_one_or_many
from schemas.topics import MODELS, PREDICTIONS, VERDICTS
from schemas.wire.verdict import Verdict
from streams.admin.topics import partition_counts
from streams.client_config import passing_reader_config
from streams.consume.log_reader import LogReader
from streams.records import Record
from tests.support.program import Program, kafka_as, processes_of
from tests.support.waiting import PATIENCE_SECONDS, eventually
from warehouse.client import Warehouse
from warehouse.settings import ClickHouseSettings
from watchloop.demo.console_client import ConsoleClient
from watchloop.processes.folder import Endpoints, Secrets

pytestmark = [pytest.mark.servers, pytest.mark.faults]

EVENTS = 6_000
MODEL = "elec2"


def archive(endpoints: Endpoints) -> Warehouse:
    """The running program's ClickHouse."""
    users = endpoints.clickhouse.users
    return Warehouse(
        ClickHouseSettings(url=endpoints.clickhouse.url, password=users["watchloop"], analyst_password=users["analyst"])
    )


def console(endpoints: Endpoints, folder: pathlib.Path) -> tuple[dict[str, Any], LoopState, list[Any]]:
    """What the console says: the queue, the state of the loop, the alerts."""
    password = msgspec.json.decode((folder / "secrets.json").read_bytes(), type=Secrets).people["admin"]

    async def ask() -> tuple[dict[str, Any], LoopState, list[Any]]:
        async with ConsoleClient(endpoints.console, "admin", password) as client:
            queue = (await client._http.get("/api/queue", params={"limit": 1})).json()
            return queue, await client.state(), await client.alerts()

    return asyncio.run(ask())


def verdicts_of(endpoints: Endpoints) -> collections.Counter[str]:
    """Committed verdicts by event id, as any consumer of the topic reads them."""
    counted: collections.Counter[str] = collections.Counter()

    def hear(record: Record) -> None:
        counted.update(verdict.event_id for verdict in decode_one_or_many(Verdict, record.value() or b""))

    reader = LogReader(kafka_as(endpoints, "record"), {VERDICTS.name: hear})
    reader.catch_up()
    reader.close()
    return counted


def count_of(endpoints: Endpoints, topic: str) -> int:
    """Messages of a topic."""
    reader = LogReader(kafka_as(endpoints, "record"), {topic: lambda _record: None})
    count = reader.catch_up()
    reader.close()
    return count


def sent_to(endpoints: Endpoints) -> int:
    """The number of predictions sent so far, from the end offsets of the partitions, so that none has to be read."""
    kafka = kafka_as(endpoints, "record")
    partitions = range(partition_counts(kafka, [PREDICTIONS])[PREDICTIONS.name])
    asked = [TopicPartition(kafka.prefix + PREDICTIONS.name, number) for number in partitions]
    consumer = Consumer(passing_reader_config(kafka))
    try:
        return sum(consumer.get_watermark_offsets(partition, timeout=PATIENCE_SECONDS)[1] for partition in asked)
    finally:
        consumer.close()


@dataclasses.dataclass
class Story:
    """What was seen before and after."""

    program: Program
    folder: pathlib.Path
    left_after_kill: dict[int, str]
    sent_before: int
    open_before: int
    alerts_before: dict[str, str]
    in_charge_before: tuple[str, int]
    open_at_start: int
    endpoints: Endpoints
    restarted: dict[str, tuple[int, int]]


def open_tasks(state: LoopState) -> int:
    return sum(sum(model.open_tasks.values()) for model in state.models)


PROCESSES = {
    "worker intake": "--role intake",
    "Kafka node 1": "watchloop.node=node-1",
    "ClickHouse": "embedded.clickhouse.server",
    "worker loop": "--role drift",
}
"""What the program calls each of its processes, and what is in its command line."""


def pid_of(folder: pathlib.Path, mark: str) -> int:
    """The id of the process whose command line holds this text; 0 if there is none."""
    return next((pid for pid, command in processes_of(folder).items() if mark in command), 0)


def kill_one(folder: pathlib.Path, mark: str, program: Program) -> tuple[int, int]:
    """Kill one process of the program with SIGKILL; its id, and the id of the process that replaces it."""
    before = eventually(f"a process with {mark}", lambda: pid_of(folder, mark), program.log)
    os.kill(before, signal.SIGKILL)

    def again() -> int:
        pid = pid_of(folder, mark)
        return 0 if pid == before else pid

    return before, eventually(f"another process with {mark}", again, program.log)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A program that was killed during a replay and started again; then its processes were killed one by one."""
    folder = tmp_path_factory.mktemp("kill") / "data"
    arguments = ("--demo", "elec2", "--events", str(EVENTS), "--reviewers", "0")
    first = Program(folder, *arguments, "--seconds", "60").start()
    second = Program(folder, *arguments, "--seconds", "45")
    try:
        endpoints = first.endpoints()

        eventually("a third of the replay", lambda: sent_to(endpoints) > EVENTS // 3, first.log)
        first.freeze()  # it replays no more, however long the rest is watched
        sent = sent_to(endpoints)

        def at_work() -> tuple[LoopState, list[Any]] | None:
            _, state, alerts = console(endpoints, folder)
            return (state, alerts) if open_tasks(state) > 20 else None

        state, alerts = eventually("tasks of them", at_work, first.log)
        first.kill()
        eventually("children to end", lambda: not processes_of(folder), first.log)
        left = processes_of(folder)
        second.start()
        again = second.endpoints()
        _, state_after, _ = console(again, folder)
        restarted = {name: kill_one(folder, mark, second) for name, mark in PROCESSES.items()}
        eventually("every verdict", lambda: len(verdicts_of(again)) >= EVENTS, second.log)
        yield Story(
            second,
            folder,
            left,
            sent,
            open_tasks(state),
            {alert.alert_id: alert.state for alert in alerts},
            next((m.in_charge, m.in_charge_since) for m in state.models if m.model == MODEL),
            open_tasks(state_after),
            again,
            restarted,
        )
    finally:
        second.end()
        first.end()


def test_no_child_outlives_the_program(story: Story) -> None:
    """Kafka, ClickHouse and the workers end by themselves when the program is killed."""
    assert story.left_after_kill == {}


def test_the_replay_goes_on_where_it_was(story: Story) -> None:
    """The second start sends those events that the first did not send, so that each is sent once."""
    assert story.sent_before < EVENTS
    assert count_of(story.endpoints, PREDICTIONS.name) == EVENTS
    assert "goes on with the rest" in story.program.output()


def test_every_prediction_has_one_committed_verdict(story: Story) -> None:
    """Whether everything was killed or one process alone, the log has exactly one verdict for each prediction."""
    counted = verdicts_of(story.endpoints)
    assert len(counted) == EVENTS
    assert {event_id: n for event_id, n in counted.items() if n != 1} == {}


def test_the_archive_has_each_once(story: Story) -> None:
    """After RECORD was killed and started again, ClickHouse has every prediction and every verdict once."""
    warehouse = archive(story.endpoints)
    sql = (
        "SELECT (SELECT count() FROM predictions) AS events, (SELECT uniqExact(event_id) FROM predictions) AS ids,"
        " (SELECT count() FROM verdicts) AS verdicts, (SELECT uniqExact(event_id) FROM verdicts) AS judged"
    )

    def whole() -> bool:
        return min(warehouse.query(sql)[0].values()) >= EVENTS

    eventually("the archive", whole, lambda: f"{warehouse.query(sql)}\n{story.program.log()}")
    assert set(warehouse.query(sql)[0].values()) == {EVENTS}
    doubled = warehouse.query(
        "SELECT table, count() AS n FROM ("
        + " UNION ALL ".join(
            f"SELECT '{table}' AS table, _topic_id, _partition, _offset, _index FROM {table}"
            for table in ("predictions", "verdicts", "tasks", "blocks", "alerts", "models", "gates", "corrections")
        )
        + ") GROUP BY table, _topic_id, _partition, _offset, _index HAVING n > 1"
    )
    assert doubled == []


def test_open_tasks_are_back(story: Story) -> None:
    """No open task is lost by the restart, and at the end there is one for each verdict that asks for a task."""
    assert story.open_before > 20
    assert story.open_at_start >= story.open_before
    warehouse = archive(story.endpoints)

    def same() -> bool:
        wanted = warehouse.query("SELECT countIf(task_id != '') AS n FROM verdicts")[0]["n"]
        _, state, _ = console(story.endpoints, story.folder)
        return open_tasks(state) - state.models[0].open_tasks.get("alert", 0) == wanted

    eventually("a task for each verdict that asks for one", same, story.program.log)


def test_alerts_are_back(story: Story) -> None:
    """Every alert from before the restart is listed once after it."""
    _, _, alerts = console(story.endpoints, story.folder)
    after = {alert.alert_id: alert.state for alert in alerts}
    assert len(after) == len(alerts)
    assert set(story.alerts_before) <= set(after)


def test_the_model_in_charge_is_the_same(story: Story) -> None:
    """Without new corrections, the model in charge is the same after the restart."""
    _, state, _ = console(story.endpoints, story.folder)
    in_charge = next((m.in_charge, m.in_charge_since) for m in state.models if m.model == MODEL)
    assert in_charge == story.in_charge_before
    assert count_of(story.endpoints, MODELS.name) <= 1


def test_whatever_is_killed_is_started_again(story: Story) -> None:
    """If one server or worker is killed, the program prints a line, starts it again and goes on."""
    for name, (before, after) in story.restarted.items():
        assert before != after
        assert f"{name} ended (exit code -9); starting it again" in story.program.output()
    assert story.program.process is not None
    assert story.program.process.poll() is None
