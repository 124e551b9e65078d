"""A Kafka with an INTAKE that works on it, for the examples of the documentation, and what lies on its topics."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator

from embedded.kafka.server import EmbeddedKafka
from embedded.kafka.settings import EmbeddedKafkaSettings
from schemas.topics import PREDICTIONS, VERDICTS, Topic
from schemas.wire.prediction import Prediction
from streams.admin.authority import EVERYBODY
from streams.admin.topics import create_topics
from streams.consume.log_reader import LogReader
from streams.produce.outbox import Outbox
from streams.settings import KafkaSettings
from streams.verdicts.messages import read_verdicts
from tests.support.paths import ROOT
from tests.support.program import environment
from tests.support.waiting import PATIENCE_SECONDS, eventually


@contextlib.contextmanager
def intake_at_work(folder: pathlib.Path, **variables: str) -> Iterator[str]:
    """The address of a Kafka with the default prefix, on which an INTAKE with these variables has judged an event."""
    (folder / "data").mkdir()
    log = folder / "intake.log"
    with EmbeddedKafka(
        folder / "kafka", EmbeddedKafkaSettings(log_retention_bytes=256 * 1024 * 1024), access=EVERYBODY
    ) as kafka:
        create_topics(KafkaSettings(bootstrap=kafka.bootstrap))
        command = [sys.executable, "-m", "watchloop", "worker", "--role", "intake"]
        known = {"WATCHLOOP_KAFKA_BOOTSTRAP": kafka.bootstrap, "WATCHLOOP_WORKER_DATA": "data", **variables}
        with log.open("wb") as out:
            intake = subprocess.Popen(
                command, stdout=out, stderr=out, cwd=folder, env=environment(PYTHONPATH=str(ROOT), **known)
            )
        try:
            eventually("INTAKE works", lambda: decided(kafka.bootstrap, "first"), log.read_text)
            yield kafka.bootstrap
        finally:
            intake.terminate()
            try:
                intake.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                intake.kill()
                intake.wait()


def decided(address: str, event_id: str) -> bool:
    """Send an event; whether there is a verdict of it (the next call sends it again)."""
    outbox = Outbox(KafkaSettings(bootstrap=address))
    event = Prediction(event_id=event_id, model="first", time=1, features={}, prediction="yes", confidence=1.0)
    outbox.send(PREDICTIONS, event_id, event)
    outbox.flush()
    return event_id in verdicts(address)


def verdicts(address: str) -> set[str]:
    """Ids of the events that have a verdict."""
    return {verdict.event_id for value in values(address, VERDICTS) for verdict in read_verdicts(value, 10_000).values}


def values(address: str, topic: Topic) -> list[bytes]:
    """The values of all messages on a topic, in order."""
    collected: list[bytes] = []
    reader = LogReader(
        KafkaSettings(bootstrap=address), {topic.name: lambda record: collected.append(record.value() or b"")}
    )
    reader.catch_up()
    reader.close()
    return collected
