"""RECORD on a real ClickHouse: every row is stored once, whatever happens to either."""

from __future__ import annotations

import pathlib
import random
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from embedded.clickhouse.process import EmbeddedClickHouse
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from schemas.codec import encode
from schemas.topics import LABELS, PREDICTIONS, VERDICTS
from schemas.wire.verdict import Verdict
from streams.admin.access import RECORDED
from streams.consume.batches import AssignedPartition, HandBack
from streams.errors import KafkaUnreachable, TopicReplaced
from tests.support.paths import GOLDEN
from tests.support.recording import IDS, PASSWORDS, hand, ids, label, messages, partitions, recorder
from warehouse.client import Warehouse
from warehouse.errors import ClickHouseUnreachable, NoRoom
from warehouse.settings import ClickHouseSettings
from warehouse.store.inserts import Insert
from warehouse.store.tables import table_of

pytestmark = pytest.mark.servers


def test_a_sample_of_every_topic_goes_in(warehouse: Warehouse) -> None:
    """Everything ever published on a topic has a table and columns."""
    handler = recorder(warehouse)
    handler.assigned(partitions(*IDS))
    stored = 0
    for topic in RECORDED:
        samples = [file.read_bytes() for file in sorted(GOLDEN.glob(f"{topic.name}.*json"))]
        assert samples, f"no sample of {topic.name}"
        outbox = hand(handler, messages(topic.name, samples))
        assert outbox.sent == [], topic.name
        sql = f"SELECT count() AS n FROM `{table_of(topic.name)}` WHERE _topic_id = '{IDS[topic.name]}'"
        rows = warehouse.query(sql)[0]["n"]
        assert rows == len(samples), topic.name
        stored += rows
    assert stored >= len(RECORDED)


def test_arrays_are_taken_apart_and_tombstones_left_out(warehouse: Warehouse) -> None:
    """An array of verdicts makes a row of each; a tombstone makes none."""
    handler = recorder(warehouse)
    handler.assigned(partitions("verdicts"))
    verdicts = [
        Verdict(
            event_id=f"e-{n}",
            model="m",
            time=1,
            decision="accept",
            uncertainty=0.1,
            inclusion_probability=0.02,
            decided_at=2,
        )
        for n in range(5)
    ]
    hand(handler, messages(VERDICTS.name, [encode(verdicts), None, encode(verdicts[:1])]))
    assert ids(warehouse, "verdicts") == ["e-0", "e-1", "e-2", "e-3", "e-4", "e-0"]


def test_a_restart_goes_on_behind_what_is_stored(warehouse: Warehouse) -> None:
    """The next worker begins behind the highest identity, even if less was committed; no row is stored twice."""
    first = recorder(warehouse)
    assert first.assigned(partitions("labels")) == {}
    hand(first, messages(LABELS.name, [label(n) for n in range(7)]))
    second = recorder(warehouse)
    starts = second.assigned([AssignedPartition("labels", 0, 3), AssignedPartition("labels", 1, 9)])
    assert starts == {("labels", 0): 6}
    hand(second, messages(LABELS.name, [label(n) for n in range(6, 10)], begin=6))
    assert ids(warehouse) == [f"e-{n}" for n in range(10)]
    assert recorder(warehouse).assigned([AssignedPartition("labels", 0, 50)]) == {("labels", 0): 50}


def test_a_batch_that_comes_again_adds_nothing(warehouse: Warehouse) -> None:
    """A batch that is stored and handed out again before its commit is stored once."""
    handler = recorder(warehouse)
    handler.assigned(partitions("labels"))
    batch = messages(LABELS.name, [label(n) for n in range(20)])
    for _ in range(3):
        hand(handler, batch)
    assert len(ids(warehouse)) == 20


def test_a_topic_created_anew_is_not_taken_for_the_old_one(warehouse: Warehouse) -> None:
    """Offsets that count from zero again are not taken for stored rows; the next worker stores their rows."""
    known = dict(IDS)
    handler = recorder(warehouse, topic_ids=lambda: dict(known))
    handler.assigned(partitions("labels"))
    hand(handler, messages(LABELS.name, [label(n) for n in range(5)]))
    known["labels"] = "another"
    with pytest.raises(TopicReplaced, match=r"labels was deleted and created anew"):
        hand(handler, messages(LABELS.name, [label(n) for n in range(5, 8)]))
    again = recorder(warehouse, topic_ids=lambda: dict(known))
    assert again.assigned(partitions("labels")) == {}
    hand(again, messages(LABELS.name, [label(n) for n in range(5, 8)]))
    assert sorted(ids(warehouse)) == [f"e-{n}" for n in range(8)]


def test_while_kafka_does_not_say_which_topic_it_is_nothing_is_stored(warehouse: Warehouse) -> None:
    """A batch is handed back while the topic's id is unknown."""
    answers = iter([IDS, KafkaUnreachable("away"), IDS])

    def asked() -> dict[str, str]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    handler = recorder(warehouse, topic_ids=asked)
    handler.assigned(partitions("labels"))
    with pytest.raises(HandBack):
        hand(handler, messages(LABELS.name, [label(0)]))
    assert ids(warehouse) == []
    hand(handler, messages(LABELS.name, [label(0)]))
    assert ids(warehouse) == ["e-0"]


