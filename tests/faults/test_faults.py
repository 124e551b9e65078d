"""Whatever dies: one verdict for every prediction, every Reject byte for byte, every row and every task once.

Each test sends predictions, of which one message in twenty is malformed, does its harm while they flow, and then looks
at all that was ever sent to these servers.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.support.faults.fault_servers import SESSION_SECONDS
from tests.support.faults.fault_story import LONG_FORM, Story
from tests.support.faults.fault_stream import DEFECTS
from tests.support.kafka_nodes import kill_node, restart_node
from warehouse.client import Warehouse

pytestmark = [pytest.mark.servers, pytest.mark.faults]

Audit = Callable[[str], None]
KILL_WITHIN_SECONDS = 1.0
"""A kill falls at a random point of this time after the worker got its partitions; it works all the while."""
BROKER_FEED_SECONDS = 6.0
TURN_FEED_SECONDS = 4.0
MALFORMED_AMONG_MIN = 3_000
FULL_SECONDS = 1.0


def test_workers_killed_at_random_points(story: Story, audit: Audit) -> None:
    """kill -9 of one of three workers again and again, wherever it stands: within a transaction, an insert, a join."""
    draw = story.draw("kills")
    for number in range(story.form.kills):
        victim = draw.choice([*story.intake, story.record])
        story.servers.wait_assigned([victim])
        events = story.form.events_per_kill
        story.feed.begin(story.messages(events, f"kill{number}"), events / KILL_WITHIN_SECONDS)
        time.sleep(draw.uniform(0.0, KILL_WITHIN_SECONDS))
        victim.kill()
        victim.start()
        story.feed.finish()
    audit("kill -9 of workers")


def test_a_broker_killed_and_brought_back(story: Story, audit: Audit) -> None:
    """kill -9 of one broker of three: what two have goes on, and the third comes back to where they are."""
    draw = story.draw("brokers")
    broker = story.servers.broker
    for node in draw.sample(sorted(broker.processes), story.form.brokers_killed):
        events = story.form.events_per_fault
        story.feed.begin(story.messages(events, f"broker{node}"), events / BROKER_FEED_SECONDS)
        time.sleep(draw.uniform(0.0, 1.0))
        kill_node(broker, node)
        story.feed.finish()
        story.wait_for_verdicts()
        restart_node(broker, node)
        story.servers.wait_in_sync()
    audit("kill -9 of a broker")


def test_clickhouse_cut(story: Story, audit: Audit) -> None:
    """ClickHouse killed -9: verdicts go on all the while, and RECORD, still the same process, takes up where it was."""
    record = story.record.process
    story.feed.begin(story.messages(story.form.events_per_fault, "before"), story.form.events_per_fault)
    time.sleep(story.draw("cut").uniform(0.0, 1.0))
    begin = time.monotonic()
    story.servers.kill_clickhouse()
    story.feed.finish()
    story.feed.send(story.messages(story.form.events_per_fault, "cut"))
    story.wait_for_verdicts()
    time.sleep(max(0.0, story.form.cut_seconds - (time.monotonic() - begin)))
    story.servers.clickhouse.start()
    audit("ClickHouse cut")
    assert story.record.process is record


def test_workers_join_and_leave(story: Story, audit: Audit) -> None:
    """Of INTAKE and of RECORD: one of two leaves by SIGTERM, comes back, and the other is killed, in full work."""
    draw = story.draw("turns")
    for turn in range(story.form.turns):
        record = story.servers.worker("record", f"turn{turn}").start()
        stay, leave = (story.intake[0], story.record), (story.intake[1], record)
        story.servers.wait_assigned(leave)
        events = story.form.events_per_fault
        story.feed.begin(story.messages(events, f"turn{turn}"), events / TURN_FEED_SECONDS)
        time.sleep(draw.uniform(0.0, 1.0))
        for worker in stay:
            worker.stop()
            worker.start()
        story.servers.wait_assigned(stay)
        time.sleep(draw.uniform(0.0, 1.0))
        for worker in leave:
            worker.kill()
        story.feed.finish()
        story.intake[1].start()
    audit("workers joining and leaving")


@pytest.mark.parametrize("story", [LONG_FORM], indirect=True)
def test_a_frozen_worker_comes_back(story: Story, audit: Audit) -> None:
    """An INTAKE worker that did not move for so long that the group gave its partitions away commits nothing more."""
    draw = story.draw("freezes")
    for turn in range(story.form.turns):
        frozen = draw.choice(story.intake)
        events = story.form.events_per_fault
        story.feed.begin(story.messages(events, f"freeze{turn}"), events / TURN_FEED_SECONDS)
        time.sleep(draw.uniform(0.0, 1.0))
        with frozen.frozen():
            time.sleep(SESSION_SECONDS + draw.uniform(1.0, 3.0))
        story.feed.finish()
        story.wait_for_verdicts()
    audit("INTAKE frozen and back")


def test_disk_quota_filled(story: Story, audit: Audit) -> None:
    """No room in ClickHouse: inserts are refused, verdicts go on, RECORD waits; with room again every row is there."""
    record = story.record.process
    with story.servers.full_clickhouse() as warehouse:
        before = rows(warehouse, "predictions")
        story.feed.send(story.messages(story.form.events_per_fault, "full"))
        story.wait_for_verdicts()
        time.sleep(FULL_SECONDS)
        assert rows(warehouse, "predictions") == before
    audit("the disk quota filled")
    assert story.record.process is record


def rows(warehouse: Warehouse, table: str) -> int:
    count: int = warehouse.query(f"SELECT count() AS n FROM {table}")[0]["n"]
    return count


def test_every_kind_of_malformed_message_was_among_them(story: Story, audit: Audit) -> None:
    """One message in twenty of all that the tests before this one sent, or of its own where it runs alone."""
    if story.sent.messages < MALFORMED_AMONG_MIN:
        story.feed.send(story.messages(MALFORMED_AMONG_MIN, "malformed"))
        audit("malformed messages")
    assert set(DEFECTS) <= set(story.sent.defects)
    assert 0.03 < story.sent.malformed / story.sent.messages < 0.08
