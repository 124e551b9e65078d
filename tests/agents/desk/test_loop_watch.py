"""The lag of roles is measured whatever ClickHouse does."""

from __future__ import annotations

import threading

import pytest

from agents.desk.loop_watch import LoopWatch
from agents.settings import WorkerSettings
from agents.shared.metrics import LAG_MESSAGES, exposition
from review.settings import AccuracySettings
from schemas.topics import LABELS
from streams.consume.batches import GroupBatches
from streams.produce.outbox import Outbox
from streams.settings import KafkaSettings
from tests.support.waiting import PATIENCE_SECONDS, eventually
from warehouse.client import Warehouse
from warehouse.settings import ClickHouseSettings

pytestmark = pytest.mark.servers


def shows(line: str) -> bool:
    return line in exposition().decode().splitlines()


def test_lag_while_clickhouse_is_away(kafka_topics: KafkaSettings) -> None:
    """RECORD never began and ClickHouse does not answer: its lag is all messages; once it has read them it is 0."""
    nowhere = ClickHouseSettings(url="http://127.0.0.1:1", connect_seconds_max=1)
    watch = LoopWatch(
        kafka_topics, lambda: Warehouse(nowhere), AccuracySettings(), WorkerSettings(lag_seconds_warning=1.0)
    )
    outbox, stop = Outbox(kafka_topics), threading.Event()
    for number in range(7):
        outbox.send(LABELS, str(number), b"{}")
    outbox.flush()
    loops = [threading.Thread(target=loop, args=(stop,)) for loop in (watch.run, watch.run_lag)]
    for loop in loops:
        loop.start()
    try:
        eventually("lag of record", lambda: shows('watchloop_lag_messages{role="record"} 7.0'))
        eventually("a warning", lambda: any("Counts are old" in warning for warning in watch.figures.warnings))
        assert {role.role: role.lag_messages for role in watch.figures.roles}["record"] == 7
        eventually("a late warning", lambda: any("record is behind: 7 messages" in w for w in watch.figures.warnings))
        (record,) = (role for role in watch.figures.roles if role.role == "record")
        assert record.note == "falling behind"
        assert (record.lag_seconds or 0.0) > 1.0

        done = threading.Event()
        batches = GroupBatches(
            kafka_topics, group="record", topics=[LABELS], handle=lambda records, _: done.set() if records else None
        )
        reading = threading.Thread(target=batches.run, args=(stop,))
        loops.append(reading)
        reading.start()
        eventually("no lag", lambda: shows('watchloop_lag_messages{role="record"} 0.0'))
        eventually("no age", lambda: shows('watchloop_lag_seconds{role="record"} 0.0'))
        assert done.is_set()
    finally:
        stop.set()
        for loop in loops:
            loop.join(PATIENCE_SECONDS)


def test_lag_that_is_unknown_is_no_lag_of_before() -> None:
    """While no broker answers, no earlier figure is shown as the present one."""
    away = KafkaSettings(bootstrap="127.0.0.1:1", client={"socket.timeout.ms": "1000"})
    watch = LoopWatch(away, lambda: Warehouse(ClickHouseSettings()), AccuracySettings())
    LAG_MESSAGES.labels("intake").set(0)
    watch._measure_lag()
    assert shows('watchloop_lag_messages{role="intake"} NaN')
    assert shows('watchloop_lag_seconds{role="intake"} NaN')
    assert watch.figures.roles == ()
    assert any("Lag is unknown" in warning for warning in watch.figures.warnings)