def test_nothing_overtakes_an_insert_that_fails(warehouse: Warehouse) -> None:
    """While an insert fails, the next one waits: the stored rows have no gap, and all are stored in the end."""
    small = Warehouse(msgspec.structs.replace(warehouse.settings, insert_rows_max=10))
    write, stored, failures = small.write, list[int](), list[list[str]]()

    def failing(table: str, insert: Insert) -> None:
        if len(stored) == 3 and len(failures) < 3:
            failures.append(ids(warehouse))
            raise ClickHouseUnreachable("gone")
        write(table, insert)
        stored.append(int(insert.offsets[-1]))

    small.write = failing  # type: ignore[method-assign]
    handler = recorder(small)
    handler.assigned(partitions("labels"))
    handler.pause = lambda seconds: True
    hand(handler, messages(LABELS.name, [label(n) for n in range(50)]))
    assert failures == [[f"e-{n}" for n in range(stored[2] + 1)]] * 3
    assert len(stored) >= 5
    assert stored == sorted(stored)
    assert ids(warehouse) == [f"e-{n}" for n in range(50)]


def test_a_full_disk_is_said_in_a_line_and_waited_for(own_clickhouse: EmbeddedClickHouse) -> None:
    """At the disk's quota the batch waits and the log says why; once rows are deleted it is stored, once."""
    warehouse = Warehouse(ClickHouseSettings(url=own_clickhouse.url, password="writer", analyst_password="reader"))
    warehouse.install()
    warehouse.command("CREATE TABLE filler (s String CODEC(NONE)) ENGINE = MergeTree ORDER BY tuple()")

    def fill() -> None:
        while True:
            warehouse.insert("filler", [{"s": random.Random(0).randbytes(2**19).hex()}])

    with pytest.raises(NoRoom):
        fill()
    handler = recorder(warehouse)
    handler.assigned(partitions("labels"))
    waited: list[float] = []

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        if len(waited) == 3:
            warehouse.command("TRUNCATE TABLE filler")
        return True

    handler.pause = pause
    with capture_logs() as logs:
        hand(handler, messages(LABELS.name, [label(n) for n in range(5)]))
    assert len(waited) >= 3
    assert waited[2] > waited[0] / 2
    says = [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(says) == len(waited)
    assert all("has no room" in entry["why"] and "\n" not in entry["why"] for entry in says)
    assert [entry["event"] for entry in logs if entry["log_level"] == "info"] == ["ClickHouse takes batches again"]
    assert ids(warehouse) == [f"e-{n}" for n in range(5)]
    warehouse.close()


@pytest.fixture
def own_clickhouse(tmp_path: pathlib.Path) -> Iterator[EmbeddedClickHouse]:
    """A server that the test may stop, with the least quota of disk."""
    server = EmbeddedClickHouse(
        tmp_path / "clickhouse", EmbeddedClickHouseSettings(disk_bytes_max=16 * 1024 * 1024), passwords=PASSWORDS
    )
    server.start()
    yield server
    server.stop()


def test_clickhouse_away_for_a_while_loses_nothing(own_clickhouse: EmbeddedClickHouse) -> None:
    """While ClickHouse is stopped the batch waits; after that it is stored, once."""
    warehouse = Warehouse(
        ClickHouseSettings(url=own_clickhouse.url, password="writer", analyst_password="reader", connect_seconds_max=2)
    )
    warehouse.install()
    handler = recorder(warehouse)
    handler.assigned(partitions("labels"))
    hand(handler, messages(LABELS.name, [label(n) for n in range(5)]))
    own_clickhouse.stop()
    waited: list[float] = []

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        if len(waited) == 3:
            own_clickhouse.start()
        return True

    handler.pause = pause
    hand(handler, messages(LABELS.name, [label(n) for n in range(5, 10)], begin=5))
    assert len(waited) >= 3
    assert ids(warehouse) == [f"e-{n}" for n in range(10)]
    own_clickhouse.stop()
    handler.pause = lambda seconds: False
    with pytest.raises(HandBack):
        hand(handler, messages(LABELS.name, [label(10)], begin=10))
    warehouse.close()


def test_a_stop_ends_the_wait_for_where_to_begin() -> None:
    """A worker that is stopped while ClickHouse does not answer hands its new partitions back."""
    stop = threading.Event()
    stop.set()
    nowhere = Warehouse(ClickHouseSettings(url="http://127.0.0.1:1", connect_seconds_max=1))
    with pytest.raises(HandBack):
        recorder(nowhere, stop).assigned(partitions("labels"))


def test_nothing_changes_what_a_value_was(warehouse: Warehouse) -> None:
    """Times, maps and texts come back from ClickHouse as they were sent."""
    handler = recorder(warehouse)
    handler.assigned(partitions("predictions"))
    value: dict[str, Any] = {
        "event_id": "ä'\\\n😀",
        "model": "m",
        "time": 1_700_000_000_123,
        "features": {"n": -1.5e300, "t": "a\tb", "none": None, "flag": True},
        "prediction": True,
        "probabilities": {"true": 0.75, "false": 0.25},
        "slices": {"region": "EU"},
    }
    hand(handler, messages(PREDICTIONS.name, [msgspec.json.encode(value)]))
    (row,) = warehouse.query(
        "SELECT event_id, toUnixTimestamp64Milli(time) AS ms, features, features_text, prediction, confidence, slices"
        " FROM predictions"
    )
    assert (row["event_id"], row["ms"], row["prediction"], row["confidence"]) == (
        value["event_id"], value["time"], "true", 0.75,
    )  # fmt: skip
    assert row["features"]["n"] == -1.5e300
    assert row["features_text"]["t"] == "a\tb"
    assert row["slices"] == {"region": "EU"}
