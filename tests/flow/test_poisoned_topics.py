"""Whatever the topics hold, a worker with all roles lives, goes on, and tells of every record it cannot use."""

from __future__ import annotations

import functools
import json
import pathlib
import time
from collections.abc import Iterator

import httpx
import pytest
from confluent_kafka import KafkaError, Message, Producer

from schemas.topics import ALL_TOPICS, PREDICTIONS, REJECTS, VERDICTS, VERDICTS_ACCEPTED
from streams.admin.access import RECORDED
from streams.admin.topics import topic_ids
from streams.client_config import common_client_config
from streams.settings import KafkaSettings
from tests.support.desk_worker import Worker
from tests.support.live_console import LiveConsole, routes
from tests.support.poison import GOLDEN, hostile
from tests.support.program import run_command
from tests.support.waiting import PATIENCE_SECONDS, eventually
from warehouse.client import Warehouse
from warehouse.store.tables import table_of
from watchloop.people import person_of, write_people

PASSWORD = "four rainy words together"
ROLES = ("intake", "drift", "desk", "learn", "record")
LINE_CHARS_MAX = 10_000

IN_ARRAYS = (PREDICTIONS, VERDICTS, VERDICTS_ACCEPTED)
"""Whose values come in arrays, of none too."""

pytestmark = pytest.mark.servers

Placed = set[tuple[str, int, int]]
"""Topic, partition and offset of each record."""


def pour(kafka: KafkaSettings, placed: Placed) -> None:
    """Fill every topic with poisoned records, and note where each lies that RECORD must store or reject."""
    producer = Producer(common_client_config(kafka))

    def arrived(name: str, error: KafkaError | None, message: Message) -> None:
        assert error is None, (name, error)
        placed.add((name, message.partition() or 0, message.offset() or 0))

    for topic in ALL_TOPICS:
        for key, value in hostile(topic):
            says_nothing = topic.compact if value is None else value == b"[]" and topic in IN_ARRAYS
            arrival = None if says_nothing else functools.partial(arrived, topic.name)
            producer.produce(kafka.prefix + topic.name, key=key, value=value, on_delivery=arrival)
        producer.poll(0)
    assert producer.flush(60) == 0


def send_good_prediction(kafka: KafkaSettings, event_id: str) -> None:
    value = json.loads((GOLDEN / "predictions.v1.json").read_text())
    value |= {"event_id": event_id, "model": "good", "time": int(time.time() * 1000)}
    producer = Producer(common_client_config(kafka))
    producer.produce(kafka.prefix + PREDICTIONS.name, key=event_id, value=json.dumps(value))
    assert producer.flush(30) == 0


def unaccounted(kafka: KafkaSettings, warehouse: Warehouse, placed: Placed) -> Placed:
    """Records of the topics that RECORD stores of which ClickHouse has neither a row nor a Reject."""
    left = {position for position in placed if position[0] in {topic.name for topic in RECORDED}}
    for name, topic_id in topic_ids(kafka, RECORDED).items():
        rows = f"SELECT DISTINCT _partition AS p, _offset AS o FROM {table_of(name)} WHERE _topic_id = '{topic_id}'"
        left -= {(name, row["p"], row["o"]) for row in warehouse.query(rows)}
    told = "SELECT DISTINCT source_topic AS t, source_partition AS p, source_offset AS o FROM rejects"
    return left - {(row["t"], row["p"], row["o"]) for row in warehouse.query(told)}


@pytest.fixture
def placed() -> Placed:
    return set()


@pytest.fixture
def worker(
    tmp_path: pathlib.Path, kafka_topics: KafkaSettings, warehouse: Warehouse, placed: Placed
) -> Iterator[Worker]:
    """A worker with every role, on topics that were poisoned before it started."""
    write_people(kafka_topics, [person_of("ada", PASSWORD, ("admin",))])
    pour(kafka_topics, placed)
    made = Worker(
        tmp_path, kafka_topics, *ROLES, clickhouse=warehouse.settings, WATCHLOOP_WORKER_LABEL_WAIT_SECONDS="2"
    )
    yield made
    made.end()


def test_a_worker_lives_through_poisoned_topics(
    worker: Worker, kafka_topics: KafkaSettings, warehouse: Warehouse, placed: Placed
) -> None:
    """With poisoned records before the start and while it runs, a worker judges and stores a good prediction, stores or
    rejects every other record, serves every page, passes ``watchloop check``, and restarts no loop."""
    worker.start()
    assert worker.process is not None
    pour(kafka_topics, placed)
    send_good_prediction(kafka_topics, "good-1")

    def judged() -> bool:
        assert worker.is_alive(), worker.log()[-6_000:]
        question = "SELECT 1 FROM verdicts WHERE event_id = 'good-1' AND event_id IN (SELECT event_id FROM predictions)"
        return bool(warehouse.query(question))

    eventually("the verdict of a good prediction", judged, lambda: worker.log()[-6_000:])
    silent = {REJECTS.name}  # a Reject of a Reject would have one too; the log tells of these
    positions = {position for position in placed if position[0] not in silent}
    assert len(positions) > 5_000
    eventually(
        "a row or a Reject of every record",
        lambda: not unaccounted(kafka_topics, warehouse, positions),
        lambda: f"{sorted(unaccounted(kafka_topics, warehouse, positions))[:200]}\n{worker.log()[-3_000:]}",
    )
    check_console(worker)
    checked = run_command("check", cwd=worker.folder, **worker.settings)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    check_log(worker.log())
    assert worker.is_alive()


def check_console(worker: Worker) -> None:
    """Every page whose address has no parameter is served to an administrator."""
    pages = [path for method, path in routes(LiveConsole().app) if method == "GET" and "{" not in path]
    assert {"/healthz", "/queue", "/alerts", "/loop", "/metrics"} <= set(pages)
    with httpx.Client(base_url=worker.url, trust_env=False, timeout=PATIENCE_SECONDS, follow_redirects=True) as client:
        client.headers["x-csrftoken"] = client.get("/api/session").json()["csrf_token"]
        signed_in = client.post("/api/session", json={"person": "ada", "password": PASSWORD})
        assert signed_in.status_code == 201 or signed_in.is_success, signed_in.text
        for path in pages:
            answer = client.get(path)
            assert answer.is_success, (path, answer.status_code, answer.text[:500])
            assert "Traceback" not in answer.text, path


def check_log(log: str) -> None:
    """No traceback, no line over the limit, one start of each loop, and a line for what is no Reject on ``rejects``."""
    assert "Traceback" not in log, log[max(0, log.index("Traceback") - 500) :][:4_000]
    assert max(map(len, log.splitlines())) < LINE_CHARS_MAX
    for loop in ("intake", "catalogue", "drift", "drift: people", "desk: log", "learn", "labels", "record"):
        assert log.count(f"ThreadLoop: {loop}]: Starting...") == 1, loop
    assert "a reject cannot be stored" in log
