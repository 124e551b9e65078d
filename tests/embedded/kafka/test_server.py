"""The embedded Kafka: real brokers, started, stopped, killed, and started again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from embedded.errors import KafkaDidNotStart, KafkaFolderBusy, KafkaFolderMismatch
from embedded.kafka.server import EmbeddedKafka
from embedded.kafka.settings import EmbeddedKafkaSettings
from schemas.topics import MODELS
from streams.admin.authority import EVERYBODY
from streams.admin.topics import check_reachable, create_topics, topic_ids
from streams.client_config import common_client_config
from streams.settings import KafkaSettings
from tests.support.kafka_nodes import kill_node, restart_node
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS, eventually, is_running

pytestmark = pytest.mark.servers
TOPIC = "watchloop.models"

STARTER = """
import json, pathlib, sys, time
from embedded.kafka.server import EmbeddedKafka
from streams.admin.authority import EVERYBODY
from embedded.kafka.settings import EmbeddedKafkaSettings
kafka = EmbeddedKafka(pathlib.Path(sys.argv[1]), EmbeddedKafkaSettings(nodes=int(sys.argv[2])), access=EVERYBODY)
kafka.start()
print(json.dumps([kafka.bootstrap, [process.pid for process in kafka.processes.values()]]), flush=True)
time.sleep(120)
"""


def write(bootstrap: str, values: range) -> None:
    producer = Producer(
        common_client_config(KafkaSettings(bootstrap=bootstrap)) | {"acks": "all", "compression.type": "lz4"}
    )
    for value in values:
        producer.produce(TOPIC, str(value).encode(), key=str(value).encode())
    assert producer.flush(PATIENCE_SECONDS) == 0


def read(bootstrap: str, count: int, seconds_max: float = PATIENCE_SECONDS) -> list[int]:
    """The first ``count`` values of the topic."""
    common = common_client_config(KafkaSettings(bootstrap=bootstrap))
    consumer = Consumer(common | {"group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    values: list[int] = []
    deadline = time.monotonic() + seconds_max
    while len(values) < count and time.monotonic() < deadline:
        values += [int(message.value() or b"") for message in consumer.consume(1000, 0.2) if message.error() is None]
    consumer.close()
    return values


def have_ended(pids: list[int]) -> bool:
    return not any(map(is_running, pids))


@contextlib.contextmanager
def started_elsewhere(folder: Path, nodes: int) -> Iterator[tuple[str, list[int]]]:
    """A Kafka started by another Python process, which is killed -9 at the end: its address and its processes."""
    command = [sys.executable, "-c", STARTER, str(folder), str(nodes)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        bootstrap, pids = json.loads(starter.stdout.readline())
        try:
            yield bootstrap, pids
        finally:
            starter.kill()


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose Kafka has run and was stopped."""
    folder = tmp_path_factory.mktemp("stopped")
    with EmbeddedKafka(folder, access=EVERYBODY):
        return folder


@pytest.fixture
def stopped(made_once: Path, tmp_path: Path) -> Path:
    """A copy of that folder, for one test."""
    return Path(shutil.copytree(made_once, tmp_path / "kafka"))


def test_records_outlive_stop_kill_and_a_taken_port(tmp_path: Path) -> None:
    """Records and topic ids are the same after a stop, after a kill -9, and when another program took the port."""
    folder = tmp_path / "däta, with blanks"
    lines: list[str] = []
    small = EmbeddedKafkaSettings(log_file_bytes_max=64 * 1024)
    kafka = EmbeddedKafka(folder, small, on_progress=lines.append, access=EVERYBODY)
    with kafka:
        first = kafka.bootstrap
        settings = KafkaSettings(bootstrap=first)
        create_topics(settings, [MODELS])
        ids = topic_ids(settings, [MODELS])
        write(first, range(1000))
    assert not kafka.processes
    assert any("preparing the data folder" in line for line in lines)

    lines.clear()
    with kafka:
        assert kafka.bootstrap == first, "the port was free and is used again"
        assert topic_ids(settings, [MODELS]) == ids
        write(first, range(1000, 2000))
        unpacked = set((folder / "node-1" / "temporary").glob("liblz4*"))
        assert unpacked, "libraries are unpacked where they may run, and where nobody else may write"
        kill_node(kafka)
        restart_node(kafka)
        assert not unpacked & set((folder / "node-1" / "temporary").iterdir()), "a killed node leaves nothing for good"
        assert read(first, 2000) == list(range(2000))
    assert not any("preparing the data folder" in line for line in lines), "a folder is prepared once"

    with socket.socket() as other:
        other.bind(("127.0.0.1", int(first.rpartition(":")[2])))
        other.listen()
        with EmbeddedKafka(folder, small, access=EVERYBODY) as again:
            assert again.bootstrap != first
            assert read(again.bootstrap, 2000) == list(range(2000))
    log_bytes = sum(path.stat().st_size for path in (folder / "log").glob("node-1.log*"))
    assert log_bytes < 4 * 64 * 1024, "the node's own log is bounded"


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_java_is_left_when_the_starter_is_killed(tmp_path: Path) -> None:
    """After a kill -9 of the Python process the broker closes its log and ends; the next start waits for that."""
    with started_elsewhere(tmp_path, nodes=1) as (_bootstrap, pids):
        pass
    with EmbeddedKafka(tmp_path, access=EVERYBODY) as kafka:
        assert have_ended(pids)
        assert check_reachable(KafkaSettings(bootstrap=kafka.bootstrap)) == 1


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_java_that_hangs_is_not_left_either(tmp_path: Path) -> None:
    """A broker that does not run, and so does not hear that it is to end, is gone within seconds of its starter."""
    with started_elsewhere(tmp_path, nodes=1) as (_bootstrap, pids):
        os.kill(pids[0], signal.SIGSTOP)
    eventually("the brokers to end", lambda: have_ended(pids))
    with EmbeddedKafka(tmp_path, access=EVERYBODY) as kafka:
        assert check_reachable(KafkaSettings(bootstrap=kafka.bootstrap)) == 1


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_three_nodes_survive_the_loss_of_one(tmp_path: Path) -> None:
    """With one node of three dead, what was acknowledged is read and more is written.

    None outlives the starter, not even one that is left alone, without whom to ask for leave.
    """
    with started_elsewhere(tmp_path, nodes=3) as (bootstrap, pids):
        settings = KafkaSettings(bootstrap=bootstrap, replication_factor=3)
        assert check_reachable(settings) == 3
        create_topics(settings, [MODELS])
        write(bootstrap, range(100))
        os.kill(pids[1], signal.SIGKILL)
        write(bootstrap, range(100, 200))
        assert read(bootstrap, 200) == list(range(200))
        os.kill(pids[0], signal.SIGKILL)
    eventually("the brokers to end", lambda: have_ended(pids))


