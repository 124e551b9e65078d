"""What the topics of blocks, corrections, tasks, alerts and accounts can hold ends no role: Rejects, or one line."""

from __future__ import annotations

import ast
import pathlib
from typing import Any

import pytest
import structlog

from agents.drift.block_handler import BlockHandler
from agents.drift.monitors import Monitors
from agents.learn.correction_handler import CorrectionHandler
from agents.learn.learners import Learners
from agents.learn.snapshot_publisher import SnapshotPublisher
from agents.shared.log_values import handler_of, hear_person
from drift.settings import DriftSettings
from learning.settings import LearnSettings
from learning.snapshots.signing import SigningKey
from review.settings import QueueSettings
from schemas.topics import ALL_TOPICS, BLOCKS, CORRECTIONS, PEOPLE, REJECTS, Topic
from schemas.wire.person import Person
from streams.consume.batches import AssignedPartition
from streams.consume.record_guard import guarded
from tests.support.live_console import LiveConsole
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord
from tests.support.poison import poison
from tests.support.program import ROOT


class NoReports:
    """A desk that makes no report."""

    def ask(self, *_: object, **__: object) -> None:
        """Make nothing."""

    def poll(self) -> list[Any]:
        return []


def records(topic: Topic) -> list[PlainRecord]:
    return [
        PlainRecord(value, name=topic.name, number=number, key_bytes=key)
        for number, (key, value) in enumerate(poison(topic))
    ]


@pytest.mark.parametrize("topic", [BLOCKS, CORRECTIONS], ids=lambda topic: topic.name)
def test_drift_rejects_what_it_cannot_use(topic: Topic) -> None:
    """A block or correction that DRIFT cannot use, such as contradictory statistics, becomes a Reject with a reason."""
    reports: Any = NoReports()
    drift = BlockHandler(Monitors(lambda _: DriftSettings(), QueueSettings(), reports), PREFIX, load=lambda: ({}, {}))
    drift.assigned([AssignedPartition(topic.name, 0, None)])
    outbox = CollectingOutbox()
    drift.handle(records(topic), outbox)
    rejects = outbox.of(REJECTS)
    assert len(rejects) > 50
    assert all(reject.reason.isprintable() and reject.reason for reject in rejects)  # type: ignore[attr-defined]


def test_learn_rejects_what_it_cannot_use(tmp_path: pathlib.Path) -> None:
    """A correction that a model cannot learn is a Reject."""
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    publisher = SnapshotPublisher(key, lambda _: LearnSettings())
    learners = Learners(lambda _: LearnSettings(), publisher, publish_seconds_min=0.0)
    learn = CorrectionHandler(learners, publisher, PREFIX, load=dict)
    learn.assigned([AssignedPartition(CORRECTIONS.name, 0, None)])
    outbox: Any = CollectingOutbox()
    learn.handle(records(CORRECTIONS), outbox)
    assert len(outbox.of(REJECTS)) > 50


def test_the_desk_leaves_out_what_it_cannot_use() -> None:
    """Every listener of the desk survives the records of every topic, and the pages are served afterwards."""
    console = LiveConsole()
    listeners = console.state.record_listeners()
    listeners |= {name: handler_of(console.state.hear_task) for name in ("review.events", "review.alerts")}
    listeners["review.opinions"] = handler_of(console.state.hear_opinion)
    with structlog.testing.capture_logs() as lines:
        for topic in ALL_TOPICS:
            for record in records(topic):
                for hear in listeners.values():
                    guarded(hear)(record)
    assert all("exc_info" not in line for line in lines)
    assert all(str(line.get("why", "")).isprintable() for line in lines)
    assert {"topic", "partition", "offset"} <= lines[0].keys()
    with console.visit("ada") as visitor:
        for path in ("/queue", "/work", "/alerts", "/loop", "/api/state", "/api/tasks", "/api/alerts"):
            assert visitor.client.get(path).status_code == 200, path


def test_accounts_are_what_their_topic_says_under_their_own_key() -> None:
    """An account counts only under its own key, and only a tombstone removes it."""
    people: dict[str, Person] = {}
    for key, value in poison(PEOPLE):
        hear_person(people, value, key)
    assert set(people) <= {"ada"} | {key.decode("utf-8", "replace") for key, _ in poison(PEOPLE)}
    assert all(person.person_id == name for name, person in people.items())
    for name in list(people):
        hear_person(people, None, name.encode())
    assert people == {}


READERS = {
    "agents/shared/plan.py": 1,
    "agents/intake/role.py": 1,
    "agents/intake/catalogue.py": 1,
    "agents/drift/role.py": 3,
    "agents/desk/role.py": 4,
    "agents/learn/role.py": 1,
    "agents/intake/recall.py": 1,
    "agents/intake/triage_log.py": 1,
    "watchloop/people.py": 1,
    "watchloop/recorded/replay.py": 1,
}
"""Where the log is read, and in how many places."""
READING = {"LogReader", "read_tail", "GroupBatches", "TransactionalBatches", "agent", "Consumer"}


def test_every_reader_is_behind_the_wall() -> None:
    """READERS lists every file that reads the log, so that a new one is added only after a check that it leaves out
    what it cannot use."""
    reads: dict[str, int] = {}
    for room in ("agents", "watchloop", "drift", "review", "learning", "warehouse"):
        for file in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    if name in READING:
                        path = str(file.relative_to(ROOT))
                        reads[path] = reads.get(path, 0) + 1
    assert reads == READERS