def test_one_folder_has_one_kafka(stopped: Path) -> None:
    """A second start in a folder in use is refused in one line, and the first goes on."""
    with EmbeddedKafka(stopped, access=EVERYBODY) as first:
        second = EmbeddedKafka(stopped, EmbeddedKafkaSettings(stop_seconds_max=0.3), access=EVERYBODY)
        with pytest.raises(KafkaFolderBusy, match=r"another Kafka process uses .*node-1/data"):
            second.start()
        assert check_reachable(KafkaSettings(bootstrap=first.bootstrap)) == 1


def test_a_failed_start_says_why_and_leaves_nothing(stopped: Path) -> None:
    """The error is one line with the server's own reason and its log's path, and no process is left."""
    notes = stopped / "node-1" / "data" / "meta.properties"
    notes.write_text(notes.read_text().replace("node.id=1", "node.id=7"))
    kafka = EmbeddedKafka(stopped, access=EVERYBODY)
    with pytest.raises(KafkaDidNotStart) as caught:
        kafka.start()
    text = str(caught.value)
    assert "node 1 ended during its start" in text
    assert "node id 7" in text
    assert str(stopped / "log" / "node-1.log") in text
    assert "\n" not in text
    assert not kafka.processes


def test_a_start_that_takes_too_long_is_given_up(stopped: Path) -> None:
    """Past start_seconds_max the start fails, names the setting, and leaves no process."""
    impatient = EmbeddedKafka(stopped, EmbeddedKafkaSettings(start_seconds_max=0.01), access=EVERYBODY)
    with pytest.raises(KafkaDidNotStart, match=r"did not answer within embedded_kafka\.start_seconds_max = 0\.01 s"):
        impatient.start()
    assert not impatient.processes


@pytest.mark.parametrize(
    ("notes", "text"),
    [
        (b"{}", r"cluster\.json cannot be read .*another --data"),
        (
            b'{"cluster_id":"AAAAAAAAAAAAAAAAAAAAAA","ports":[{"broker":1,"controller":2}]}',
            r"holds a Kafka of 1 nodes, embedded_kafka\.nodes asks for 3",
        ),
        (
            b'{"cluster_id":"A","ports":[{"broker":1,"controller":2},{"broker":3,"controller":4},'
            b'{"broker":5,"controller":6}],"kafka_version":"99.0.1"}',
            r"was written by Kafka 99\.0\.1, which Kafka [\d.]+ of this watchloop cannot read: use another --data",
        ),
    ],
)
def test_a_folder_made_otherwise_is_refused(tmp_path: Path, notes: bytes, text: str) -> None:
    """A folder with another number of nodes, of a later Kafka, or with damaged notes is named and not touched."""
    (tmp_path / "cluster.json").write_bytes(notes)
    with pytest.raises(KafkaFolderMismatch, match=text):
        EmbeddedKafka(tmp_path, EmbeddedKafkaSettings(nodes=3), access=EVERYBODY).start()
    assert (tmp_path / "cluster.json").read_bytes() == notes


def test_settings_are_bounded() -> None:
    """A heap too small to run, or a number of nodes that is neither one nor three, is refused by name."""
    with pytest.raises(msgspec.ValidationError, match="heap_mb_max"):
        msgspec.convert({"heap_mb_max": 10}, EmbeddedKafkaSettings)
    with pytest.raises(msgspec.ValidationError, match="nodes"):
        msgspec.convert({"nodes": 2}, EmbeddedKafkaSettings)
